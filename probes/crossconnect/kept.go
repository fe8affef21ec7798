package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/hook"
)

// portPrefix begins the names of the directories that kept ports are pinned in.
const portPrefix = "port-"

// prepare makes what all ports share.
func (w *Wiring) prepare() error {
	if w.control != nil {
		return nil
	}
	if err := w.pins.make(); err != nil {
		return err
	}
	if err := w.needLoader(); err != nil {
		return err
	}
	m, err := w.pins.newMap(w.loader.spec.Maps[bpf.CrossConnectsMapCrossConnectControl])
	if err != nil {
		return err
	}
	w.use(m)
	// Without it, only the reasons of drops are not known.
	w.drops, w.dropsErr = openDrops(string(w.pins))
	return nil
}

// needLoader makes the loader when it is first needed: most ebpftops connect
// nothing, and it takes memory.
func (w *Wiring) needLoader() (err error) {
	if w.loader == nil {
		w.loader, err = newLoader()
	}
	return err
}

func (w *Wiring) use(m *ebpf.Map) {
	w.control = &control{m: m}
	w.loader.control = m
}

// removeIfEmpty removes what all ports share when there are none.
func (w *Wiring) removeIfEmpty() error {
	if len(w.ports) > 0 || w.control == nil {
		return nil
	}
	return errors.Join(w.release(), w.pins.remove())
}

// refresh reads anew what is kept, if another process has changed it.
func (w *Wiring) refresh() error {
	if w.pins == "" {
		return nil
	}
	if !w.pins.exists() {
		return w.release() // nothing is kept (any more)
	}
	m, err := w.pins.openMap(bpf.CrossConnectsMapCrossConnectControl)
	if errors.Is(err, os.ErrNotExist) {
		return w.release() // of a process that did not come to keep anything
	}
	if err != nil {
		return err
	}
	fresh := &control{m: m}
	value, err := fresh.read()
	if err != nil {
		return errors.Join(err, m.Close())
	}
	if w.control != nil && w.revision == value.Revision && sameMap(w.control.m, m) {
		return m.Close()
	}
	if err := errors.Join(w.release(), w.needLoader()); err != nil {
		return errors.Join(err, m.Close())
	}
	w.use(m)
	w.revision = value.Revision
	return w.reopen()
}

func sameMap(a, b *ebpf.Map) bool {
	infoA, errA := a.Info()
	infoB, errB := b.Info()
	if errA != nil || errB != nil {
		return false
	}
	idA, okA := infoA.ID()
	idB, okB := infoB.ID()
	return okA && okB && idA == idB
}

// reopen opens the kept ports.
func (w *Wiring) reopen() error {
	w.drops, w.dropsErr = openDrops(string(w.pins))
	dirs, err := filepath.Glob(w.pins.path(portPrefix + "*"))
	if err != nil {
		return fmt.Errorf("list kept ports: %w", err)
	}
	links, err := listLinks()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		p, err := openPort(pins(dir), links)
		if errors.Is(err, os.ErrNotExist) {
			// Left by a process that was killed while it made the port.
			err = pins(dir).remove()
		}
		if err != nil {
			return err
		}
		if p != nil {
			w.ports = append(w.ports, p)
		}
	}
	return nil
}

// openPort opens a kept port.
func openPort(dir pins, links links) (*port, error) {
	p := &port{pins: dir}
	for _, m := range p.maps() {
		opened, err := dir.openMap(m.name)
		if err != nil {
			return nil, errors.Join(err, p.release())
		}
		*m.m = opened
	}
	if err := p.here.Lookup(uint32(0), &p.record); err != nil {
		return nil, errors.Join(fmt.Errorf("read the record in %s: %w", dir, err), p.release())
	}
	if err := p.reattach(links); err != nil {
		return nil, errors.Join(err, p.release())
	}
	return p, p.readWays(links)
}

// reattach finds what is attached.
func (p *port) reattach(links links) error {
	for _, at := range []hook.Hook{hook.XDP, hook.XDPGeneric, hook.TC} {
		l, err := link.LoadPinnedLink(p.pins.path(linkPin(at)), nil)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open kept link: %w", err)
		}
		a := &attachment{hook: at, link: l}
		if at == hook.TC {
			p.tc = a
		} else {
			p.xdp = a
		}
		ifindex, err := ifindexOf(l)
		if err != nil {
			return err
		}
		p.ifindex = ifindex
	}
	device := links[p.name()]
	if p.tc != nil || device == nil {
		return nil
	}
	filter, err := hook.FindFilter(device.Attrs().Index, hook.Ingress, hook.KeptFilter)
	if filter != nil {
		p.tc = &attachment{hook: hook.Clsact, link: filter}
		p.ifindex = device.Attrs().Index
	}
	return err
}

