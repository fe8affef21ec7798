package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

// ingressPrefix begins the names of the directories that kept ingresses are pinned in.
const ingressPrefix = "ingress-"

// removeStray removes places that no ingress has, because a process was killed while it
// made or removed the ingress. Only who holds the lock of the namespace may do so.
func (k *kernelSet) removeStray() error {
	if !k.isKept() {
		return nil
	}
	places, err := k.pins.ingressPlaces()
	errs := []error{err}
	for _, place := range places {
		if !k.ingresses.havePlace(place) {
			errs = append(errs, place.remove())
		}
	}
	return errors.Join(errs...)
}

// refresh reads anew what is kept, if another process has changed it.
func (k *kernelSet) refresh() error {
	if !k.isKept() {
		return nil
	}
	if k.control == nil { // else to open it tells as well
		if exist, err := k.pins.exist(); err != nil {
			return err
		} else if !exist {
			return k.release() // nothing is kept (any more)
		}
	}
	if _, err := k.pins.do(pinsCheck); errors.Is(err, os.ErrNotExist) {
		return k.release() // nothing is kept any more
	} else if err != nil {
		return err
	}
	if err := k.needLoader(); err != nil {
		return err
	}
	m, err := k.pins.openMap(k.loader.spec.Maps[bpf.CrossConnectsMapControl])
	if errors.Is(err, os.ErrNotExist) {
		return k.release() // of a process that did not come to keep anything
	}
	if err != nil {
		return err
	}
	fresh := &control{m: m}
	value, err := fresh.read()
	if err != nil {
		return errors.Join(err, m.Close())
	}
	if k.control != nil && k.revision == value.Revision && sameMap(k.control.m, m) {
		return m.Close()
	}
	if err := k.release(); err != nil {
		return errors.Join(err, m.Close())
	}
	k.use(m)
	if err := k.reopen(); err != nil {
		return errors.Join(err, k.release())
	}
	k.revision = value.Revision
	return nil
}

// endKeptTrial ends a trial of kept pairs that is over: it removes what only the trial
// needed, because an XDP program keeps others out even if it passes everything on. The
// caller holds the lock.
func (c *change) endKeptTrial() error {
	place, err := keptPins()
	if err != nil || !place.isTrialOver(c.now) {
		return err
	}
	kept := newKernelSet(place)
	current, err := kept.current()
	if err != nil {
		return errors.Join(err, kept.release())
	}
	end := &change{set: &kept, moment: current, links: c.links, lookAt: c.lookAt, yieldXDP: c.yieldXDP}
	err = errors.Join(end.catchUp(), kept.announce(), kept.removeIfEmpty(), kept.release())
	if links, errLinks := listLinks(); errLinks == nil {
		c.links = links // what is attached has changed
	}
	return err
}

// isTrialOver tells whether a trial of the pairs that are pinned there is over, without
// opening them.
func (p pins) isTrialOver(now time.Duration) bool {
	if exist, err := p.exist(); err != nil || !exist {
		return false
	}
	m, err := p.openAnyMap(bpf.ControlMapName, pinOpen)
	if err != nil {
		return false
	}
	defer m.Close()
	value, err := (&control{m: m}).read()
	return err == nil && moment{word: controlWord(value.Word), now: now}.isTrialOver()
}

// announce tells other processes if something of an ingress changed.
func (k *kernelSet) announce() error {
	if !k.ingresses.takeChanged() {
		return nil
	}
	revision, err := k.control.touch()
	k.revision = revision
	if err != nil {
		return fmt.Errorf("it is done, but other processes cannot tell: %w", err)
	}
	return nil
}

func sameMap(a, b *ebpf.Map) bool {
	idA, errA := mapID(a)
	idB, errB := mapID(b)
	return errors.Join(errA, errB) == nil && idA == idB
}

// mapID is the kernel's number of a map.
func mapID(m *ebpf.Map) (ebpf.MapID, error) {
	info, err := m.Info()
	if err != nil {
		return 0, fmt.Errorf("ask for a map: %w", err)
	}
	id, _ := info.ID() // known since Linux 4.13
	return id, nil
}

// reopen opens the kept ingresses. It leaves out one that lacks something, because a
// process makes or removes that just now, or was killed while it did.
func (k *kernelSet) reopen() error {
	places, err := k.pins.ingressPlaces()
	if err != nil {
		return err
	}
	links, err := listLinks()
	if err != nil {
		return err
	}
	o := opener{spec: k.loader.spec, links: links}
	for _, place := range places {
		p, err := o.open(place)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		k.ingresses = append(k.ingresses, p)
	}
	k.ingresses.forgetLonely()
	return nil
}

// freePlace returns a directory for one more kept ingress. It returns none if the set
// is not kept. What is in the directory was left by a process that was killed.
func (k *kernelSet) freePlace() (pins, error) {
	if !k.isKept() {
		return "", nil
	}
	for n := 0; ; n++ {
		place := k.pins.below(fmt.Sprint(ingressPrefix, n))
		if !k.ingresses.havePlace(place) {
			return place, place.remove()
		}
	}
}
