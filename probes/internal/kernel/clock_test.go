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
	if off := wall.Round(0).Sub(before.Round(0)); off < -ClockJump || off > ClockJump {
		t.Errorf("off by %v", off)
	}
	if since := time.Since(wall); since < -ClockJump || since > time.Minute {
		t.Errorf("%v ago", since)
	}
}

// TestClockFollowsJumpsOnly sets a wall clock, and has a machine sleep: times before stay
// as they were, those since the look before follow.
func TestClockFollowsJumpsOnly(t *testing.T) {
	for _, test := range []struct {
		off    time.Duration
		follow bool
	}{
		{off: 50 * time.Millisecond},
		{off: -50 * time.Millisecond},
		{off: time.Second, follow: true},
		{off: -time.Hour, follow: true},
		{off: time.Hour, follow: true},
	} {
		var c Clock
		day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		seconds := func(n int64) int64 { return n * int64(time.Second) }
		c.follow(seconds(100), day, 0)
		c.follow(seconds(110), day.Add(10*time.Second), 0)
		c.follow(seconds(120), day.Add(20*time.Second+test.off), 0)
		c.follow(seconds(130), day.Add(30*time.Second+test.off), 0)
		moved := test.off
		if !test.follow {
			moved = 0
		}
		for stamp, want := range map[int64]time.Time{
			90: day.Add(-10 * time.Second), 105: day.Add(5 * time.Second), 110: day.Add(10 * time.Second),
			115: day.Add(15*time.Second + moved), 120: day.Add(20*time.Second + moved), 140: day.Add(40*time.Second + moved),
		} {
			if got := c.Wall(uint64(seconds(stamp))); !got.Equal(want) {
				t.Errorf("off by %v: stamp %d is %v, want %v", test.off, stamp, got, want)
			}
		}
	}
}

// TestClockForgets sets the clock again and again.
func TestClockForgets(t *testing.T) {
	var c Clock
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := range int64(3 * epochsMax) {
		at := n * int64(time.Second)
		wall := day.Add(time.Duration(n) * time.Hour)
		c.follow(at, wall, 0)
		if got := c.Wall(uint64(at)); !got.Equal(wall) {
			t.Fatalf("%v, want %v", got, wall)
		}
	}
	if got := len(*c.epochs.Load()); got != epochsMax {
		t.Errorf("remembers %d", got)
	}
}
