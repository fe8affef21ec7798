package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// Kept pairs end when somebody removes their pins: links go with them. Filters
// on a clsact qdisc do not, and redirect on, though nothing is kept any more.

// sweep removes these filters.
type sweep struct {
	set    *kernelSet // the kept one: its ingresses have their pins
	links  links
	now    time.Duration // CLOCK_MONOTONIC
	lookAt LookAt
}

func (c *change) sweep() *sweep {
	return &sweep{set: c.set, links: c.links, now: c.now, lookAt: c.lookAt}
}

// remove disconnects an interface, and the one at the other end, unless a peer is
// given and it is another one. It tells whether it did.
func (s *sweep) remove(name, peer string) (bool, error) {
	found, err := s.find(name)
	if err != nil || found == nil || peer != "" && found.peer != peer {
		return false, err
	}
	// Where no pins can be made, there may be some that are not to be seen.
	if err := s.set.pins.make(); err != nil {
		return false, err
	}
	if err := found.remove(); err != nil || found.peer == "" {
		return true, err
	}
	// One direction alone is no wire.
	opposite, err := s.find(found.peer)
	if err != nil || opposite == nil || opposite.peer != name {
		return true, err
	}
	return true, opposite.remove()
}

// unpinned is a filter of a kept ingress that has no pins.
type unpinned struct {
	device netlink.Link
	filter *netlink.BpfFilter
	peer   string // empty if it was not connected
}

// find finds what is left on an interface, nil if there is nothing. An ingress of
// the set has its pins.
func (s *sweep) find(name string) (*unpinned, error) {
	device := s.links[name]
	if device == nil || s.set.ingresses.haveDevice(device.Attrs().Index) {
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
		ingress, err := s.keptIngressOf(ebpf.ProgramID(filter.Id))
		if err != nil {
			return nil, fmt.Errorf("look at filter %s on %s: %w", filter.Name, name, err)
		}
		if ingress != nil {
			plan := &ingress.Record.Plans[ingress.Current.activeGeneration(s.now)]
			return &unpinned{device, filter, text(plan.Peer)}, nil
		}
	}
	return nil, nil
}

// keptIngressOf is the kept ingress that a program serves, nil if it serves none,
// whatever its filter is called.
func (s *sweep) keptIngressOf(id ebpf.ProgramID) (*KernelIngress, error) {
	program, err := s.lookAt(id)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil, nil // gone meanwhile, or not for us to look at
	}
	if err != nil || program.Ingress == nil || !program.Ingress.isKept() {
		return nil, err
	}
	return program.Ingress, nil
}

func (u *unpinned) remove() error {
	return errors.Join(attach.RemoveFilter(u.filter), endPromiscuity(u.device))
}

// makeRoom removes filters without pins from the interfaces of plans. The links of the
// change are then those without them.
func (c *change) makeRoom(plans map[string]plan) (err error) {
	if !c.set.isKept() {
		return nil
	}
	if err := c.set.needLoader(); err != nil || c.set.loader.tc != probes.HookClsact {
		return err
	}
	found := false
	for name := range plans {
		removed, err := c.sweep().remove(name, "")
		if err != nil {
			return err
		}
		found = found || removed
	}
	if found {
		c.links, err = listLinks()
	}
	return err
}
