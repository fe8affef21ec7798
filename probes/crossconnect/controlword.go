package crossconnect

import (
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

const generations = 2

// controlWord says which of the two generations is active: it is control.word of
// headers/cross_connect.h, deadline << 1 | generation. Deadlines are in ticks, because
// all programs that compare them read the same counter.
type controlWord uint64

// clock is how ticks relate to CLOCK_MONOTONIC.
var clock = sync.OnceValues(kernel.ReadJiffies)

// newControlWord makes a generation active, for good or until a deadline, from which on
// the other one is.
func newControlWord(generation int, deadline time.Duration) controlWord {
	if deadline == 0 {
		return controlWord(generation)
	}
	return controlWord(ticksAt(deadline)<<1 | uint64(generation))
}

// deadline is 0 if there is none, else in terms of CLOCK_MONOTONIC.
func (w controlWord) deadline() time.Duration {
	if w>>1 == 0 {
		return 0
	}
	c, _ := clock() // monotonic fails if this does
	return c.Time(uint64(w >> 1))
}

func ticksAt(monotonic time.Duration) uint64 {
	c, _ := clock() // monotonic fails if this does
	return c.Ticks(monotonic)
}

// activeGeneration returns the generation that is active at a moment.
func (w controlWord) activeGeneration(now time.Duration) int {
	generation := int(w & 1)
	if w.deadline() != 0 && now >= w.deadline() {
		return 1 - generation
	}
	return generation
}

// onTrial tells whether the active generation has a deadline that is not over.
func (w controlWord) onTrial(now time.Duration) bool {
	return w.deadline() != 0 && now < w.deadline()
}

// moment is a control word at a time, which together say which generation is active.
type moment struct {
	word controlWord
	now  time.Duration // CLOCK_MONOTONIC
}

func (m moment) active() int { return m.word.activeGeneration(m.now) }

func (m moment) isOnTrial() bool { return m.word.onTrial(m.now) }

// isTrialOver tells whether the set before is back, and nobody has noticed yet.
func (m moment) isTrialOver() bool { return m.word.deadline() != 0 && !m.isOnTrial() }

// left is how long a trial that is under way goes on.
func (m moment) left() time.Duration { return m.word.deadline() - m.now }

// wallTime is the wall clock time of one on CLOCK_MONOTONIC.
func wallTime(monotonic time.Duration) time.Time {
	return time.Now().Add(monotonic - time.Duration(kernel.Monotonic()))
}

// control is the map with the control word, which all ingresses of a set share.
type control struct {
	m       *ebpf.Map
	mu      sync.Mutex // for reading and writing it in one
	renewal *renewal   // of its lease, nil if nothing is leased
}

func (c *control) read() (bpf.CrossConnectsGenerationControl, error) {
	var value bpf.CrossConnectsGenerationControl
	if err := c.m.Lookup(uint32(0), &value); err != nil {
		return value, fmt.Errorf("read the control word: %w", err)
	}
	return value, nil
}

// put makes word take effect for all ingresses at once, because the kernel copies it by
// one store. The revision that it returns tells other processes to look again.
func (c *control) put(word controlWord) (revision uint64, err error) {
	err = c.change(func(value *bpf.CrossConnectsGenerationControl) {
		value.Word = uint64(word)
		value.Revision++
		revision = value.Revision
	})
	return revision, err
}

// touch tells other processes to look again, though the same generation stays active.
func (c *control) touch() (revision uint64, err error) {
	err = c.change(func(value *bpf.CrossConnectsGenerationControl) {
		value.Revision++
		revision = value.Revision
	})
	return revision, err
}

// lease lets clsact filters redirect until then.
func (c *control) lease(until time.Duration) error {
	return c.change(func(value *bpf.CrossConnectsGenerationControl) { value.Lease = ticksAt(until) })
}

// Close lets the lease run out, if there is one.
func (c *control) Close() error {
	c.renewal.stop()
	return c.m.Close()
}

func (c *control) change(edit func(*bpf.CrossConnectsGenerationControl)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, err := c.read()
	if err != nil {
		return err
	}
	edit(&value)
	if err := c.m.Put(uint32(0), &value); err != nil {
		return fmt.Errorf("write the control word: %w", err)
	}
	return nil
}

// monotonic reads the clock that deadlines refer to.
func monotonic() (time.Duration, error) {
	_, err := clock()
	return time.Duration(kernel.Monotonic()), err
}
