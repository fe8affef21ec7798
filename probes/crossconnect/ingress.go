package crossconnect

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

// ingress is an interface as an ingress: its record and counters in the kernel,
// and the program that redirects what enters. It can be there without its
// device, and waits for it then.
type ingress struct {
	pins    pins // of the ingress, none if it ends with the process
	record  bpf.CrossConnectsCrossConnect
	isBare  bool // its frames have no Ethernet header
	changed bool // since other processes were told

	recordMap, egress, traffic *ebpf.Map

	ways [generations]leg
	// What is attached: while a trial lasts, one generation may need XDP and
	// the other one tc.
	xdp, tc *attachment

	past pastTraffic
}

// leg is what an ingress does in one generation.
type leg struct {
	datapath Datapath // empty: none
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

// newIngress makes an ingress that has no device yet. If it fails, what was made is let
// go of before its pins are removed: that takes descriptors, and the lack of
// them may be why.
func newIngress(spec *ebpf.CollectionSpec, name string, owner int, pins pins) (*ingress, error) {
	p := &ingress{pins: pins}
	p.record.Owner = uint32(owner)
	p.record.Name = interfaceName(name)
	if err := pins.make(); err != nil {
		return nil, err
	}
	for _, m := range p.maps() {
		made, err := pins.newMap(spec.Maps[m.name])
		if err != nil {
			return nil, errors.Join(err, p.release(), pins.remove())
		}
		*m.m = made
	}
	if err := p.write(); err != nil {
		return nil, errors.Join(err, p.release(), pins.remove())
	}
	return p, nil
}

// portMap is a map of an ingress, and where the ingress has it.
type portMap struct {
	name string
	m    **ebpf.Map
}

func (p *ingress) maps() []portMap {
	return []portMap{
		{bpf.CrossConnectsMapRecord, &p.recordMap},
		{bpf.CrossConnectsMapCrossConnectEgress, &p.egress},
		{bpf.CrossConnectsMapCrossConnectTraffic, &p.traffic},
	}
}

// replacements are the ingress's maps for a program to be loaded with.
func (p *ingress) replacements(control *ebpf.Map) map[string]*ebpf.Map {
	maps := map[string]*ebpf.Map{bpf.CrossConnectsMapControl: control}
	for _, m := range p.maps() {
		maps[m.name] = *m.m
	}
	return maps
}

// bind gives a program the maps of the ingress that it does not use, too: other
// processes find the ingress by them.
func (p *ingress) bind(program *ebpf.Program, control *ebpf.Map) error {
	for name, m := range p.replacements(control) {
		if err := program.BindMap(m); err != nil {
			return fmt.Errorf("bind map %s to the program of %s: %w", name, p.name(), err)
		}
	}
	return nil
}

func (p *ingress) name() string { return text(p.record.Name) }

// ifindex is 0 while the device is missing.
func (p *ingress) ifindex() int { return int(p.record.Ifindex) }

func (p *ingress) plan(generation int) *plan { return &p.record.Plans[generation] }

// isNew tells whether a generation wants what the other one does not.
func (p *ingress) isNew(generation int) bool {
	return isThere(p.plan(generation)) && !isSame(p.plan(generation), p.plan(1-generation))
}

func (p *ingress) write() error {
	p.changed = true
	if err := p.recordMap.Put(uint32(0), &p.record); err != nil {
		return fmt.Errorf("write the record of %s: %w", p.name(), err)
	}
	return nil
}

// send directs what enters in a generation: to an interface by a datapath, or,
// if there is no datapath, nowhere but on as it was. Where generic XDP is
// attached, it does what tc is to do: see standIn.
func (p *ingress) send(generation int, w leg) error {
	p.ways[generation] = w
	p.record.Egress[generation] = 0
	if w.datapath == TC {
		p.record.Egress[generation] = uint32(w.egress)
	}
	if w.datapath == XDP || w.datapath == XDPGeneric || w.datapath == TC && p.attached(XDPGeneric) != nil {
		if err := p.directXDP(generation, w.egress); err != nil {
			return err
		}
	} else if err := p.egress.Delete(uint32(generation)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("direct XDP of %s: %w", p.name(), err)
	}
	return p.write()
}

func (p *ingress) directXDP(generation, egress int) error {
	if err := p.egress.Put(uint32(generation), uint32(egress)); err != nil {
		return fmt.Errorf("direct XDP of %s: %w", p.name(), err)
	}
	return nil
}

// standIn makes XDP redirect what tc redirects now. A frame that generic XDP
// passes may lose its Ethernet header before tc redirects it: the copy that is
// made for XDP does not know how long that is (skb_pp_cow_data() in
// net/core/skbuff.c, seen on Linux 6.18).
func (p *ingress) standIn() error {
	var errs []error
	for generation, way := range p.ways {
		if way.datapath == TC {
			errs = append(errs, p.directXDP(generation, way.egress))
		}
	}
	return errors.Join(errs...)
}

// stop lets pass what enters in a generation.
func (p *ingress) stop(generation int) error {
	if p.ways[generation].datapath == "" {
		return nil
	}
	return p.send(generation, leg{})
}

// leads tells whether frames do go to an interface in a generation. The kernel
// forgets where XDP leads when that device goes, and it may be back with the
// same ifindex.
func (p *ingress) leads(generation, egress int) bool {
	way := p.ways[generation]
	if way.egress != egress || p.attached(way.datapath) == nil {
		return false
	}
	var ifindex uint32
	return way.datapath == TC || p.egress.Lookup(uint32(generation), &ifindex) == nil && int(ifindex) == egress
}

// remove ends the ingress: nothing of it stays, unless there is an error.
func (p *ingress) remove() error {
	if err := errors.Join(p.detach(&p.xdp), p.detach(&p.tc), p.pins.remove()); err != nil {
		return err
	}
	return p.release()
}

// release lets go of the ingress; what is pinned stays.
func (p *ingress) release() error {
	var errs []error
	for _, m := range p.maps() {
		if *m.m != nil {
			errs = append(errs, (*m.m).Close())
		}
	}
	for _, a := range []*attachment{p.xdp, p.tc} {
		if a != nil {
			errs = append(errs, a.release())
		}
	}
	return errors.Join(errs...)
}
