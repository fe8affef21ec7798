package crossconnect

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// attachment is a program on a hook of an ingress.
type attachment struct {
	hook probes.Hook
	link io.Closer // a link.Link, or on clsact a *attach.Filter
}

// newAttachment attaches a program for an ingress, which may be kept. On tcx it goes right
// behind a link, or before all programs if behind is 0, because one that decides about a
// frame keeps it from those that follow. Filters go behind all others.
func newAttachment(program *ebpf.Program, at probes.Hook, ifindex int, isKept bool, behind link.ID) (made *attachment, err error) {
	made = &attachment{hook: at}
	switch at {
	case probes.HookClsact:
		var name string
		if name, err = filterName(isKept); err != nil {
			return nil, err
		}
		made.link, err = attach.AddFilter(program, ifindex, attach.Ingress, attach.LastPriority, name)
	case probes.HookTC:
		made.link, err = attach.FirstTCX(program, ifindex, behind)
	default:
		made.link, err = attach.Receive(at, program, ifindex)
	}
	return made, err
}

// filterName returns a name by which the next start knows whether the filter is to stay.
func filterName(isKept bool) (string, error) {
	if isKept {
		return attach.KeptFilter, nil
	}
	return attach.ConnectFilter()
}

// pin pins the link. A filter on clsact stays without.
func (a *attachment) pin(dir pins) error {
	if a.hook == probes.HookClsact {
		return nil
	}
	return dir.keep(linkPin(a.hook), a.link)
}

// replace puts a program with other maps in the place of the one that is attached to r's
// interface. It does nothing if a is nil.
func (a *attachment) replace(program *ebpf.Program, r *ingressRecord) error {
	if a == nil {
		return nil
	}
	if l, ok := a.link.(link.Link); ok {
		if err := l.Update(program); err != nil {
			return fmt.Errorf("replace the program of %s: %w", r.name(), err)
		}
		return nil
	}
	// Because both redirect alike, the new filter can come first: no frame is lost.
	made, err := newAttachment(program, a.hook, r.ifindex(), r.isKept(), 0)
	if err != nil {
		return err
	}
	old := a.link
	a.link = made.link
	return old.Close()
}

// end detaches for good. Because another process may have the link open, closing it is
// not enough.
func (a *attachment) end() error {
	l, ok := a.link.(link.Link)
	if !ok {
		return a.link.Close()
	}
	return errors.Join(l.Detach(), l.Close())
}

// release lets go of what is pinned. A kept filter needs nobody to hold it.
func (a *attachment) release() error {
	if l, ok := a.link.(link.Link); ok {
		return l.Close()
	}
	return nil
}

// linkPin is the name of a link's pin.
func linkPin(at probes.Hook) string {
	switch at {
	case probes.HookXDP:
		return "link-xdp"
	case probes.HookXDPGeneric:
		return "link-xdp-generic"
	}
	return "link-tc"
}

// attachments are the programs of an ingress. While a trial lasts, one generation
// may need XDP and the other one tc.
type attachments struct {
	xdp, tc *attachment // nil: none
}

func (a *attachments) all() []*attachment {
	var all []*attachment
	for _, one := range []*attachment{a.xdp, a.tc} {
		if one != nil {
			all = append(all, one)
		}
	}
	return all
}

// any tells whether there is one.
func (a *attachments) any() bool { return a.xdp != nil || a.tc != nil }

// place is for what is attached to a hook.
func (a *attachments) place(at probes.Hook) **attachment {
	if at == probes.HookXDP || at == probes.HookXDPGeneric {
		return &a.xdp
	}
	return &a.tc
}

// xdpDatapath is that of the XDP program, XDP if there is none.
func (a *attachments) xdpDatapath() Datapath {
	if a.xdp != nil && a.xdp.hook == probes.HookXDPGeneric {
		return XDPGeneric
	}
	return XDP
}

// serving is what serves a datapath, nil if nothing does.
func (a *attachments) serving(d Datapath) *attachment {
	switch {
	case d == TC:
		return a.tc
	case a.xdp != nil && (d == XDP && a.xdp.hook == probes.HookXDP || d == XDPGeneric && a.xdp.hook == probes.HookXDPGeneric):
		return a.xdp
	}
	return nil
}

// areAt tells whether all still are on the device with this ifindex. A device may be
// back with the same ifindex, and without them.
func (a *attachments) areAt(ifindex int) (bool, error) {
	for _, one := range a.all() {
		if attached, err := attach.IsAttached(one.link, ifindex); err != nil || !attached {
			return false, err
		}
	}
	return true, nil
}

// open finds the attachments of a kept ingress.
func (a *attachments) open(dir pins, ifindex int) error {
	for _, at := range []probes.Hook{probes.HookXDP, probes.HookXDPGeneric, probes.HookTC} {
		l, err := dir.openLink(linkPin(at))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open kept link: %w", err)
		}
		*a.place(at) = &attachment{hook: at, link: l}
	}
	if a.tc != nil || ifindex == 0 {
		return nil
	}
	filter, err := attach.FindFilter(ifindex, attach.Ingress, attach.KeptFilter)
	if filter != nil {
		a.tc = &attachment{hook: probes.HookClsact, link: filter}
	}
	return err
}

// pin pins the links.
func (a *attachments) pin(dir pins) error {
	for _, one := range a.all() {
		if err := one.pin(dir); err != nil {
			return err
		}
	}
	return nil
}

// release lets go of all; what is pinned stays.
func (a *attachments) release() error {
	var errs []error
	for _, one := range a.all() {
		errs = append(errs, one.release())
	}
	return errors.Join(errs...)
}
