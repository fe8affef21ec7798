package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// portPrefix begins the names of the directories that kept ingresses are pinned in.
const portPrefix = "port-"

// prepare makes what all ingresses share.
func (w *PairSet) prepare() error {
	if w.control != nil {
		return nil
	}
	if err := w.needLoader(); err != nil {
		return err
	}
	if err := w.pins.make(); err != nil {
		return err
	}
	m, err := w.pins.newMap(w.loader.spec.Maps[bpf.CrossConnectsMapControl])
	if err != nil {
		return errors.Join(err, w.pins.remove())
	}
	w.use(m)
	return nil
}

// needLoader makes the loader when it is first needed: most ebpftops connect
// nothing, and it takes memory.
func (w *PairSet) needLoader() (err error) {
	if w.loader == nil {
		w.loader, err = newLoader()
	}
	return err
}

// use makes m the control word.
func (w *PairSet) use(m *ebpf.Map) {
	w.control = &control{m: m}
	w.loader.control = m
	// Without it, only what is dropped is not known.
	w.drops, w.dropsErr = openDrops(string(w.pins))
}

// removeStray removes the places of ingresses that are none: a process was killed
// while it made or removed them. Only who holds the lock may tell.
func (w *PairSet) removeStray() error {
	if w.pins == "" {
		return nil
	}
	dirs, err := filepath.Glob(w.pins.path(portPrefix + "*"))
	errs := []error{err}
	for _, dir := range dirs {
		if !slices.ContainsFunc(w.ingresses, func(p *ingress) bool { return p.pins == pins(dir) }) {
			errs = append(errs, pins(dir).remove())
		}
	}
	return errors.Join(errs...)
}

// removeIfEmpty removes what all ingresses share when there are none, and what a
// process left that did not come to share anything.
func (w *PairSet) removeIfEmpty() error {
	if len(w.ingresses) > 0 || w.control == nil && !w.pins.exists() {
		return nil
	}
	return errors.Join(w.release(), w.pins.remove())
}

// refresh reads anew what is kept, if another process has changed it.
func (w *PairSet) refresh() error {
	if w.pins == "" {
		return nil
	}
	if !w.pins.exists() {
		return w.release() // nothing is kept (any more)
	}
	if err := w.pins.errUnsafe(); err != nil {
		return err
	}
	if err := w.needLoader(); err != nil {
		return err
	}
	m, err := w.pins.openMap(w.loader.spec.Maps[bpf.CrossConnectsMapControl])
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
	if err := w.release(); err != nil {
		return errors.Join(err, m.Close())
	}
	w.use(m)
	if err := w.reopen(); err != nil {
		return errors.Join(err, w.release())
	}
	w.revision = value.Revision
	return nil
}

// announce tells other processes if something of an ingress changed.
func (w *PairSet) announce() error {
	changed := false
	for _, p := range w.ingresses {
		changed = changed || p.changed
		p.changed = false
	}
	if !changed {
		return nil
	}
	revision, err := w.control.touch()
	w.revision = revision
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

// reopen opens the kept ingresses. One that lacks something is left out: a process
// makes or removes it just now, or was killed while it did.
func (w *PairSet) reopen() error {
	dirs, err := filepath.Glob(w.pins.path(portPrefix + "*"))
	if err != nil {
		return fmt.Errorf("list kept ports: %w", err)
	}
	links, err := listLinks()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		p, err := w.openIngress(pins(dir), links)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		w.ingresses = append(w.ingresses, p)
	}
	for _, p := range w.ingresses {
		for generation := range generations {
			if plan := p.plan(generation); w.ingress(text(plan.Peer)) == nil {
				plan.Peer = interfaceName("") // one end alone is no pair
			}
		}
	}
	return nil
}

// openIngress opens a kept ingress.
func (w *PairSet) openIngress(dir pins, links links) (*ingress, error) {
	p := &ingress{pins: dir}
	err := p.open(w.loader.spec, links)
	if err != nil {
		return nil, errors.Join(err, p.release())
	}
	return p, nil
}

func (p *ingress) open(spec *ebpf.CollectionSpec, links links) error {
	for _, m := range p.maps() {
		opened, err := p.pins.openMap(spec.Maps[m.name])
		if err != nil {
			return err
		}
		*m.m = opened
	}
	if err := p.recordMap.Lookup(uint32(0), &p.record); err != nil {
		return fmt.Errorf("read the record in %s: %w", p.pins, err)
	}
	if err := p.reattach(); err != nil {
		return err
	}
	return p.readWays(links)
}

// reattach finds what is attached.
func (p *ingress) reattach() error {
	for _, at := range []probes.Hook{probes.HookXDP, probes.HookXDPGeneric, probes.HookTC} {
		l, err := link.LoadPinnedLink(p.pins.path(linkPin(at)), nil)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open kept link: %w", err)
		}
		*p.place(at) = &attachment{hook: at, link: l}
	}
	if p.tc != nil || p.ifindex() == 0 {
		return nil
	}
	filter, err := attach.FindFilter(p.ifindex(), attach.Ingress, attach.KeptFilter)
	if filter != nil {
		p.tc = &attachment{hook: probes.HookClsact, link: filter}
	}
	return err
}

// readWays finds where frames are directed.
func (p *ingress) readWays(links links) error {
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
			if p.xdp != nil && p.xdp.hook == probes.HookXDPGeneric {
				d = XDPGeneric
			}
		}
		w := leg{datapath: d, egress: int(egress)}
		w.reason = p.reason(d, generation, links)
		p.ways[generation] = w
	}
	return nil
}

// reason says why a kept ingress has its datapath: as it would be chosen now, if
// the choice were the same.
func (p *ingress) reason(d Datapath, generation int, links links) string {
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

// freePlace is a directory for one more kept ingress, none if the set is not
// kept. What is there that no ingress has was left by a process that was killed.
func (w *PairSet) freePlace() (pins, error) {
	if w.pins == "" {
		return "", nil
	}
	for n := 0; ; n++ {
		place := w.pins.below(fmt.Sprint(portPrefix, n))
		if !slices.ContainsFunc(w.ingresses, func(p *ingress) bool { return p.pins == place }) {
			return place, place.remove()
		}
	}
}
