package crossconnect

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/hook"
)

// port is an interface as an ingress: its record and counters in the kernel,
// and the program that redirects what enters. It can be there without its
// device, and waits for it then.
type port struct {
	pins    pins // of the port, none if it ends with the process
	record  bpf.CrossConnectsCrossConnect
	ifindex int  // 0: the device is missing
	isBare  bool // its frames have no Ethernet header

	here, egress, traffic *ebpf.Map

	ways [generations]way
	// What is attached: while a trial lasts, one generation may need XDP and
	// the other one tc.
	xdp, tc *attachment

	past pastTraffic
}

// way is what a port does in one generation.
type way struct {
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

// attachment is a program on a hook of a port.
type attachment struct {
	hook hook.Hook
	link io.Closer
}

// newPort makes a port that has no device yet.
func newPort(spec *ebpf.CollectionSpec, name string, owner int, pins pins) (*port, error) {
	p := &port{pins: pins}
	p.record.Owner = uint32(owner)
	p.record.Name = interfaceName(name)
	if err := pins.make(); err != nil {
		return nil, err
	}
	for _, m := range p.maps() {
		made, err := pins.newMap(spec.Maps[m.name])
		if err != nil {
			return nil, errors.Join(err, p.remove())
		}
		*m.m = made
	}
	if err := p.write(); err != nil {
		return nil, errors.Join(err, p.remove())
	}
	return p, nil
}

// portMap is a map of a port, and where the port has it.
type portMap struct {
	name string
	m    **ebpf.Map
}

func (p *port) maps() []portMap {
	return []portMap{
		{bpf.CrossConnectsMapCrossConnects, &p.here},
		{bpf.CrossConnectsMapCrossConnectEgress, &p.egress},
		{bpf.CrossConnectsMapCrossConnectTraffic, &p.traffic},
	}
}

// replacements are the port's maps for a program to be loaded with.
func (p *port) replacements(control *ebpf.Map) map[string]*ebpf.Map {
	maps := map[string]*ebpf.Map{bpf.CrossConnectsMapCrossConnectControl: control}
	for _, m := range p.maps() {
		maps[m.name] = *m.m
	}
	return maps
}

func (p *port) name() string { return text(p.record.Name) }

func (p *port) plan(generation int) *plan { return &p.record.Plans[generation] }

func (p *port) write() error {
	if err := p.here.Put(uint32(0), &p.record); err != nil {
		return fmt.Errorf("write the record of %s: %w", p.name(), err)
	}
	return nil
}

// send directs what enters in a generation: to an interface by a datapath, or,
// if there is no datapath, nowhere but on as it was.
func (p *port) send(generation int, w way) error {
	p.ways[generation] = w
	p.record.Egress[generation] = 0
	if w.datapath == TC {
		p.record.Egress[generation] = uint32(w.egress)
	}
	if w.datapath == XDP || w.datapath == XDPGeneric {
		if err := p.egress.Put(uint32(generation), uint32(w.egress)); err != nil {
			return fmt.Errorf("direct XDP of %s: %w", p.name(), err)
		}
	} else if err := p.egress.Delete(uint32(generation)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("direct XDP of %s: %w", p.name(), err)
	}
	return p.write()
}

// attached is what serves a datapath, nil if nothing does.
func (p *port) attached(d Datapath) *attachment {
	switch {
	case d == TC:
		return p.tc
	case p.xdp != nil && (d == XDP) == (p.xdp.hook == hook.XDP):
		return p.xdp
	}
	return nil
}

// attach puts a program that was loaded for a datapath on the device. What is
// attached already stays.
func (p *port) attach(program *ebpf.Program, d Datapath, device netlink.Link) (err error) {
	ifindex := device.Attrs().Index
	switch {
	case p.attached(d) != nil:
		return nil
	case d == TC:
		p.tc, err = p.attachTC(program, ifindex)
	default:
		// One XDP program fits on an interface, of one mode.
		if err := p.detach(&p.xdp); err != nil {
			return err
		}
		at := hook.XDP
		if d == XDPGeneric {
			at = hook.XDPGeneric
		}
		p.xdp, err = p.attachXDP(program, at, ifindex)
	}
	if err == nil {
		p.ifindex = ifindex
	}
	return err
}

func (p *port) attachXDP(program *ebpf.Program, at hook.Hook, ifindex int) (*attachment, error) {
	made, err := hook.Receive(at, program, ifindex)
	if err != nil {
		return nil, err
	}
	return p.pin(&attachment{hook: at, link: made})
}

// attachTC attaches behind all other programs of the hook: those of ebpftop
// that count come first, and what others filter out is not redirected.
func (p *port) attachTC(program *ebpf.Program, ifindex int) (*attachment, error) {
	made, err := hook.LastTCX(program, ifindex)
	if err == nil {
		return p.pin(&attachment{hook: hook.TC, link: made})
	}
	if !errors.Is(err, ebpf.ErrNotSupported) {
		return nil, err
	}
	made, err = hook.AddFilter(program, ifindex, hook.Ingress, hook.LastPriority, p.filterName())
	if err != nil {
		return nil, err
	}
	return &attachment{hook: hook.Clsact, link: made}, nil
}

// filterName tells at the next start whether the filter is to stay.
func (p *port) filterName() string {
	if p.record.Owner == 0 {
		return hook.KeptFilter
	}
	return hook.ConnectFilter()
}

// pin keeps a link if the port is kept.
func (p *port) pin(a *attachment) (*attachment, error) {
	if err := p.pins.keep(linkPin(a.hook), a.link); err != nil {
		return nil, errors.Join(err, a.link.Close())
	}
	return a, nil
}

// detach ends an attachment for good, pinned or not.
func (p *port) detach(a **attachment) error {
	if *a == nil {
		return nil
	}
	old := *a
	*a = nil
	return errors.Join(p.pins.drop(linkPin(old.hook)), old.link.Close())
}

// linkPin is the name of a link's pin.
func linkPin(at hook.Hook) string {
	switch at {
	case hook.XDP:
		return "link-xdp"
	case hook.XDPGeneric:
		return "link-xdp-generic"
	}
	return "link-tc"
}

// lose forgets a device that is gone, and what was attached to it.
func (p *port) lose() error {
	errs := []error{p.detach(&p.xdp), p.detach(&p.tc)}
	p.ifindex = 0
	for generation := range generations {
		errs = append(errs, p.send(generation, way{}))
	}
	return errors.Join(errs...)
}

// readTraffic is what was redirected so far.
func (p *port) readTraffic() (bpf.CrossConnectsTraffic, error) {
	sum, err := sumTraffic(p.traffic)
	if err != nil {
		return sum, fmt.Errorf("read the counters of %s: %w", p.name(), err)
	}
	return sum, nil
}

// remove ends the port: nothing of it stays.
func (p *port) remove() error {
	return errors.Join(p.detach(&p.xdp), p.detach(&p.tc), p.release(), p.pins.remove())
}

// release lets go of the port; what is pinned stays.
func (p *port) release() error {
	var errs []error
	for _, m := range p.maps() {
		if *m.m != nil {
			errs = append(errs, (*m.m).Close())
		}
	}
	if p.pins == "" {
		return errors.Join(errs...)
	}
	for _, a := range []*attachment{p.xdp, p.tc} {
		if a != nil && a.hook != hook.Clsact { // a kept filter needs nobody
			errs = append(errs, a.link.Close())
		}
	}
	return errors.Join(errs...)
}
