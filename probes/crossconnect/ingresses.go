package crossconnect

import (
	"errors"
	"slices"
)

// ingresses are those of a set of pairs.
type ingresses []*ingress

// find finds an ingress by name, nil if there is none.
func (s ingresses) find(name string) *ingress {
	wanted := interfaceName(name)
	for _, p := range s {
		if p.record.Name == wanted {
			return p
		}
	}
	return nil
}

// haveDevice tells whether one has the device with this ifindex.
func (s ingresses) haveDevice(ifindex int) bool {
	return slices.ContainsFunc(s, func(p *ingress) bool { return p.ifindex() == ifindex })
}

// havePlace tells whether one is pinned in this directory.
func (s ingresses) havePlace(place pins) bool {
	return slices.ContainsFunc(s, func(p *ingress) bool { return p.pins == place })
}

// pairs are those of a generation.
func (s ingresses) pairs(generation int) []Pair {
	var pairs []Pair
	for _, p := range s {
		if plan := p.plan(generation); isThere(plan) && plan.IsA != 0 {
			pairs = append(pairs, pairOf(p.name(), plan))
		}
	}
	return sortPairs(pairs)
}

// takeChanged tells whether something of them changed since it was asked last.
func (s ingresses) takeChanged() (changed bool) {
	for _, p := range s {
		changed = changed || p.changed
		p.changed = false
	}
	return changed
}

// forgetLonely makes plans without effect whose peer is not there: one end alone is
// no pair.
func (s ingresses) forgetLonely() {
	for _, p := range s {
		for generation := range generations {
			if plan := p.plan(generation); s.find(text(plan.Peer)) == nil {
				plan.Peer = interfaceName("")
			}
		}
	}
}

// rename follows a device to its new name, in all plans.
func (s ingresses) rename(p *ingress, name string) error {
	old := p.record.Name
	p.record.Name = interfaceName(name)
	errs := []error{p.write()}
	for _, other := range s {
		for generation := range generations {
			if plan := other.plan(generation); plan.Peer == old {
				plan.Peer = p.record.Name
				errs = append(errs, other.write())
			}
		}
	}
	return errors.Join(errs...)
}

// isDue tells whether Reconcile may find something to do though no interface has
// changed.
func (s ingresses) isDue(m moment) (bool, error) {
	if m.isTrialOver() {
		return true, nil
	}
	active := m.active()
	for _, p := range s {
		switch {
		case !p.isComplete(active), m.isOnTrial() && !p.isComplete(1-active): // waits
			return true, nil
		case !m.isOnTrial() && !isThere(p.plan(active)): // should be gone
			return true, nil
		case p.isWatcherDead():
			return true, nil
		}
		if attached, err := p.attached.areAt(p.ifindex()); err != nil || !attached {
			return true, err
		}
		if isNew, err := p.front.isNew(p.attached.tc, &p.ingressRecord); err != nil || isNew {
			return true, err
		}
	}
	return false, nil
}
