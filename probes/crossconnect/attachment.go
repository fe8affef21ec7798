package crossconnect

import (
	"errors"
	"io"

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

// end detaches for good. To close a link would do only if no other process had
// it open.
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

// place is where the ingress has what is attached to a hook.
func (p *ingress) place(at probes.Hook) **attachment {
	if at == probes.HookXDP || at == probes.HookXDPGeneric {
		return &p.xdp
	}
	return &p.tc
}

// attached is what serves a datapath, nil if nothing does.
func (p *ingress) attached(d Datapath) *attachment {
	switch {
	case d == TC:
		return p.tc
	case p.xdp != nil && (d == XDP && p.xdp.hook == probes.HookXDP || d == XDPGeneric && p.xdp.hook == probes.HookXDPGeneric):
		return p.xdp
	}
	return nil
}

// attach puts a program on a hook of a device. It ends what is there of the
// ingress: one XDP program fits on an interface, of one mode.
func (p *ingress) attach(program *ebpf.Program, at probes.Hook, ifindex int) error {
	place := p.place(at)
	if err := p.detach(place); err != nil {
		return err
	}
	if at == probes.HookXDPGeneric {
		if err := p.standIn(); err != nil {
			return err
		}
	}
	made, err := p.attachNew(program, at, ifindex)
	if err != nil {
		return err
	}
	*place, p.record.Ifindex = made, uint32(ifindex)
	return p.write()
}

// attachNew attaches tc programs behind all others of the hook: those of
// ebpftop that count come first, and what others filter out is not redirected.
func (p *ingress) attachNew(program *ebpf.Program, at probes.Hook, ifindex int) (*attachment, error) {
	made := &attachment{hook: at}
	var err error
	switch at {
	case probes.HookClsact:
		made.link, err = attach.AddFilter(program, ifindex, attach.Ingress, attach.LastPriority, p.filterName())
		return made, err
	case probes.HookTC:
		made.link, err = attach.LastTCX(program, ifindex)
	default:
		made.link, err = attach.Receive(at, program, ifindex)
	}
	if err != nil {
		return nil, err
	}
	if err := p.pins.keep(linkPin(at), made.link); err != nil {
		return nil, errors.Join(err, made.end())
	}
	return made, nil
}

// filterName tells at the next start whether the filter is to stay.
func (p *ingress) filterName() string {
	if p.record.Owner == 0 {
		return attach.KeptFilter
	}
	return attach.ConnectFilter()
}

// detach ends an attachment, pinned or not.
func (p *ingress) detach(a **attachment) error {
	if *a == nil {
		return nil
	}
	old := *a
	*a = nil
	p.changed = true
	return errors.Join(old.end(), p.pins.drop(linkPin(old.hook)))
}

// trim detaches what a generation does not need. An ingress that waits keeps what
// it has, for others to see that it is in a pair.
func (p *ingress) trim(generation int) error {
	d := p.ways[generation].datapath
	if d == "" && isThere(p.plan(generation)) {
		return nil
	}
	var errs []error
	for _, a := range []**attachment{&p.xdp, &p.tc} {
		if *a != p.attached(d) {
			errs = append(errs, p.detach(a))
		}
	}
	return errors.Join(errs...)
}

// lose forgets a device that is gone, and what was attached to it.
func (p *ingress) lose() error {
	errs := []error{p.detach(&p.xdp), p.detach(&p.tc)}
	p.record.Ifindex = 0
	for generation := range generations {
		errs = append(errs, p.send(generation, leg{}))
	}
	return errors.Join(errs...)
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
