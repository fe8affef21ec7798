package kernel

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ClockJump is how far the wall clock may stray before times follow it. Less
// is the slewing of NTP, which must not move the times of one sample apart.
const ClockJump = 100 * time.Millisecond

// Clock turns the time stamps of BPF programs, CLOCK_MONOTONIC, into wall
// clock time. Its methods may be called from any goroutine.
type Clock struct {
	Offset atomic.Int64 // wall minus monotonic, in nanoseconds
}

func NewClock() *Clock {
	c := new(Clock)
	c.Update()
	return c
}

// Wall is the wall clock time of a CLOCK_MONOTONIC time stamp.
func (c *Clock) Wall(ns uint64) time.Time {
	return time.Unix(0, int64(ns)+c.Offset.Load())
}

// Stamp is the CLOCK_MONOTONIC time stamp of a wall clock time.
func (c *Clock) Stamp(wall time.Time) uint64 { return uint64(max(0, wall.UnixNano()-c.Offset.Load())) }

// Update follows the wall clock where it was set, or the machine slept.
func (c *Clock) Update() {
	before := Monotonic()
	wall := time.Now().UnixNano()
	after := Monotonic()
	// The wall clock was read somewhere between: that much is uncertain.
	offset := wall - (before+after)/2
	if stray := offset - c.Offset.Load(); max(stray, -stray) > int64(ClockJump)+(after-before)/2 {
		c.Offset.Store(offset)
	}
}

func Monotonic() int64 {
	var now unix.Timespec
	// Fails for unknown clocks and bad pointers only: clock_gettime(2).
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return now.Nano()
}

// Asleep is how long the machine has slept since it was booted: by that much CLOCK_MONOTONIC,
// which stands still meanwhile, is behind CLOCK_BOOTTIME.
func Asleep() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) // as in Monotonic
	return time.Duration(now.Nano() - Monotonic())
}
