package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

// kernelSet is a set of pairs as the kernel has it: the ingresses, and what they
// share. If the set is kept, all that is pinned, and other processes may change it.
type kernelSet struct {
	pins         pins     // none: ends with the process
	loader       *loader  // nil as long as there were no ingresses
	control      *control // nil: no ingresses
	ingresses    ingresses
	redirects    *redirects
	redirectsErr error // why there are none
	promiscuity  promiscuity
	revision     uint64         // of what was read of a kept set
	overtaken    map[place]bool // where programs of others were ahead once
	expedite     func() (end func())
}

// manyPrograms are so many to attach or detach that it is worth to expedite.
const manyPrograms = 8

// expediteFor is to be called before that many programs are attached or detached, and what it
// returns after that.
func (k *kernelSet) expediteFor(programs int) (end func()) {
	if programs < manyPrograms || k.expedite == nil {
		return func() {}
	}
	return k.expedite()
}

func newKernelSet(pins pins) kernelSet {
	if pins == "" {
		return kernelSet{promiscuity: &socketPromiscuity{}, overtaken: make(map[place]bool)}
	}
	return kernelSet{pins: pins, promiscuity: flagPromiscuity{}, overtaken: make(map[place]bool)}
}

func (k *kernelSet) isKept() bool { return k.pins != "" }

// owner is the process that the set ends with, 0 if it is kept.
func (k *kernelSet) owner() int {
	if k.isKept() {
		return 0
	}
	return os.Getpid()
}

// isEmpty tells that there is nothing, not even in the pins.
func (k *kernelSet) isEmpty() bool {
	if k.control != nil || len(k.ingresses) > 0 {
		return false
	}
	if !k.isKept() {
		return true
	}
	exist, err := k.pins.exist()
	return !exist && err == nil
}

// current reads what other processes have changed. It returns which generation is active
// now.
func (k *kernelSet) current() (moment, error) {
	if err := k.refresh(); err != nil {
		return moment{}, err
	}
	now, err := monotonic()
	if err != nil || k.control == nil {
		return moment{now: now}, err
	}
	value, err := k.control.read()
	return moment{word: controlWord(value.Word), now: now}, err
}

// prepare makes what all ingresses share.
func (k *kernelSet) prepare() error {
	if k.control != nil {
		return nil
	}
	if err := k.needLoader(); err != nil {
		return err
	}
	if err := k.pins.make(); err != nil {
		return err
	}
	if k.isKept() {
		// Because that has nothing to do with the change, an error is left to the next one.
		_ = removeGone()
	}
	if err := k.pins.pinNamespace(); err != nil {
		return errors.Join(err, k.pins.remove())
	}
	m, err := k.pins.newMap(k.loader.spec.Maps[bpf.CrossConnectsMapControl])
	if err != nil {
		return errors.Join(err, k.pins.remove())
	}
	k.use(m)
	return nil
}

// needLoader makes the loader when it is first needed, because that takes memory, and
// most processes connect nothing.
func (k *kernelSet) needLoader() (err error) {
	if k.loader == nil {
		k.loader, err = newLoader()
	}
	return err
}

// use makes m the map with the control word.
func (k *kernelSet) use(m *ebpf.Map) {
	k.control = &control{m: m}
	k.loader.control = m
	// Without redirects, all works, but nobody knows what is dropped.
	k.redirects, k.redirectsErr = openRedirects(k.pins)
}

// addIngress makes an ingress, in a place of its own if it is kept.
func (k *kernelSet) addIngress(name string) error {
	place, err := k.freePlace()
	if err != nil {
		return err
	}
	var owner bpf.CrossConnectsProcess // none: kept
	if !k.isKept() {
		if owner, err = thisProcess(); err != nil {
			return err
		}
	}
	p, err := newIngress(k.loader.spec, name, owner, place)
	if err != nil {
		return err
	}
	k.ingresses = append(k.ingresses, p)
	return nil
}

// put makes next count in the packet path, for all ingresses at once.
func (k *kernelSet) put(next controlWord) error {
	if k.control == nil {
		return nil // no ingresses
	}
	revision, err := k.control.put(next)
	k.revision = revision
	return err
}

// commit makes a generation count for good, and removes what only the other
// one needed.
func (k *kernelSet) commit(generation int) error {
	if err := k.put(newControlWord(generation, 0)); err != nil {
		return err
	}
	return k.clear(generation)
}

// clear is prune after a change.
func (k *kernelSet) clear(generation int) error {
	if err := k.prune(generation); err != nil {
		return fmt.Errorf("applied, but old programs could not all be removed (retried on the next change): %w", err)
	}
	return nil
}

// prune removes what a generation does not need.
func (k *kernelSet) prune(generation int) error {
	defer k.expediteFor(k.superfluous(generation))()
	var errs []error
	k.ingresses = slices.DeleteFunc(k.ingresses, func(p *ingress) bool {
		if isThere(p.plan(generation)) {
			errs = append(errs, p.trim(generation))
			return false
		}
		err := errors.Join(k.restoreDevice(p), p.remove())
		errs = append(errs, err)
		return err == nil
	})
	return errors.Join(errs...)
}

// superfluous is how many ingresses a generation does not need.
func (k *kernelSet) superfluous(generation int) (count int) {
	for _, p := range k.ingresses {
		if !isThere(p.plan(generation)) {
			count++
		}
	}
	return count
}

// restoreDevice gives a device back as it was.
func (k *kernelSet) restoreDevice(p *ingress) error {
	return errors.Join(k.promiscuity.leave(p), k.redirects.forget(p.ifindex()))
}

// release lets go of everything; what is kept stays.
func (k *kernelSet) release() error {
	if !k.isKept() {
		defer k.expediteFor(len(k.ingresses))()
	}
	var errs []error
	for _, p := range k.ingresses {
		if k.isKept() {
			errs = append(errs, p.release())
		} else {
			errs = append(errs, p.remove())
		}
	}
	k.ingresses = nil
	errs = append(errs, k.promiscuity.Close(), k.redirects.Close())
	if k.control != nil {
		errs = append(errs, k.control.Close())
	}
	k.control, k.redirects = nil, nil
	return errors.Join(errs...)
}

// removeIfEmpty removes what all ingresses share when there are none, and what a
// process left that did not come to share anything.
func (k *kernelSet) removeIfEmpty() error {
	if len(k.ingresses) > 0 {
		return nil
	}
	if k.control == nil {
		if exist, err := k.pins.exist(); err != nil || !exist {
			return err
		}
	}
	return errors.Join(k.release(), k.pins.remove())
}
