package crossconnect

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf/rlimit"

	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// PairSet is a set of pairs that changes as a whole. Its methods are for threads
// in the network namespace that it was made in; several may call them at once.
type PairSet struct {
	// YieldXDP, if set, is asked to make an XDP program of the caller's give
	// way to that of a cross-connect, and says whether it did. It must not
	// call the set.
	YieldXDP func(ifindex int) bool
	// LookAt tells whether an interface is in a pair of another set of pairs. It is
	// LookAtProgram unless set.
	LookAt LookAt

	mu          sync.Mutex
	pins        pins     // none: ends with the process
	loader      *loader  // nil as long as there were no ingresses
	control     *control // nil: no ingresses
	ingresses   []*ingress
	drops       *drops
	dropsErr    error // why there are none
	promiscuity promiscuity
	lease       *lease
	revision    uint64 // of the kept ingresses that were read
}

// New makes a set of pairs without pairs that ends with the process, however the
// process ends.
func New() (*PairSet, error) { return newPairSet("") }

// OpenKept opens the set that stays without any process, the only one of
// its kind in the network namespace. Others may change it at the same time.
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
	w := &PairSet{LookAt: LookAtProgram, pins: pins}
	if pins == "" {
		w.promiscuity = &socketPromiscuity{}
	} else {
		w.promiscuity = flagPromiscuity{}
	}
	return w, nil
}

// Set makes pairs the set, instead of what it was: all of them, or none and an
// error. No frame is lost of a pair that is in both sets. If trial is not 0,
// the set before comes back after this time unless Confirm is called. Then the
// kernel does it, with or without this process. It returns ErrMissing, ErrTaken or
// ErrTrial, wrapped, for these reasons.
func (w *PairSet) Set(pairs []Pair, trial time.Duration) error {
	return w.Edit(trial, func([]Pair) ([]Pair, error) { return pairs, nil })
}

// Edit replaces the set by what edit makes of it, as Set does. Nobody changes
// it in between.
func (w *PairSet) Edit(trial time.Duration, edit func([]Pair) ([]Pair, error)) error {
	if trial < 0 {
		return fmt.Errorf("a trial of %v: use a time above 0", trial)
	}
	return w.change(func(links links, current controlWord, now time.Duration) error {
		if current.onTrial(now) {
			return ErrTrial
		}
		pairs, err := edit(w.pairs(current.activeGeneration(now)))
		if err != nil {
			return err
		}
		plans, err := makePlans(pairs)
		if err != nil {
			return err
		}
		if links, err = w.makeRoom(plans, now, links); err != nil {
			return err
		}
		return w.replace(plans, current.activeGeneration(now), trial, links)
	})
}

// Confirm makes the set on trial stay. It returns ErrNoTrial if there is none.
func (w *PairSet) Confirm() error {
	return w.change(func(_ links, current controlWord, now time.Duration) error {
		if !current.onTrial(now) {
			return ErrNoTrial
		}
		return w.commit(current.activeGeneration(now))
	})
}

// Rollback ends a trial before its time: the set before is back. It returns ErrNoTrial
// if there is none.
func (w *PairSet) Rollback() error {
	return w.change(func(_ links, current controlWord, now time.Duration) error {
		if !current.onTrial(now) {
			return ErrNoTrial
		}
		return w.commit(1 - current.activeGeneration(now))
	})
}

// Reconcile makes pairs wait whose interfaces are gone, and connects those whose
// interfaces are back. To be called when interfaces come, go or change.
func (w *PairSet) Reconcile() error {
	if w.isEmpty() {
		return nil
	}
	return w.change(func(links links, current controlWord, now time.Duration) error {
		w.connect(current.activeGeneration(now), links)
		if current.onTrial(now) {
			w.connect(1-current.activeGeneration(now), links)
			return nil
		}
		return w.prune(current.activeGeneration(now))
	})
}

// isEmpty tells that there is nothing, not even in the pins.
func (w *PairSet) isEmpty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.control == nil && len(w.ingresses) == 0 && (w.pins == "" || !w.pins.exists())
}

