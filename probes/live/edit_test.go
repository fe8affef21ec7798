package live

import (
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// TestConnectionsOnWhenClockIsSet counts connections between two samples, after
// the wall clock was set: to the clock of the sample, it is off by as much.
func TestConnectionsOnWhenClockIsSet(t *testing.T) {
	for _, off := range []time.Duration{0, time.Hour, -time.Hour} {
		l := &Live{clock: kernel.NewClock()}
		l.clock.Offset.Add(int64(off))
		sampled := l.clock.Wall(uint64(kernel.Monotonic()))
		l.seen = []probes.Connection{
			{Interface: "eth0", LastSeen: sampled},
			{Interface: "eth0", LastSeen: sampled.Add(-50 * time.Second)},
			{Interface: "eth0", LastSeen: sampled.Add(-2 * time.Minute)},
			{Interface: "eth1", LastSeen: sampled},
		}
		if got := l.connectionsOn("eth0"); got != 2 {
			t.Errorf("off by %v: %d connections, want 2", off, got)
		}
	}
}
