package live

import (
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// TestConnectionsOn counts those of the last minute. That holds if the clock is set, because
// times have a monotonic reading.
func TestConnectionsOn(t *testing.T) {
	l := &Live{clock: kernel.NewClock()}
	sampled := l.clock.Wall(uint64(kernel.Monotonic()))
	if sampled == sampled.Round(0) {
		t.Error("no monotonic reading")
	}
	l.seen = []probes.Connection{
		{Interface: "eth0", LastSeen: sampled},
		{Interface: "eth0", LastSeen: sampled.Add(-50 * time.Second)},
		{Interface: "eth0", LastSeen: sampled.Add(-2 * time.Minute)},
		{Interface: "eth1", LastSeen: sampled},
	}
	if got := l.connectionsOn("eth0"); got != 2 {
		t.Errorf("%d connections, want 2", got)
	}
}
