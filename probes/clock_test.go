package probes

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	c := newClock()
	before := time.Now()
	wall := c.wall(uint64(monotonic()))
	// Reading two clocks takes a moment, longer if the machine is busy.
	if off := wall.Sub(before); off < -clockJump || off > clockJump {
		t.Errorf("off by %v", off)
	}
}

func TestClockFollowsJumpsOnly(t *testing.T) {
	c := newClock()
	right := c.offset.Load()
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
		c.offset.Store(wrong)
		c.update()
		if followed := c.offset.Load() != wrong; followed != test.follow {
			t.Errorf("off by %v: followed %v", test.off, followed)
		}
	}
}
