package crossconnect

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf/rlimit"

	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// PairSet is a set of pairs that changes as a whole. Its methods must be called on
// threads in the network namespace that it was made in, and may be called concurrently.
type PairSet struct {
	// YieldXDP makes an XDP program of the caller's give way to that of a
	// cross-connect, and returns whether it did. It must not call the set. If it
	// is nil, no program gives way.
	YieldXDP func(ifindex int) bool
	// LookAt returns what the programs on an interface are, because that may be in a
	// pair of another set. It is LookAtProgram unless set.
	LookAt LookAt
	// Expedite is called before the set attaches or detaches many programs, and what it
	// returns after that: each takes the kernel a grace period of RCU on tcx, and other
	// things wait meanwhile. It may be nil.
	Expedite func() (end func())
	// Patience is how long to wait for another process that changes cross-connects.
	// With 0, there is no wait. Closing Stop ends the wait early; Stop may be nil.
	Patience time.Duration
	Stop     <-chan struct{}

	lock     lock
	mu       sync.Mutex
	inKernel kernelSet
}

// New makes an empty set of pairs. It ends with the process, however the process
// ends.
func New() (*PairSet, error) { return newPairSet("") }

// OpenKept opens the set of pairs that stays without any process. There is one in a
// network namespace. Other processes may change it at the same time.
func OpenKept() (*PairSet, error) {
	pins, err := keptPins()
	if err != nil {
		return nil, err
	}
	return newPairSet(pins)
}

func newPairSet(pins pins) (*PairSet, error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("raise the limit of locked memory: %w", err)
	}
	s := &PairSet{LookAt: LookAtProgram, Patience: Patience(ErrLocked), inKernel: newKernelSet(pins)}
	s.inKernel.expedite = func() func() {
		if s.Expedite == nil {
			return func() {}
		}
		return s.Expedite()
	}
	return s, nil
}

// Set replaces the pairs of the set by others: by all of them, or it returns an error
// and leaves the set as it was. No frame is lost of a pair that is there before and
// after. If trial is not 0, the pairs before come back after this time unless Confirm is
// called; the kernel does that, with or without this process. Set returns ErrMissing,
// ErrTaken, ErrUnknown, ErrLocked or ErrTrial, wrapped, for these reasons.
func (s *PairSet) Set(pairs []Pair, trial time.Duration) error {
	return s.Edit(trial, func([]Pair) ([]Pair, error) { return pairs, nil })
}

// Edit is Set for the pairs that edit makes of those there are. Nobody changes the set
// in between.
func (s *PairSet) Edit(trial time.Duration, edit func([]Pair) ([]Pair, error)) error {
	if trial < 0 {
		return fmt.Errorf("a trial of %v: use a time above 0", trial)
	}
	return s.change(func(c *change) error {
		if c.isOnTrial() {
			return ErrTrial
		}
		pairs, err := edit(c.set.ingresses.pairs(c.active()))
		if err != nil {
			return err
		}
		plans, err := makePlans(pairs)
		if err != nil {
			return err
		}
		if !c.set.isKept() {
			// What cannot be ended refuses the pairs if it is in their way.
			_ = c.endKeptTrial()
		}
		if err := c.makeRoom(plans); err != nil {
			return err
		}
		return c.replace(plans, trial)
	})
}

// Confirm makes the pairs on trial stay. It returns ErrNoTrial if there is none.
func (s *PairSet) Confirm() error { return s.endTrial(moment.active) }

// Rollback ends a trial before its time: the pairs before it are back. It returns
// ErrNoTrial if there is none.
func (s *PairSet) Rollback() error {
	return s.endTrial(func(m moment) int { return 1 - m.active() })
}

// trialPatience is how long the end of a trial waits for another process.
const trialPatience = 300 * time.Millisecond

// endTrial makes a generation active for good. Because a trial does not wait, endTrial
// does not wait either for another process that does not finish a change: it stores the
// control word, and only then waits to remove what is not needed any more. If it cannot get
// the lock, the next change does that.
func (s *PairSet) endTrial(generation func(moment) int) error {
	err := s.changeWithin(min(trialPatience, s.Patience), func(c *change) error {
		if !c.isOnTrial() {
			return ErrNoTrial
		}
		return c.set.commit(generation(c.moment))
	})
	if !errors.Is(err, ErrLocked) {
		return err
	}
	if err := s.look(func(m moment) error {
		if !m.isOnTrial() {
			return ErrNoTrial
		}
		return s.inKernel.put(newControlWord(generation(m), 0))
	}); err != nil {
		return err
	}
	if err := s.Reconcile(); !errors.Is(err, ErrLocked) {
		return err
	}
	return nil
}

