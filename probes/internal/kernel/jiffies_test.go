package kernel

import (
	"testing"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestReadJiffies compares the two clocks at many moments by the relation found once.
func TestReadJiffies(t *testing.T) {
	labtest.RequireRoot(t)
	c, err := ReadJiffies()
	if err != nil {
		t.Fatal(err)
	}
	if c.Length < 1e6 || c.Length > 1e7 {
		t.Fatalf("a tick of %d ns: want 1 to 10 ms", c.Length)
	}
	for range 50 {
		ticks, at, err := readBoth()
		if err != nil {
			t.Fatal(err)
		}
		// Because each of the two comparisons is off by a tick at most, and by the
		// nanoseconds that NTP gives or takes.
		if off := int64(at) - int64(c.Time(ticks)); off <= -2*int64(c.Length) || off >= 2*int64(c.Length) {
			t.Errorf("tick %d is told %d ns early", ticks, off)
		}
	}
}

func TestTicksAndTime(t *testing.T) {
	c := Jiffies{Length: 4e6, Offset: 1<<64 - 1e15} // jiffies began long before the clock
	for _, ticks := range []uint64{25e7 + 1, 3e8} {
		if got := c.Ticks(c.Time(ticks)); got != ticks {
			t.Errorf("tick %d is at %v, which is tick %d", ticks, c.Time(ticks), got)
		}
		if got := c.Ticks(c.Time(ticks) + 1); got != ticks+1 {
			t.Errorf("just after tick %d: %d, want the next", ticks, got)
		}
	}
}
