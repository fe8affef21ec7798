package crossconnect

import (
	"errors"
	"time"

	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// RetryWaiting is Reconcile for what no message tells of: a pair that waits and could be
// connected by now, a program that somebody detached, a process that watched and
// was killed. To be called now and then: it lists the interfaces only if there
// is something of the kind.
func (w *PairSet) RetryWaiting() error {
	due := false
	err := w.look(func(current controlWord, now time.Duration) (err error) {
		due, err = w.isDue(current, now)
		return err
	})
	if err != nil || !due {
		return err
	}
	return w.Reconcile()
}

// isDue tells whether Reconcile may find something to do though no interface has
// changed.
func (w *PairSet) isDue(current controlWord, now time.Duration) (bool, error) {
	active, onTrial := current.activeGeneration(now), current.onTrial(now)
	if current.deadline() != 0 && !onTrial {
		return true, nil
	}
	for _, p := range w.ingresses {
		switch {
		case !p.isComplete(active), onTrial && !p.isComplete(1-active): // waits
			return true, nil
		case !onTrial && !isThere(p.plan(active)): // should be gone
			return true, nil
		case p.isWatcherDead():
			return true, nil
		}
		if attached, err := p.isAttached(); err != nil || !attached {
			return true, err
		}
	}
	return false, nil
}

// isComplete tells whether a generation has all that it wants of the ingress.
func (p *ingress) isComplete(generation int) bool {
	return !isThere(p.plan(generation)) || p.ways[generation].datapath != ""
}

// followDevices makes ingresses lose devices that are gone, and take new names.
func (w *PairSet) followDevices(links links) error {
	present := make(map[int]string, len(links))
	for name, l := range links {
		present[l.Attrs().Index] = name
	}
	var errs []error
	for _, p := range w.ingresses {
		if p.ifindex() == 0 {
			continue
		}
		attached, err := p.isAttached()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		name, here := present[p.ifindex()]
		switch {
		case !here, !attached, name != p.name() && w.ingress(name) != nil:
			// Gone, gone and back, or under a name that another ingress waits for.
			errs = append(errs, w.restoreDevice(p), p.lose())
		case name != p.name():
			errs = append(errs, w.rename(p, name))
		}
	}
	return errors.Join(errs...)
}

// isAttached tells whether what was attached still is where it was. A device
// may be back with the same ifindex, and without it.
func (p *ingress) isAttached() (bool, error) {
	for _, a := range []*attachment{p.xdp, p.tc} {
		if a == nil {
			continue
		}
		if attached, err := attach.IsAttached(a.link, p.ifindex()); err != nil || !attached {
			return false, err
		}
	}
	return true, nil
}

// rename follows a device to its new name, in all plans.
func (w *PairSet) rename(p *ingress, name string) error {
	old := p.record.Name
	p.record.Name = interfaceName(name)
	errs := []error{p.write()}
	for _, other := range w.ingresses {
		for generation := range generations {
			if plan := other.plan(generation); plan.Peer == old {
				plan.Peer = p.record.Name
				errs = append(errs, other.write())
			}
		}
	}
	return errors.Join(errs...)
}
