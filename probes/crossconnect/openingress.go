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
		d, egress, err := p.readLeg(generation)
		if err != nil {
			return fmt.Errorf("read where frames of %s go: %w", p.name(), err)
		}
		if egress == 0 {
			continue
		}
		p.legs[generation] = leg{datapath: d, egress: egress, reason: p.reason(d, generation, links)}
	}
	return nil
}

// readLeg finds the datapath and the device of a generation, 0 if there is none.
func (p *ingress) readLeg(generation int) (d Datapath, egress int, err error) {
	home, err := p.maps.devices.isHome()
	if err != nil || !home {
		return "", 0, err
	}
	// First tc: where that redirects, generic XDP may stand in for it.
	if egress, err = p.maps.devices.get(TC, generation); err != nil || egress != 0 {
		return TC, egress, err
	}
	d = XDP
	if p.attached.xdp != nil && p.attached.xdp.hook == probes.HookXDPGeneric {
		d = XDPGeneric
	}
	egress, err = p.maps.devices.get(XDP, generation)
	return d, egress, err
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
