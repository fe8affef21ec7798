package crossconnect

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
)

// Keep makes all pairs of w pairs of kept, without losing a frame: from then on
// they stay without this process.
func (w *PairSet) Keep(kept *PairSet) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now(func(mine controlWord, now time.Duration) error {
		if mine.onTrial(now) {
			return ErrTrial
		}
		return kept.change(func(links links, current controlWord, now time.Duration) error {
			if current.onTrial(now) {
				return ErrTrial
			}
			if err := w.commit(mine.activeGeneration(now)); err != nil {
				return err
			}
			return kept.moveFrom(w, mine.activeGeneration(now), links)
		})
	})
}

// moveFrom moves the ingresses of another set of pairs here: all of them or none.
func (w *PairSet) moveFrom(from *PairSet, generation int, links links) error {
	if len(from.ingresses) == 0 {
		return nil
	}
	for _, p := range from.ingresses {
		if w.ingress(p.name()) != nil {
			return fmt.Errorf("%s is in a kept pair already: disconnect it there or here", p.name())
		}
	}
	if err := w.prepare(); err != nil {
		return err
	}
	var moves []*move
	for _, p := range from.ingresses {
		m, err := w.newMove(p, generation)
		if m != nil {
			moves = append(moves, m)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("keep %s: %w", p.name(), err), w.undo(moves))
		}
	}
	var errs []error
	for _, m := range moves {
		if err := w.finish(m, links); err != nil {
			errs = append(errs, fmt.Errorf("keep %s: %w", m.kept.name(), err))
		}
	}
	from.ingresses = nil
	return errors.Join(append(errs, from.removeIfEmpty())...)
}

// move is an ingress that goes from one set of pairs to another. All that can fail comes
// first.
type move struct {
	from *ingress
	kept *ingress // the same, as it is to be
	xdp  *ebpf.Program
	tc   *ebpf.Program
}

// newMove pins an ingress and loads programs that obey this set of pairs's control word.
// With an error, what it did is to be undone.
func (w *PairSet) newMove(p *ingress, generation int) (*move, error) {
	// Both generations alike: here, another one may count.
	traffic, err := p.readTraffic()
	if err != nil {
		return nil, err
	}
	traffic.setPlan(&p.record, 1-generation, *p.plan(generation))
	if err := p.send(1-generation, p.ways[generation]); err != nil {
		return nil, err
	}
	place, err := w.freePlace()
	if err != nil {
		return nil, err
	}
	kept := *p
	kept.pins, kept.record.Owner, kept.record.Watcher = place, 0, 0
	m := &move{from: p, kept: &kept}
	w.ingresses = append(w.ingresses, m.kept)
	if err := kept.pinAll(); err != nil {
		return m, err
	}
	return m, m.load(w.loader)
}

// pinAll pins the maps and links of an ingress.
func (p *ingress) pinAll() error {
	if err := p.pins.make(); err != nil {
		return err
	}
	for _, m := range p.maps() {
		if err := (*m.m).Pin(p.pins.path(bpf.MapName(m.name))); err != nil {
			return fmt.Errorf("pin map %s: %w", m.name, err)
		}
	}
	for _, a := range []*attachment{p.xdp, p.tc} {
		if a == nil || a.hook == probes.HookClsact {
			continue
		}
		if err := p.pins.keep(linkPin(a.hook), a.link); err != nil {
			return err
		}
	}
	return nil
}

func (m *move) load(l *loader) (err error) {
	if m.kept.xdp != nil {
		if m.xdp, err = l.load(m.kept, XDP); err != nil {
			return err
		}
	}
	if m.kept.tc != nil {
		m.tc, err = l.load(m.kept, TC)
	}
	return err
}

// undo leaves the ingresses where they were.
func (w *PairSet) undo(moves []*move) error {
	var errs []error
	for _, m := range moves {
		m.close()
		errs = append(errs, m.kept.pins.remove())
	}
	w.ingresses = w.ingresses[:len(w.ingresses)-len(moves)]
	return errors.Join(errs...)
}

func (m *move) close() {
	for _, program := range []*ebpf.Program{m.xdp, m.tc} {
		program.Close() // nil, too
	}
}

// finish puts the programs in the place of those that are there.
func (w *PairSet) finish(m *move, links links) error {
	defer m.close()
	p := m.kept
	errs := []error{p.write(), p.replace(p.xdp, m.xdp), p.replace(p.tc, m.tc)}
	if device := links[p.name()]; device != nil {
		errs = append(errs, w.promiscuity.enter(p, device))
	}
	return errors.Join(errs...)
}

// replace gives what is attached a program with other maps, in place.
func (p *ingress) replace(a *attachment, program *ebpf.Program) error {
	if a == nil {
		return nil
	}
	if l, ok := a.link.(link.Link); ok {
		if err := l.Update(program); err != nil {
			return fmt.Errorf("replace the program of %s: %w", p.name(), err)
		}
		return nil
	}
	// The new filter first: both redirect alike.
	made, err := p.attachNew(program, a.hook, p.ifindex())
	if err != nil {
		return err
	}
	old := a.link
	a.link = made.link
	return old.Close()
}
