package crossconnect

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/probes"
)

// openIngress opens a kept ingress.
func openIngress(spec *ebpf.CollectionSpec, dir pins, links links) (*ingress, error) {
	p := &ingress{pins: dir}
	if err := p.open(spec, links); err != nil {
		return nil, errors.Join(err, p.release())
	}
	return p, nil
}

func (p *ingress) open(spec *ebpf.CollectionSpec, links links) error {
	if err := p.maps.open(spec, p.pins); err != nil {
		return err
	}
	if err := p.maps.record.Lookup(uint32(0), &p.record); err != nil {
		return fmt.Errorf("read the record in %s: %w", p.pins, err)
	}
	if err := p.attached.open(p.pins, p.ifindex()); err != nil {
		return err
	}
	return p.readLegs(links)
}

// readLegs finds where frames are directed.
func (p *ingress) readLegs(links links) error {
	for generation := range generations {
		var egress uint32
		d := TC
		if egress = p.record.Egress[generation]; egress == 0 {
			err := p.maps.egress.Lookup(uint32(generation), &egress)
			if errors.Is(err, ebpf.ErrKeyNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read where XDP of %s leads: %w", p.name(), err)
			}
			d = XDP
			if p.attached.xdp != nil && p.attached.xdp.hook == probes.HookXDPGeneric {
				d = XDPGeneric
			}
		}
		p.legs[generation] = leg{datapath: d, egress: int(egress), reason: p.reason(d, generation, links)}
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
