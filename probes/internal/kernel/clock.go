package kernel

import (
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ClockJump is how far the wall clock may stray before times follow it. Less
// is the slewing of NTP, which must not move the times of one sample apart.
const ClockJump = 100 * time.Millisecond

// Clock turns the time stamps of BPF programs, CLOCK_MONOTONIC, into wall
// clock time: that of the moment of the stamp, even if the wall clock is set later, or the
// machine sleeps, during which CLOCK_MONOTONIC stands still. Times carry a monotonic
// reading, so the time between two of them is right, too. Wall may be called from any
// goroutine.
type Clock struct {
	epochs atomic.Pointer[[]epoch] // oldest first
	looked int64                   // CLOCK_MONOTONIC at the last Update
}

// epoch is a time during which the wall clock was not set, and the machine did not sleep.
type epoch struct {
	from int64 // CLOCK_MONOTONIC
	at   int64 // CLOCK_MONOTONIC when the wall clock was:
	wall time.Time
}

// epochsMax is how many are remembered. What is older has the times of the oldest one.
const epochsMax = 100

func NewClock() *Clock {
	c := new(Clock)
	c.Update()
	return c
}

// Wall is the wall clock time of a CLOCK_MONOTONIC time stamp, in nanoseconds.
func (c *Clock) Wall(ns uint64) time.Time {
	epochs := *c.epochs.Load()
	last := len(epochs) - 1
	for last > 0 && int64(ns) < epochs[last].from {
		last--
	}
	e := &epochs[last]
	return e.wall.Add(time.Duration(int64(ns) - e.at))
}

// Stamp is the CLOCK_MONOTONIC time stamp of a time that Wall returned: by the monotonic
// reading of that, whatever the wall clock was then. It is 0 for a time before the start of
// the machine.
func (c *Clock) Stamp(wall time.Time) uint64 {
	epochs := *c.epochs.Load()
	e := &epochs[len(epochs)-1]
	return uint64(max(0, e.at+int64(wall.Sub(e.wall))))
}

// Update notices that the wall clock was set, or the machine slept. It does not know when
// that was since the Update before: all stamps since then get times by the clock of now.
// One goroutine may call it.
func (c *Clock) Update() {
	at, wall, uncertain := readClocks()
	c.follow(at, wall, uncertain)
}

// readClocks reads CLOCK_MONOTONIC and the wall clock of one moment, and how uncertain that
// is: the best of a few attempts, because a thread may be made to wait between two readings.
func readClocks() (at int64, wall time.Time, uncertain time.Duration) {
	const attempts, enough = 5, 10 * time.Microsecond
	for attempt := range attempts {
		before := Monotonic()
		now := time.Now()
		half := (Monotonic() - before) / 2
		if attempt == 0 || time.Duration(half) < uncertain {
			at, wall, uncertain = before+half, now, time.Duration(half)
		}
		if uncertain < enough {
			break
		}
	}
	return at, wall, uncertain
}

// follow begins an epoch if the wall clock has strayed.
func (c *Clock) follow(at int64, wall time.Time, uncertain time.Duration) {
	from := c.looked + 1
	c.looked = at
	var epochs []epoch
	if old := c.epochs.Load(); old != nil {
		// Of the wall clocks alone: what they were read as, without monotonic readings.
		stray := wall.Round(0).Sub(c.Wall(uint64(at)).Round(0))
		if stray.Abs() <= ClockJump+uncertain {
			return
		}
		epochs = (*old)[max(0, len(*old)+1-epochsMax):]
	}
	epochs = append(slices.Clone(epochs), epoch{from: from, at: at, wall: wall})
	c.epochs.Store(&epochs)
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
