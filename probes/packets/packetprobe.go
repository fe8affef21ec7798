package packets

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// packetProbe counts on one interface.
type packetProbe struct {
	packets *Program
	ifindex int
	id      uint32 // in the tables, never used twice
	place   uint32 // in the table of interfaces
	block   uint16 // of counters
	flags   uint16 // of the table: interfaceEthernet
	isVeth  bool
	// isElsewhere: in another network namespace than ours.
	isElsewhere bool

	hook   probes.Hook // HookNone: received frames are not counted
	reason string      // why that hook
	// ingress is set if XDP redirects what enters, and counts it, too.
	ingress crossconnect.XDPIngress

	own      *ebpf.Collection // the program that does both
	programs []ebpf.ProgramID // ids of the programs that are attached to the interface
	links    []io.Closer
	yielded  bool // detached, to make room
	lost     bool // detached, by somebody else
}

// newProbe prepares the counting on an interface, which begins when it is attached to a
// hook. elsewhere is another network namespace that the interface is in, or 0.
func (p *Program) newProbe(l netlink.Link, elsewhere uint32) (*packetProbe, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	if elsewhere != 0 && p.elsewhere == mostElsewhere {
		return nil, fmt.Errorf("there are %d interfaces of other network namespaces: watch fewer with --netns", mostElsewhere)
	}
	id, err := p.takeID(elsewhere != 0)
	if err != nil {
		return nil, err
	}
	probe := &packetProbe{
		packets: p, ifindex: l.Attrs().Index, id: id, isVeth: l.Type() == "veth", isElsewhere: elsewhere != 0,
	}
	if factsOf(l).hasEthernet {
		probe.flags = interfaceEthernet
	}
	probe.block = p.counters.take()
	place, err := p.table.add(bpf.PacketsInterface{
		Ifindex: uint32(probe.ifindex), NetworkNamespace: cmp.Or(elsewhere, p.namespace),
		Id: probe.id, Block: probe.block, Flags: probe.flags,
	}, probe.isElsewhere)
	if err != nil {
		p.counters.give(probe.block)
		p.counters.others.takeBack(probe.id)
		return nil, err
	}
	probe.place = place
	if probe.isElsewhere {
		p.elsewhere++
	}
	return probe, nil
}

// takeID returns an id that has its rows among the rarer protocols.
func (p *Program) takeID(isElsewhere bool) (uint32, error) {
	next := func() uint32 {
		p.nextID++
		return p.nextID
	}
	if !isElsewhere {
		return p.counters.others.addOurs(next)
	}
	id := next()
	return id, p.counters.others.add(id)
}

// attach attaches at the first of hooks that the kernel grants; why says why that
// is preferred. It leaves where it was attached before. With an ingress, XDP counts
// and redirects there.
func (p *packetProbe) attach(hooks []probes.Hook, why string, ingress crossconnect.XDPIngress) error {
	if ingress != (crossconnect.XDPIngress{}) {
		return p.attachIngress(ingress)
	}
	if err := p.detach(); err != nil {
		return err
	}
	var refused refusals
	for _, at := range hooks {
		err := p.attachAt(at)
		if err == nil {
			p.reason = refused.reason(why)
			if at == probes.HookTracepoint && !p.packets.tracing.gathers {
				p.reason += "; before Linux 6.12 it reads no headers outside linear memory"
			}
			return nil
		}
		refused.add(at, err)
		if isLimit(err) {
			break // which keeps it from the others, too
		}
	}
	return errors.Join(refused...)
}

// attachAt attaches both ways, or not at all.
func (p *packetProbe) attachAt(at probes.Hook) error {
	if at == probes.HookTracepoint {
		if err := p.packets.trace(); err != nil {
			return err
		}
		p.count(at, interfaceTraceRX|interfaceTraceTX)
		return nil
	}
	if err := errFewFiles(); err != nil {
		return err
	}
	receive, err := p.packets.program(p.packets.entries.receive(at))
	if err != nil {
		return err
	}
	if err := p.keep(attach.Receive(at, receive, p.ifindex)); err != nil {
		return err
	}
	return p.attachSend(at, receive)
}