// Keep makes all pairs of the set pairs of kept, without losing a frame: from then on
// they stay without this process. It returns ErrTrial if one of the two is on trial.
func (s *PairSet) Keep(kept *PairSet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine, err := s.inKernel.current()
	if err != nil {
		return err
	}
	if mine.isOnTrial() {
		return ErrTrial
	}
	return kept.change(func(c *change) error {
		if c.isOnTrial() {
			return ErrTrial
		}
		if err := s.inKernel.commit(mine.active()); err != nil {
			return err
		}
		k := keeping{from: &s.inKernel, kept: c.set, generation: mine.active(), links: c.links}
		return k.moveAll()
	})
}

// Reconcile connects the pairs whose interfaces are back, and makes those wait whose
// interfaces are gone. It is to be called when interfaces come, go or change: see
// Changes.
func (s *PairSet) Reconcile() error {
	if s.isEmpty() {
		return nil
	}
	return s.change((*change).reconcile)
}

// isEmpty tells that there is nothing, not even in the pins.
func (s *PairSet) isEmpty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inKernel.isEmpty()
}

// RetryWaiting is Reconcile for what no message announces: a waiting pair that could be
// connected by now, a program that somebody detached, a process that watched and was
// killed. It is to be called now and then. It lists the interfaces only if it finds one
// of these.
func (s *PairSet) RetryWaiting() error {
	due := false
	err := s.look(func(m moment) (err error) {
		due, err = s.inKernel.ingresses.isDue(m)
		return err
	})
	if err != nil || !due {
		return err
	}
	return s.Reconcile()
}

// RemoveUnpinned disconnects an interface, and the one at the other end, if only the
// filters of its kept pair are left, without pins. It returns whether that was so. If
// peer is not empty, it does so only if the interface is connected with peer. It is for
// the kept set.
func (s *PairSet) RemoveUnpinned(name, peer string) (removed bool, err error) {
	err = s.change(func(c *change) (err error) {
		removed, err = c.sweep().remove(name, peer)
		return err
	})
	return removed, err
}

// Pairs returns the pairs of the set: during a trial, those on trial.
func (s *PairSet) Pairs() (pairs []Pair, err error) {
	err = s.look(func(m moment) error {
		pairs = s.inKernel.ingresses.pairs(m.active())
		return nil
	})
	return pairs, err
}

// Trial returns how long it takes until the pairs before a trial come back. It returns
// 0 if no trial is under way.
func (s *PairSet) Trial() (left time.Duration, err error) {
	err = s.look(func(m moment) error {
		if m.isOnTrial() {
			left = m.left()
		}
		return nil
	})
	return left, err
}

// Close ends the set, unless that is kept.
func (s *PairSet) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return inOneLine(s.inKernel.release())
}

// change calls fn with what there is now. Until fn returns, nobody else changes it.
func (s *PairSet) change(fn func(*change) error) error { return s.changeWithin(s.Patience, fn) }

// changeWithin is change, with a patience of its own.
func (s *PairSet) changeWithin(patience time.Duration, fn func(*change) error) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer kernel.KeepTypes()() // for all programs that the change takes
	if err := s.lock.take(patience, s.Stop); err != nil {
		return err
	}
	defer func() { err = inOneLine(errors.Join(err, s.lock.release())) }()
	links, err := listLinks()
	if err != nil {
		return err
	}
	current, err := s.inKernel.current()
	if err != nil {
		return err
	}
	c := &change{set: &s.inKernel, moment: current, links: links, lookAt: s.LookAt, yieldXDP: s.YieldXDP}
	if err := c.catchUp(); err != nil {
		return err
	}
	return errors.Join(c.endStrayPromiscuity(), fn(c), c.set.announce(), c.set.removeStray(), c.set.removeIfEmpty())
}

// look calls fn with what there is now.
func (s *PairSet) look(fn func(moment) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	current, err := s.inKernel.current()
	if err == nil {
		err = fn(current)
	}
	return inOneLine(err)
}
