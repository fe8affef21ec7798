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

// Wiring is a set of pairs that changes as a whole. Its methods are for threads
// in the network namespace that it was made in; several may call them at once.
type Wiring struct {
	// YieldXDP, if set, is asked to make an XDP program of the caller's give
	// way to that of a cross-connect, and says whether it did. It must not
	// call the wiring.
	YieldXDP func(ifindex int) bool
	// LookAt tells whether an interface is in a pair of another wiring. It is
	// LookAtProgram unless set.
	LookAt LookAt

	mu          sync.Mutex
	pins        pins     // none: ends with the process
	loader      *loader  // nil as long as there were no ports
	control     *control // nil: no ports
	ports       []*port
	drops       *drops
	dropsErr    error // why there are none
	promiscuity promiscuity
	lease       *lease
	revision    uint64 // of the kept ports that were read
}

// New makes a wiring without pairs that ends with the process, however the
// process ends.
func New() (*Wiring, error) { return newWiring("") }

// OpenKept opens the wiring that stays without any process, the only one of
// its kind in the network namespace. Others may change it at the same time.
func OpenKept() (*Wiring, error) {
	pins, err := keptPins()
	if err != nil {
		return nil, err
	}
	return newWiring(pins)
}

func newWiring(pins pins) (*Wiring, error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("raise the limit of locked memory: %w", err)
	}
	w := &Wiring{LookAt: LookAtProgram, pins: pins}
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
// kernel does it, with or without this process.
func (w *Wiring) Set(pairs []Pair, trial time.Duration) error {
	return w.Edit(trial, func([]Pair) ([]Pair, error) { return pairs, nil })
}

// Edit replaces the set by what edit makes of it, as Set does. Nobody changes
// it in between.
func (w *Wiring) Edit(trial time.Duration, edit func([]Pair) ([]Pair, error)) error {
	if trial < 0 {
		return fmt.Errorf("a trial of %v: use a time above 0", trial)
	}
	return w.change(func(links links, current word, now time.Duration) error {
		if current.onTrial(now) {
			return ErrTrial
		}
		pairs, err := edit(w.pairs(current.at(now)))
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
		return w.replace(plans, current.at(now), trial, links)
	})
}

// Confirm makes the set on trial stay.
func (w *Wiring) Confirm() error {
	return w.change(func(_ links, current word, now time.Duration) error {
		if !current.onTrial(now) {
			return ErrNoTrial
		}
		return w.settle(current.at(now))
	})
}

// Rollback ends a trial before its time: the set before is back.
func (w *Wiring) Rollback() error {
	return w.change(func(_ links, current word, now time.Duration) error {
		if !current.onTrial(now) {
			return ErrNoTrial
		}
		return w.settle(1 - current.at(now))
	})
}

// Follow makes pairs wait whose interfaces are gone, and connects those whose
// interfaces are back. To be called when interfaces come, go or change.
func (w *Wiring) Follow() error {
	if w.isEmpty() {
		return nil
	}
	return w.change(func(links links, current word, now time.Duration) error {
		w.connect(current.at(now), links)
		if current.onTrial(now) {
			w.connect(1-current.at(now), links)
			return nil
		}
		return w.prune(current.at(now))
	})
}

// isEmpty tells that there is nothing, not even in the pins.
func (w *Wiring) isEmpty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.control == nil && len(w.ports) == 0 && (w.pins == "" || !w.pins.exists())
}

// Pairs is the set as it is.
func (w *Wiring) Pairs() (pairs []Pair, err error) {
	err = w.look(func(current word, now time.Duration) error {
		pairs = w.pairs(current.at(now))
		return nil
	})
	return pairs, err
}

// Trial is how long it takes until the set before comes back, 0 without a trial.
func (w *Wiring) Trial() (left time.Duration, err error) {
	err = w.look(func(current word, now time.Duration) error {
		if current.onTrial(now) {
			left = current.deadline() - now
		}
		return nil
	})
	return left, err
}

// Close ends the wiring, unless it is kept.
func (w *Wiring) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return inOneLine(w.release())
}

// pairs are those of a generation.
func (w *Wiring) pairs(generation int) []Pair {
	var pairs []Pair
	for _, p := range w.ports {
		if plan := p.plan(generation); isThere(plan) && plan.IsA != 0 {
			pairs = append(pairs, pairOf(p.name(), plan))
		}
	}
	return sortPairs(pairs)
}

// port finds a port by name, nil if there is none.
func (w *Wiring) port(name string) *port {
	wanted := interfaceName(name)
	for _, p := range w.ports {
		if p.record.Name == wanted {
			return p
		}
	}
	return nil
}

// change calls fn with what there is now, with nobody else changing it.
func (w *Wiring) change(fn func(links links, current word, now time.Duration) error) (err error) {
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
	return w.now(func(current word, now time.Duration) error {
		generation, err := w.catchUp(links, current, now)
		if err != nil {
			return err
		}
		if !current.onTrial(now) {
			current = newWord(generation, 0)
		}
		return errors.Join(fn(links, current, now), w.announce(), w.removeStray(), w.removeIfEmpty())
	})
}

