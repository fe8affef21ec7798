package crossconnect

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/probes"
)

// attach puts a program on a hook of a device. It first ends what the ingress has
// there, because one XDP program fits on an interface, of one mode.
func (p *ingress) attach(program *ebpf.Program, at probes.Hook, ifindex int, behind link.ID) error {
	place := p.attached.place(at)
	if err := p.detach(place); err != nil {
		return err
	}
	if at == probes.HookXDPGeneric {
		if err := p.standIn(); err != nil {
			return err
		}
	}
	if err := p.maps.devices.setIngress(ifindex); err != nil {
		return err
	}
	made, err := newAttachment(program, at, ifindex, p.isKept(), behind)
	if err != nil {
		return err
	}
	if err := made.pin(p.pins); err != nil {
		return errors.Join(err, made.end())
	}
	*place, p.record.Ifindex = made, uint32(ifindex)
	return p.write()
}

// detach ends an attachment, pinned or not.
func (p *ingress) detach(a **attachment) error {
	if *a == nil {
		return nil
	}
	old := *a
	*a = nil
	p.changed = true
	return errors.Join(old.end(), p.pins.drop(linkPin(old.hook)), p.pins.drop(newPin(linkPin(old.hook))))
}

// detachAll ends all attachments.
func (p *ingress) detachAll() error {
	return errors.Join(p.detach(&p.attached.xdp), p.detach(&p.attached.tc))
}

// trim detaches what a generation does not need. An ingress that waits keeps what
// it has, for others to see that it is in a pair.
func (p *ingress) trim(generation int) error {
	d := p.legs[generation].datapath
	if d == "" && isThere(p.plan(generation)) {
		return nil
	}
	var errs []error
	for _, a := range []**attachment{&p.attached.xdp, &p.attached.tc} {
		if *a != p.attached.serving(d) {
			errs = append(errs, p.detach(a))
		}
	}
	return errors.Join(errs...)
}

// lose forgets a device that is gone, and what was attached to it.
func (p *ingress) lose() error {
	errs := []error{p.detachAll(), p.maps.devices.setIngress(0)}
	p.record.Ifindex = 0
	for generation := range generations {
		errs = append(errs, p.send(generation, leg{}))
	}
	return errors.Join(errs...)
}