// Pairs is the set as it is.
func (w *PairSet) Pairs() (pairs []Pair, err error) {
	err = w.look(func(current controlWord, now time.Duration) error {
		pairs = w.pairs(current.activeGeneration(now))
		return nil
	})
	return pairs, err
}

// Trial is how long it takes until the set before comes back, 0 without a trial.
func (w *PairSet) Trial() (left time.Duration, err error) {
	err = w.look(func(current controlWord, now time.Duration) error {
		if current.onTrial(now) {
			left = current.deadline() - now
		}
		return nil
	})
	return left, err
}

// Close ends the set, unless it is kept.
func (w *PairSet) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return inOneLine(w.release())
}

// pairs are those of a generation.
func (w *PairSet) pairs(generation int) []Pair {
	var pairs []Pair
	for _, p := range w.ingresses {
		if plan := p.plan(generation); isThere(plan) && plan.IsA != 0 {
			pairs = append(pairs, pairOf(p.name(), plan))
		}
	}
	return sortPairs(pairs)
}

// ingress finds a ingress by name, nil if there is none.
func (w *PairSet) ingress(name string) *ingress {
	wanted := interfaceName(name)
	for _, p := range w.ingresses {
		if p.record.Name == wanted {
			return p
		}
	}
	return nil
}

// change calls fn with what there is now, with nobody else changing it.
func (w *PairSet) change(fn func(links links, current controlWord, now time.Duration) error) (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer kernel.KeepTypes()() // for all programs that the change takes
	unlock, err := lockNamespace()
	if err != nil {
		return err
	}
	defer func() { err = inOneLine(errors.Join(err, unlock())) }()
	links, err := listLinks()
	if err != nil {
		return err
	}
	return w.now(func(current controlWord, now time.Duration) error {
		generation, err := w.catchUp(links, current, now)
		if err != nil {
			return err
		}
		if !current.onTrial(now) {
			current = newControlWord(generation, 0)
		}
		return errors.Join(fn(links, current, now), w.announce(), w.removeStray(), w.removeIfEmpty())
	})
}

// catchUp does what has come due since the last change: a trial is over,
// devices came or went, a process that watched was killed.
func (w *PairSet) catchUp(links links, current controlWord, now time.Duration) (generation int, err error) {
	generation = current.activeGeneration(now)
	if err := errors.Join(w.followDevices(links), w.unwatchDead()); err != nil {
		return generation, err
	}
	if current.deadline() != 0 && !current.onTrial(now) {
		return generation, w.commit(generation)
	}
	return generation, nil
}

// look calls fn with what there is now.
func (w *PairSet) look(fn func(current controlWord, now time.Duration) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return inOneLine(w.now(fn))
}

func (w *PairSet) now(fn func(current controlWord, now time.Duration) error) error {
	if err := w.refresh(); err != nil {
		return err
	}
	now, err := monotonic()
	if err != nil {
		return err
	}
	var current controlWord
	if w.control != nil {
		value, err := w.control.read()
		if err != nil {
			return err
		}
		current = controlWord(value.Word)
	}
	return fn(current, now)
}

// replace makes plans the set, instead of that of the active generation.
func (w *PairSet) replace(plans map[string]plan, active int, trial time.Duration, links links) error {
	if err := w.prepare(); err != nil {
		return err
	}
	idle := 1 - active
	err := w.write(plans, active)
	if err == nil && trial != 0 {
		err = w.errTwoModes(active)
	}
	if err == nil {
		err = w.realize(idle, links)
	}
	var now time.Duration
	if err == nil {
		now, err = monotonic()
	}
	if err != nil {
		return errors.Join(err, w.restore(active))
	}
	next := newControlWord(idle, 0)
	if trial != 0 {
		next = newControlWord(idle, now+trial)
	}
	if err := w.put(next); err != nil {
		return errors.Join(err, w.restore(active))
	}
	if trial != 0 {
		return nil
	}
	return w.clear(idle)
}

