package crossconnect

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// opener opens kept ingresses.
type opener struct {
	spec  *ebpf.CollectionSpec
	links links
}

// open opens the ingress that is pinned in a directory.
func (o *opener) open(dir pins) (*ingress, error) {
	p := &ingress{pins: dir}
	if err := o.fill(p); err != nil {
		return nil, errors.Join(err, p.release())
	}
	return p, nil
}

// fill opens what the ingress has in its pins.
func (o *opener) fill(p *ingress) error {
	if err := p.maps.open(o.spec, p.pins); err != nil {
		return err
	}
	if err := p.maps.record.Lookup(uint32(0), &p.record); err != nil {
		return fmt.Errorf("read the record in %s: %w", p.pins, err)
	}
	if err := p.attached.open(p.pins, p.ifindex()); err != nil {
		return err
	}
	if device := o.links[p.name()]; device != nil {
		p.isOf(describe(device))
	}
	return o.readLegs(p)
}

// readLegs finds where frames are directed.
func (o *opener) readLegs(p *ingress) error {
	for generation := range generations {
		d, egress, err := p.maps.devices.leg(generation)
		if err != nil {
			return fmt.Errorf("read where frames of %s go: %w", p.name(), err)
		}
		if egress == 0 {
			continue
		}
		if d == XDP {
			d = p.attached.xdpDatapath()
		}
		p.legs[generation] = leg{datapath: d, egress: egress, reason: o.reason(p, d, generation)}
	}
	return nil
}

// reason says why a kept ingress has its datapath: as it would be chosen now, if
// the choice were the same.
func (o *opener) reason(p *ingress, d Datapath, generation int) string {
	const unknown = "as it was connected"
	ingress, egress := o.links[p.name()], o.links[text(p.plan(generation).Peer)]
	if ingress == nil || egress == nil {
		return unknown
	}
	from, errFrom := deviceOf(ingress)
	to, errTo := deviceOf(egress)
	from.foreignXDP = false // it is ours
	try, reason, err := datapathsToTry(datapathOf(p.plan(generation).Requested), from, to)
	if errors.Join(errFrom, errTo, err) != nil || try[0] != d {
		return unknown
	}
	return reason
}
