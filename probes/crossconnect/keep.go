package crossconnect

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

// keeping moves the ingresses of a set of pairs to a kept one.
type keeping struct {
	from, kept *kernelSet
	generation int // of from, for both of kept
	links      links
	moves      []*move
}

// moveAll moves all of them or none.
func (k *keeping) moveAll() error {
	if len(k.from.ingresses) == 0 {
		return nil
	}
	for _, p := range k.from.ingresses {
		if k.kept.ingresses.find(p.name()) != nil {
			return fmt.Errorf("%s is in a kept pair already: disconnect it there or here", p.name())
		}
	}
	if err := k.kept.prepare(); err != nil {
		return err
	}
	for _, p := range k.from.ingresses {
		if err := k.begin(p); err != nil {
			return errors.Join(fmt.Errorf("keep %s: %w", p.name(), err), k.undo())
		}
	}
	var errs []error
	for _, m := range k.moves {
		if err := k.finish(m); err != nil {
			errs = append(errs, fmt.Errorf("keep %s: %w", m.kept.name(), err))
		}
	}
	k.from.ingresses = nil
	return errors.Join(append(errs, k.from.removeIfEmpty())...)
}

// move is an ingress that goes from a set of pairs to a kept one. What may fail and can
// be undone comes first.
type move struct {
	kept    *ingress      // as it is to be
	xdp, tc *ebpf.Program // that are to take the place of those attached
}

// begin pins an ingress and loads programs that obey the control word of the kept set.
func (k *keeping) begin(p *ingress) error {
	// Both generations alike: in the kept set, another one may be active.
	traffic, err := p.readTraffic()
	if err != nil {
		return err
	}
	other := 1 - k.generation
	traffic.setPlan(&p.record, other, *p.plan(k.generation))
	if err := p.send(other, p.legs[k.generation]); err != nil {
		return err
	}
	place, err := k.kept.freePlace()
	if err != nil {
		return err
	}
	kept := *p
	kept.pins, kept.record.Owner, kept.record.Watcher = place, bpf.CrossConnectsProcess{}, bpf.CrossConnectsProcess{}
	m := &move{kept: &kept}
	k.moves = append(k.moves, m)
	k.kept.ingresses = append(k.kept.ingresses, m.kept)
	if err := kept.pinAll(); err != nil {
		return err
	}
	return m.load(k.kept.loader)
}

// pinAll pins the maps and links of an ingress.
func (p *ingress) pinAll() error {
	if err := p.pins.make(); err != nil {
		return err
	}
	if err := p.maps.pin(p.pins); err != nil {
		return err
	}
	return p.attached.pin(p.pins)
}

func (m *move) load(l *loader) (err error) {
	if m.kept.attached.xdp != nil {
		if m.xdp, err = l.load(m.kept, m.kept.attached.xdpDatapath()); err != nil {
			return err
		}
	}
	if m.kept.attached.tc != nil {
		m.tc, err = l.load(m.kept, TC)
	}
	return err
}

// undo leaves the ingresses where they were.
func (k *keeping) undo() error {
	var errs []error
	for _, m := range k.moves {
		m.close()
		errs = append(errs, m.kept.pins.remove())
	}
	k.kept.ingresses = k.kept.ingresses[:len(k.kept.ingresses)-len(k.moves)]
	return errors.Join(errs...)
}

func (m *move) close() {
	for _, program := range []*ebpf.Program{m.xdp, m.tc} {
		program.Close() // nil, too
	}
}

// finish puts the programs in the place of those that are attached.
func (k *keeping) finish(m *move) error {
	defer m.close()
	p := m.kept
	errs := []error{p.write(), p.attached.xdp.replace(m.xdp, &p.ingressRecord), p.attached.tc.replace(m.tc, &p.ingressRecord)}
	if device := k.links[p.name()]; device != nil {
		errs = append(errs, k.kept.promiscuity.enter(p, device))
	}
	return errors.Join(errs...)
}
