package probes

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// clockJump is how far the wall clock may stray before times follow it. Less
// is the slewing of NTP, which must not move the times of one sample apart.
const clockJump = 100 * time.Millisecond

// clock turns the time stamps of BPF programs, CLOCK_MONOTONIC, into wall
// clock time. Its methods may be called from any goroutine.
type clock struct {
	offset atomic.Int64 // wall minus monotonic, in nanoseconds
}

func newClock() *clock {
	c := new(clock)
	c.update()
	return c
}

// wall is the wall clock time of a CLOCK_MONOTONIC time stamp.
func (c *clock) wall(ns uint64) time.Time {
	return time.Unix(0, int64(ns)+c.offset.Load())
}

// update follows the wall clock where it was set, or the machine slept.
func (c *clock) update() {
	before := monotonic()
	wall := time.Now().UnixNano()
	after := monotonic()
	// The wall clock was read somewhere between: that much is uncertain.
	offset := wall - (before+after)/2
	if stray := offset - c.offset.Load(); max(stray, -stray) > int64(clockJump)+(after-before)/2 {
		c.offset.Store(offset)
	}
}

func monotonic() int64 {
	var now unix.Timespec
	// Fails for unknown clocks and bad pointers only: clock_gettime(2).
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return now.Nano()
}