// ifindexOf is 0 for a link whose device is gone.
func ifindexOf(l link.Link) (int, error) {
	info, err := l.Info()
	if err != nil {
		return 0, fmt.Errorf("ask for a kept link: %w", err)
	}
	if xdp := info.XDP(); xdp != nil {
		return int(xdp.Ifindex), nil
	}
	if tcx := info.TCX(); tcx != nil {
		return int(tcx.Ifindex), nil
	}
	return 0, fmt.Errorf("a kept link is of type %v", info.Type)
}

// readWays finds where frames are directed.
func (p *port) readWays(links links) error {
	for generation := range generations {
		var egress uint32
		d := TC
		if egress = p.record.Egress[generation]; egress == 0 {
			err := p.egress.Lookup(uint32(generation), &egress)
			if errors.Is(err, ebpf.ErrKeyNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read where XDP of %s leads: %w", p.name(), err)
			}
			d = XDP
			if p.xdp != nil && p.xdp.hook == hook.XDPGeneric {
				d = XDPGeneric
			}
		}
		w := way{datapath: d, egress: int(egress)}
		w.reason = p.reason(d, generation, links)
		p.ways[generation] = w
	}
	return nil
}

// reason says why a kept port has its datapath: as it would be chosen now, if
// the choice were the same.
func (p *port) reason(d Datapath, generation int, links links) string {
	const unknown = "as it was connected"
	ingress, egress := links[p.name()], links[text(p.plan(generation).Peer)]
	if ingress == nil || egress == nil {
		return unknown
	}
	from, errFrom := deviceOf(ingress)
	to, errTo := deviceOf(egress)
	from.foreignXDP = false // it is ours
	try, reason, err := datapathsToTry(wish(p.plan(generation).Wish), from, to)
	if errors.Join(errFrom, errTo, err) != nil || try[0] != d {
		return unknown
	}
	return reason
}

// Keep makes all pairs of w pairs of kept, without losing a frame: from then on
// they stay without this process.
func (w *Wiring) Keep(kept *Wiring) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now(func(mine word, now time.Duration) error {
		if mine.onTrial(now) {
			return ErrTrial
		}
		return kept.change(func(links links, current word, now time.Duration) error {
			if current.onTrial(now) {
				return ErrTrial
			}
			if err := kept.prepare(); err != nil {
				return err
			}
			return kept.take(w, mine.at(now), links)
		})
	})
}

// take moves the ports of another wiring here, those first that could fail.
func (w *Wiring) take(from *Wiring, generation int, links links) error {
	for len(from.ports) > 0 {
		p := from.ports[0]
		if err := w.takePort(p, generation, links); err != nil {
			return fmt.Errorf("keep %s: %w", p.name(), err)
		}
		from.ports = from.ports[1:]
	}
	return errors.Join(w.touch(), from.removeIfEmpty())
}

// takePort pins a port and makes its program obey this wiring's control word.
func (w *Wiring) takePort(p *port, generation int, links links) error {
	// Both generations alike: here, another one may count.
	*p.plan(1 - generation) = *p.plan(generation)
	if err := p.send(1-generation, p.ways[generation]); err != nil {
		return err
	}
	moved := *p
	moved.pins = w.freePlace()
	moved.record.Owner, moved.record.Watcher = 0, 0
	if err := moved.pins.make(); err != nil {
		return err
	}
	err := moved.pinMaps()
	if err == nil {
		err = moved.replaceProgram(w.loader)
	}
	if err == nil {
		err = moved.write()
	}
	if err != nil {
		return errors.Join(err, moved.pins.remove())
	}
	*p = moved
	w.ports = append(w.ports, p)
	if device := links[p.name()]; device != nil {
		return w.promiscuity.enter(p, device)
	}
	return nil
}

func (p *port) pinMaps() error {
	for _, m := range p.maps() {
		if err := (*m.m).Pin(p.pins.path(m.name)); err != nil {
			return fmt.Errorf("pin map %s: %w", m.name, err)
		}
	}
	return nil
}

// replaceProgram gives what is attached a program with other maps, in place.
func (p *port) replaceProgram(l *loader) error {
	for d, a := range map[Datapath]*attachment{XDP: p.xdp, TC: p.tc} {
		if a == nil {
			continue
		}
		program, err := l.load(p, d)
		if err != nil {
			return err
		}
		defer program.Close()
		if a.hook == hook.Clsact {
			// The new filter first: both redirect alike.
			made, err := hook.AddFilter(program, p.ifindex, hook.Ingress, hook.LastPriority, p.filterName())
			if err != nil {
				return err
			}
			old := a.link
			p.tc = &attachment{hook: hook.Clsact, link: made}
			if err := old.Close(); err != nil {
				return err
			}
			continue
		}
		l := a.link.(link.Link)
		if err := l.Update(program); err != nil {
			return fmt.Errorf("replace the program of %s: %w", p.name(), err)
		}
		if err := p.pins.keep(linkPin(a.hook), l); err != nil {
			return err
		}
	}
	return nil
}

// freePlace is a directory for one more kept port.
func (w *Wiring) freePlace() pins {
	for n := 0; ; n++ {
		if place := w.pins.below(fmt.Sprint(portPrefix, n)); !place.exists() {
			return place
		}
	}
}
