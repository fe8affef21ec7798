package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// Kept pairs end when somebody removes their pins: links go with them. Filters
// on a clsact qdisc do not, and redirect on, though nothing is kept any more.

// RemoveUnpinned disconnects an interface, and the one at the other end, of
// which no pins are left but filters. It tells whether that was so. With a peer,
// it does so only if the interface is connected with that one. For a set of pairs that
// is kept.
func (w *PairSet) RemoveUnpinned(name, peer string) (removed bool, err error) {
	err = w.change(func(links links, _ controlWord, now time.Duration) (err error) {
		removed, err = w.removeUnpinned(name, peer, now, links)
		return err
	})
	return removed, err
}

func (w *PairSet) removeUnpinned(name, peer string, now time.Duration, links links) (bool, error) {
	found, err := w.findUnpinned(name, now, links)
	if err != nil || found == nil || peer != "" && found.peer != peer {
		return false, err
	}
	// Where no pins can be made, there may be some that are not to be seen.
	if err := w.pins.make(); err != nil {
		return false, err
	}
	if err := found.remove(); err != nil || found.peer == "" {
		return true, err
	}
	// One direction alone is no wire.
	opposite, err := w.findUnpinned(found.peer, now, links)
	if err != nil || opposite == nil || opposite.peer != name {
		return true, err
	}
	return true, opposite.remove()
}

// unpinned is a filter of a kept ingress that has no pins.
type unpinned struct {
	filter *netlink.BpfFilter
	record bpf.CrossConnectsCrossConnect
	peer   string // empty if it was not connected
}

// findUnpinned finds what is left on an interface, nil if there is nothing. A
// ingress of the set has its pins.
func (w *PairSet) findUnpinned(name string, now time.Duration, links links) (*unpinned, error) {
	device := links[name]
	if device == nil || w.hasPortAt(device.Attrs().Index) {
		return nil, nil
	}
	filters, err := attach.ListFilters(device.Attrs().Index, attach.Ingress)
	if err != nil {
		return nil, err
	}
	for _, listed := range filters {
		filter, ok := listed.(*netlink.BpfFilter)
		if !ok || filter.Name != attach.KeptFilter {
			continue
		}
		port, err := w.keptPortOf(ebpf.ProgramID(filter.Id))
		if err != nil {
			return nil, fmt.Errorf("look at filter %s on %s: %w", filter.Name, name, err)
		}
		if port != nil {
			plan := &port.Record.Plans[port.Current.activeGeneration(now)]
			return &unpinned{filter: filter, record: port.Record, peer: text(plan.Peer)}, nil
		}
	}
	return nil, nil
}

func (w *PairSet) hasPortAt(ifindex int) bool {
	return slices.ContainsFunc(w.ingresses, func(p *ingress) bool { return p.ifindex() == ifindex })
}

// keptPortOf is the kept ingress that a program serves, nil if it serves none,
// whatever its filter is called.
func (w *PairSet) keptPortOf(id ebpf.ProgramID) (*Port, error) {
	program, err := w.LookAt(id)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil, nil // gone meanwhile, or not for us to look at
	}
	if err != nil || program.Port == nil || program.Port.Record.Owner != 0 {
		return nil, err
	}
	return program.Port, nil
}

func (u *unpinned) remove() error {
	err := attach.RemoveFilter(u.filter)
	if u.record.IsPromiscuous != 0 {
		err = errors.Join(err, setPromiscOff(&u.record))
	}
	return err
}

// makeRoom removes what no pins are left of from the interfaces of plans, and
// lists the interfaces as they are then.
func (w *PairSet) makeRoom(plans map[string]plan, now time.Duration, links links) (links, error) {
	if w.pins == "" {
		return links, nil
	}
	if err := w.needLoader(); err != nil || w.loader.tc != probes.HookClsact {
		return links, err
	}
	found := false
	for name := range plans {
		removed, err := w.removeUnpinned(name, "", now, links)
		if err != nil {
			return nil, err
		}
		found = found || removed
	}
	if !found {
		return links, nil
	}
	return listLinks()
}
