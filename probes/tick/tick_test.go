package tick

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// TestRead compares the two clocks at many moments by the relation found once.
func TestRead(t *testing.T) {
	lab.RequireRoot(t)
	c, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	if c.Length < 1e6 || c.Length > 1e7 {
		t.Fatalf("a tick of %d ns: want 1 to 10 ms", c.Length)
	}
	for range 50 {
		var before unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &before); err != nil {
			t.Fatal(err)
		}
		ticks, after, err := readBoth()
		if err != nil {
			t.Fatal(err)
		}
		told := int64(ticks*c.Length + c.Offset)
		if told < before.Nano()-int64(c.Length) || told > int64(after)+int64(c.Length) {
			t.Errorf("told %d, between %d and %d: off by more than a tick", told, before.Nano(), after)
		}
	}
}