// catchUp does what has come due since the last change: a trial is over,
// devices came or went, a process that watched was killed.
func (w *Wiring) catchUp(links links, current word, now time.Duration) (generation int, err error) {
	generation = current.at(now)
	if err := errors.Join(w.followDevices(links), w.unwatchDead()); err != nil {
		return generation, err
	}
	if current.deadline() != 0 && !current.onTrial(now) {
		return generation, w.settle(generation)
	}
	return generation, nil
}

// look calls fn with what there is now.
func (w *Wiring) look(fn func(current word, now time.Duration) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return inOneLine(w.now(fn))
}

func (w *Wiring) now(fn func(current word, now time.Duration) error) error {
	if err := w.refresh(); err != nil {
		return err
	}
	now, err := monotonic()
	if err != nil {
		return err
	}
	var current word
	if w.control != nil {
		value, err := w.control.read()
		if err != nil {
			return err
		}
		current = word(value.Word)
	}
	return fn(current, now)
}

// replace makes plans the set, instead of that of the active generation.
func (w *Wiring) replace(plans map[string]plan, active int, trial time.Duration, links links) error {
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
	next := newWord(idle, 0)
	if trial != 0 {
		next = newWord(idle, now+trial)
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
func (w *Wiring) restore(active int) error {
	err := w.prune(active)
	links, errLinks := listLinks() // what is attached has changed
	if errLinks == nil {
		w.connect(active, links)
	}
	return errors.Join(err, errLinks)
}

// put makes w count in the packet path, on all ports at once.
func (w *Wiring) put(next word) error {
	if w.control == nil {
		return nil // no ports
	}
	revision, err := w.control.put(next)
	w.revision = revision
	return err
}

// settle makes a generation count for good, and removes what only the other
// one needed.
func (w *Wiring) settle(generation int) error {
	if err := w.put(newWord(generation, 0)); err != nil {
		return err
	}
	return w.clear(generation)
}

// clear is prune after a change.
func (w *Wiring) clear(generation int) error {
	if err := w.prune(generation); err != nil {
		return fmt.Errorf("it is done, but what it replaces is not all gone; the next change tries again: %w", err)
	}
	return nil
}

// prune removes what a generation does not need.
func (w *Wiring) prune(generation int) error {
	var errs []error
	w.ports = slices.DeleteFunc(w.ports, func(p *port) bool {
		if isThere(p.plan(generation)) {
			errs = append(errs, p.trim(generation))
			return false
		}
		err := errors.Join(w.leave(p), p.remove())
		errs = append(errs, err)
		return err == nil
	})
	return errors.Join(errs...)
}

// leave gives a device back as it was.
func (w *Wiring) leave(p *port) error {
	return errors.Join(w.promiscuity.leave(p), w.drops.forget(p.ifindex()))
}

// write writes the plans into the idle generation. Of pairs that do not change,
// frames in flight may still be directed by what was last active there: so it
// says the same all the time.
func (w *Wiring) write(plans map[string]plan, active int) error {
	for _, name := range slices.Sorted(maps.Keys(plans)) {
		if w.port(name) == nil {
			p, err := w.newPort(name)
			if err != nil {
				return err
			}
			w.ports = append(w.ports, p)
		}
	}
	idle := 1 - active
	for _, p := range w.ports {
		traffic, err := p.readTraffic()
		if err != nil {
			return err
		}
		next, way := plans[p.name()], way{}
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

// newPort makes a port, in a place of its own if it is kept.
func (w *Wiring) newPort(name string) (*port, error) {
	place, err := w.freePlace()
	if err != nil {
		return nil, err
	}
	return newPort(w.loader.spec, name, w.owner(), place)
}

// owner is the process that the wiring ends with, 0 if it is kept.
func (w *Wiring) owner() int {
	if w.pins != "" {
		return 0
	}
	return os.Getpid()
}

// errTwoModes is for a trial whose end the kernel could not bring about: one XDP
// program fits on an interface, of one mode, and generic XDP stands in for tc.
func (w *Wiring) errTwoModes(active int) error {
	for _, p := range w.ports {
		wish, now := wish(p.plan(1-active).Wish), p.ways[active].datapath
		if p.isNew(1-active) && now != "" && (wish == XDPGeneric) != (now == XDPGeneric) {
			return fmt.Errorf("%s: %s cannot be tried out in place of %s: change it without a trial", p.name(), wish, now)
		}
	}
	return nil
}

// release lets go of everything; what is kept stays.
func (w *Wiring) release() error {
	var errs []error
	for _, p := range w.ports {
		if w.pins == "" {
			errs = append(errs, p.remove())
		} else {
			errs = append(errs, p.release())
		}
	}
	w.ports = nil
	errs = append(errs, w.promiscuity.Close(), w.lease.Close(), w.drops.Close())
	if w.control != nil {
		errs = append(errs, w.control.m.Close())
	}
	w.control, w.drops, w.lease = nil, nil, nil
	return errors.Join(errs...)
}
