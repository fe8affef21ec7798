package main

import (
	"net"
	"testing"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// TestHealth: what keeps no frame from coming out does not make a pair degraded.
func TestHealth(t *testing.T) {
	up := interfaceFlags{"a": net.FlagUp | net.FlagRunning, "b": net.FlagUp | net.FlagRunning}
	for _, test := range []struct {
		pair crossconnect.Status
		want health
	}{
		{crossconnect.Status{State: crossconnect.Active}, healthUp},
		{crossconnect.Status{State: crossconnect.Active, Reason: "comes first", Harmless: true}, healthUp},
		{crossconnect.Status{State: crossconnect.Active, Reason: "drops"}, healthDegraded},
		{crossconnect.Status{State: crossconnect.Waiting, Reason: "b is missing"}, healthWaiting},
	} {
		test.pair.A, test.pair.B = "a", "b"
		if got, _ := healthOf(&test.pair, up); got != test.want {
			t.Errorf("%+v is %s, want %s", test.pair, got, test.want)
		}
	}
}
