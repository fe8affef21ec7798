package crossconnect

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

// ingress is an interface as the place where frames enter a pair: its record and
// counters in the kernel, and the programs that redirect what enters. It can be there
// without its device, and then waits for it.
type ingress struct {
	ingressRecord
	pins    pins // of the ingress, none if it ends with the process
	isBare  bool // its frames have no Ethernet header
	isVeth  bool
	changed bool // since takeChanged, by which other processes learn of it

	maps     ingressMaps
	legs     [generations]leg
	attached attachments
	front    front
	past     pastTraffic
}

// leg is what an ingress does in one generation.
type leg struct {
	datapath Datapath // empty: what enters is not redirected
	reason   string
	egress   int   // ifindex
	problem  error // that keeps it from working
}

// pastTraffic is what was counted at an earlier moment.
type pastTraffic struct {
	traffic bpf.CrossConnectsTraffic
	dropped uint64
	time    time.Duration // CLOCK_MONOTONIC
}

// newIngress makes an ingress that has no device yet. If it fails, it closes what it
// made before it removes the pins, because to remove them takes descriptors, and the
// lack of descriptors may be why it failed.
func newIngress(spec *ebpf.CollectionSpec, name string, owner bpf.CrossConnectsProcess, pins pins) (*ingress, error) {
	p := &ingress{pins: pins}
	p.record.Owner = owner
	p.record.Name = interfaceName(name)
	if err := pins.make(); err != nil {
		return nil, err
	}
	err := p.maps.make(spec, pins)
	if err == nil {
		err = p.write()
	}
	if err != nil {
		return nil, errors.Join(err, p.release(), pins.remove())
	}
	return p, nil
}

// isOf notes what programs must know of the device.
func (p *ingress) isOf(d device) { p.isBare, p.isVeth = !d.hasEthernet, d.kind == veth }

// bind binds all maps of the ingress to a program, also those that it does not use,
// because other processes find the ingress by them.
func (p *ingress) bind(program *ebpf.Program, control *ebpf.Map) error {
	for name, m := range p.maps.replacements(control) {
		if err := program.BindMap(m); err != nil {
			return fmt.Errorf("bind map %s to the program of %s: %w", name, p.name(), err)
		}
	}
	return nil
}

// isComplete tells whether a generation has all that it wants of the ingress.
func (p *ingress) isComplete(generation int) bool {
	return !isThere(p.plan(generation)) || p.legs[generation].datapath != ""
}

// write puts the record into the kernel.
func (p *ingress) write() error {
	p.changed = true
	if err := p.maps.record.Put(uint32(0), &p.record); err != nil {
		return fmt.Errorf("write the record of %s: %w", p.name(), err)
	}
	return nil
}

// send directs the frames that enter, in one generation: to next.egress by next.datapath
// or, if the datapath is empty, on as if there were no pair. Where generic XDP is
// attached, it redirects instead of tc: see standIn.
func (p *ingress) send(generation int, next leg) error {
	p.legs[generation] = next
	var xdp, tc int
	switch next.datapath {
	case XDP, XDPGeneric:
		xdp = next.egress
	case TC:
		tc = next.egress
		if p.attached.serving(XDPGeneric) != nil {
			xdp = next.egress
		}
	}
	err := errors.Join(p.maps.devices.set(XDP, generation, xdp), p.maps.devices.set(TC, generation, tc))
	if err != nil {
		return fmt.Errorf("direct frames of %s: %w", p.name(), err)
	}
	return p.write()
}

// standIn makes XDP redirect what tc redirects now. A frame that generic XDP
// passes may lose its Ethernet header before tc redirects it: the copy that is
// made for XDP does not know how long that is (skb_pp_cow_data() in
// net/core/skbuff.c, seen on Linux 6.18).
func (p *ingress) standIn() error {
	var errs []error
	for generation, leg := range p.legs {
		if leg.datapath == TC {
			errs = append(errs, p.maps.devices.set(XDP, generation, leg.egress))
		}
	}
	return errors.Join(errs...)
}

// stop directs what enters in a generation on as if there were no pair.
func (p *ingress) stop(generation int) error {
	if p.legs[generation].datapath == "" {
		return nil
	}
	return p.send(generation, leg{})
}

// leads tells whether frames do go to an interface in a generation. The kernel
// forgets a device that goes, and it may be back with the same ifindex.
func (p *ingress) leads(generation, egress int) bool {
	leg := p.legs[generation]
	if leg.egress != egress || p.attached.serving(leg.datapath) == nil {
		return false
	}
	to, err := p.maps.devices.get(leg.datapath, generation)
	return err == nil && to == egress
}

// remove ends the ingress: nothing of it stays, unless there is an error.
func (p *ingress) remove() error {
	if err := errors.Join(p.detachAll(), p.pins.remove()); err != nil {
		return err
	}
	return p.release()
}

// release lets go of the ingress; what is pinned stays.
func (p *ingress) release() error {
	return errors.Join(p.maps.Close(), p.attached.release())
}
