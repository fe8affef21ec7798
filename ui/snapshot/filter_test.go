package snapshot

import (
	"testing"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

func TestMatcher(t *testing.T) {
	conns := fake.Sample(3).Connections[3:4]
	for filter, want := range map[string]bool{
		"": true, " ": true, "tcp": true, "TCP 2001:db8": true, "eth0": true, ":443": true, "udp": false, "tcp 10.": false,
	} {
		if got := len(matchingConnections(conns, filter)) == 1; got != want {
			t.Errorf("%q: %v", filter, got)
		}
	}
}