// restore removes what a change brought that failed, and attaches again what
// it had to detach.
func (w *PairSet) restore(active int) error {
	err := w.prune(active)
	links, errLinks := listLinks() // what is attached has changed
	if errLinks == nil {
		w.connect(active, links)
	}
	return errors.Join(err, errLinks)
}

// put makes w count in the packet path, on all ingresses at once.
func (w *PairSet) put(next controlWord) error {
	if w.control == nil {
		return nil // no ingresses
	}
	revision, err := w.control.put(next)
	w.revision = revision
	return err
}

// commit makes a generation count for good, and removes what only the other
// one needed.
func (w *PairSet) commit(generation int) error {
	if err := w.put(newControlWord(generation, 0)); err != nil {
		return err
	}
	return w.clear(generation)
}

// clear is prune after a change.
func (w *PairSet) clear(generation int) error {
	if err := w.prune(generation); err != nil {
		return fmt.Errorf("applied, but old programs could not all be removed (retried on the next change): %w", err)
	}
	return nil
}

// prune removes what a generation does not need.
func (w *PairSet) prune(generation int) error {
	var errs []error
	w.ingresses = slices.DeleteFunc(w.ingresses, func(p *ingress) bool {
		if isThere(p.plan(generation)) {
			errs = append(errs, p.trim(generation))
			return false
		}
		err := errors.Join(w.restoreDevice(p), p.remove())
		errs = append(errs, err)
		return err == nil
	})
	return errors.Join(errs...)
}

// restoreDevice gives a device back as it was.
func (w *PairSet) restoreDevice(p *ingress) error {
	return errors.Join(w.promiscuity.leave(p), w.drops.forget(p.ifindex()))
}

// write writes the plans into the idle generation. Of pairs that do not change,
// frames in flight may still be directed by what was last active there: so it
// says the same all the time.
func (w *PairSet) write(plans map[string]plan, active int) error {
	for _, name := range slices.Sorted(maps.Keys(plans)) {
		if w.ingress(name) == nil {
			p, err := w.newIngress(name)
			if err != nil {
				return err
			}
			w.ingresses = append(w.ingresses, p)
		}
	}
	idle := 1 - active
	for _, p := range w.ingresses {
		traffic, err := p.readTraffic()
		if err != nil {
			return err
		}
		next, way := plans[p.name()], leg{}
		if isSame(&next, p.plan(active)) {
			way = p.ways[active]
		}
		traffic.setPlan(&p.record, idle, next)
		if err := p.send(idle, way); err != nil {
			return err
		}
	}
	return nil
}

// newIngress makes an ingress, in a place of its own if it is kept.
func (w *PairSet) newIngress(name string) (*ingress, error) {
	place, err := w.freePlace()
	if err != nil {
		return nil, err
	}
	return newIngress(w.loader.spec, name, w.owner(), place)
}

// owner is the process that the set ends with, 0 if it is kept.
func (w *PairSet) owner() int {
	if w.pins != "" {
		return 0
	}
	return os.Getpid()
}

// errTwoModes is for a trial whose end the kernel could not bring about: one XDP
// program fits on an interface, of one mode, and generic XDP stands in for tc.
func (w *PairSet) errTwoModes(active int) error {
	for _, p := range w.ingresses {
		wish, now := wish(p.plan(1-active).Wish), p.ways[active].datapath
		if p.isNew(1-active) && now != "" && (wish == XDPGeneric) != (now == XDPGeneric) {
			return fmt.Errorf("%s: a trial cannot put %s in the place of %s: change it without a trial", p.name(), wish, now)
		}
	}
	return nil
}

// release lets go of everything; what is kept stays.
func (w *PairSet) release() error {
	var errs []error
	for _, p := range w.ingresses {
		if w.pins == "" {
			errs = append(errs, p.remove())
		} else {
			errs = append(errs, p.release())
		}
	}
	w.ingresses = nil
	errs = append(errs, w.promiscuity.Close(), w.lease.Close(), w.drops.Close())
	if w.control != nil {
		errs = append(errs, w.control.m.Close())
	}
	w.control, w.drops, w.lease = nil, nil, nil
	return errors.Join(errs...)
}