// attachSend counts sent frames by the tracepoint where it is attached anyway, else
// by tc.
func (p *packetProbe) attachSend(at probes.Hook, receive *ebpf.Program) error {
	if p.packets.traces() {
		p.programs = programIDs(receive)
		p.count(at, interfaceTraceTX)
		return nil
	}
	send, err := p.packets.program(p.packets.entries.tcSend)
	if err == nil {
		err = p.keep(attach.Send(at, send, p.ifindex))
	}
	if err != nil {
		return errors.Join(err, p.detach())
	}
	p.programs = programIDs(receive, send)
	p.count(at, 0)
	return nil
}

// attachIngress has XDP count what it redirects. That takes a program of its own, because
// the maps that say where frames go are those of the ingress. Another process may count
// already, and then the probe stays where it is.
func (p *packetProbe) attachIngress(ingress crossconnect.XDPIngress) error {
	replacements, err := ingress.Maps()
	if err != nil {
		return err
	}
	for name, m := range p.packets.shared {
		replacements[name] = m
	}
	name := p.packets.entries.xdpConnect
	spec := p.packets.spec.Copy()
	isNativeVeth := p.isVeth && ingress.Hook == probes.HookXDP
	err = errors.Join(
		spec.Variables[bpf.PacketsVarIsNativeVeth].Set(isNativeVeth),
		spec.Variables[bpf.PacketsVarVethSkbOffset].Set(kernel.VethSkbOffset()),
	)
	if err != nil {
		return fmt.Errorf("configure the packet program: %w", err)
	}
	own, err := loadPrograms(spec, replacements, ebpf.ProgramOptions{}, name)
	if err != nil {
		return err
	}
	watch, err := ingress.Watch(own.Programs[name])
	if err != nil {
		own.Close()
		return err
	}
	if err := p.detach(); err != nil {
		own.Close()
		return errors.Join(err, watch.Close())
	}
	p.own, p.ingress, p.reason = own, ingress, "cross-connected by XDP"
	p.links = append(p.links, watch)
	return p.attachSend(ingress.Hook, own.Programs[name])
}

// count says in the table which tracepoints count, and that the probe is at a hook.
func (p *packetProbe) count(at probes.Hook, traced uint16) {
	p.hook, p.yielded, p.lost = at, false, false
	if at == probes.HookXDP && p.isVeth {
		traced |= interfaceNativeVeth
	}
	p.packets.table.setFlags(p.place, p.flags|traced)
}

func (p *packetProbe) keep(link io.Closer, err error) error {
	if err == nil {
		p.links = append(p.links, link)
	}
	return err
}

// detach stops the counting; what was counted can still be read.
func (p *packetProbe) detach() error {
	p.count(probes.HookNone, 0)
	var errs []error
	for _, l := range p.links {
		errs = append(errs, l.Close())
	}
	p.links, p.programs, p.ingress = nil, nil, crossconnect.XDPIngress{}
	if p.own != nil {
		p.own.Close()
		p.own = nil
	}
	return errors.Join(errs...)
}

// leave detaches for good; what was counted can still be read, until forget.
func (p *packetProbe) leave() error {
	err := p.detach()
	p.packets.table.remove(p.place)
	return err
}

// forget gives back the place of what was counted.
func (p *packetProbe) forget() {
	if p.isElsewhere {
		p.packets.elsewhere--
	}
	p.packets.counters.give(p.block)
	p.packets.counters.others.remove(p.id)
}

// isStale tells whether the probe must be attached again, because it is not (or no
// longer) where frames pass.
func (p *packetProbe) isStale(ingress crossconnect.XDPIngress) bool {
	return p.yielded || p.lost || p.ingress != ingress
}

// isLost tells whether a program of the probe is no longer on the interface. If that
// cannot be asked, it returns false.
func (p *packetProbe) isLost() bool {
	return slices.ContainsFunc(p.links, func(l io.Closer) bool {
		attached, err := attach.IsAttached(l, p.ifindex)
		return err == nil && !attached
	})
}

// yieldXDP makes room for another XDP program of ours. It says whether there was one
// of ours that could give way.
func (p *packetProbe) yieldXDP() bool {
	if !isXDP(p.hook) {
		return false
	}
	err := p.detach()
	p.yielded = true
	return err == nil
}

// programIDs returns the ids of programs.
func programIDs(programs ...*ebpf.Program) []ebpf.ProgramID {
	var ids []ebpf.ProgramID
	for _, program := range programs {
		info, err := program.Info()
		if err != nil {
			continue // an unknown number hides nothing of others
		}
		if id, ok := info.ID(); ok {
			ids = append(ids, id)
		}
	}
	return ids
}
