package kernel

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	c := NewClock()
	before := time.Now()
	wall := c.Wall(uint64(Monotonic()))
	// Reading two clocks takes a moment, longer if the machine is busy.
	if off := wall.Sub(before); off < -ClockJump || off > ClockJump {
		t.Errorf("off by %v", off)
	}
}

func TestClockFollowsJumpsOnly(t *testing.T) {
	c := NewClock()
	right := c.Offset.Load()
	for _, test := range []struct {
		off    time.Duration
		follow bool
	}{
		{off: 50 * time.Millisecond},
		{off: -50 * time.Millisecond},
		{off: time.Second, follow: true},
		{off: -time.Hour, follow: true},
	} {
		wrong := right + int64(test.off)
		c.Offset.Store(wrong)
		c.Update()
		if followed := c.Offset.Load() != wrong; followed != test.follow {
			t.Errorf("off by %v: followed %v", test.off, followed)
		}
	}
}
