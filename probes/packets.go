package probes

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/functions"
	"github.com/ebpftop/ebpftop/probes/hook"
	"github.com/ebpftop/ebpftop/probes/kernelbtf"
)

// packets owns the packet program: what its copies share (the connection
// tables), and the making of a copy for each interface. A copy of its own
// spares every packet the question which interface it is on.
type packets struct {
	spec    *ebpf.CollectionSpec
	entries entries
	shared  map[string]*ebpf.Map
	nextID  uint32
}

// entries are the packet program's names at each hook.
type entries struct {
	xdp, xdpConnect string // the latter where XDP cross-connects, too
	tc, tcSend      string
}

var (
	connectionEntries = entries{
		bpf.PacketsProgXdpRx, bpf.PacketsProgXdpConnect, bpf.PacketsProgTcRx, bpf.PacketsProgTcTx,
	}
	protocolEntries = entries{
		bpf.PacketsProgProtoXdpRx, bpf.PacketsProgProtoConnect, bpf.PacketsProgProtoTcRx, bpf.PacketsProgProtoTcTx,
	}
)

// receive is the entry of a tap.
func (e entries) receive(t *tap) string {
	switch {
	case !isXDP(t.hook):
		return e.tc
	case t.isConnected():
		return e.xdpConnect
	default:
		return e.xdp
	}
}

func isXDP(at Hook) bool { return at == HookXDP || at == HookXDPGeneric }

// sharedMaps are the maps that all interfaces use together.
var sharedMaps = []string{
	bpf.PacketsMapConnections4, bpf.PacketsMapConnections6,
	bpf.PacketsMapConnectionEvents, bpf.PacketsMapConnectionTotals,
	bpf.PacketsMapConnectionSlots,
	// Of no use where XDP does not cross-connect, which is almost everywhere;
	// where it does, the cross-connect's own take their place.
	bpf.PacketsMapPort, bpf.PacketsMapControl,
	bpf.PacketsMapCrossConnectEgress, bpf.PacketsMapCrossConnectTraffic,
}

// newPackets makes the shared maps. maxConnections is for each of IPv4 and
// IPv6; ports, if any, are the local ports to which tracking is narrowed.
func newPackets(maxConnections uint32, ports []uint16) (*packets, error) {
	spec, err := bpf.LoadPackets()
	if err != nil {
		return nil, fmt.Errorf("read the packet program: %w", err)
	}
	spec.Maps[bpf.PacketsMapConnections4].MaxEntries = maxConnections
	spec.Maps[bpf.PacketsMapConnections6].MaxEntries = maxConnections
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	spec.Maps[bpf.PacketsMapProtocols].MaxEntries = uint32(cpus)
	if err := configure(spec, ports); err != nil {
		return nil, fmt.Errorf("configure the packet program: %w", err)
	}
	p := &packets{spec: spec, entries: connectionEntries, shared: make(map[string]*ebpf.Map)}
	for _, name := range sharedMaps {
		m, err := ebpf.NewMap(spec.Maps[name])
		if err != nil {
			return nil, errors.Join(fmt.Errorf("create map %s: %w", name, err), p.Close())
		}
		p.shared[name] = m
	}
	return p, nil
}

// configure sets what is the same for all interfaces.
func configure(spec *ebpf.CollectionSpec, ports []uint16) error {
	var bitmap [65536 / 8]uint8
	for _, port := range ports {
		bitmap[port>>3] |= 1 << (port & 7)
	}
	bpf.NameVariables(spec)
	functions.Settle(spec)
	frags := hasHelper(asm.FnXdpGetBuffLen)
	if frags {
		const xdpHasFrags = 1 << 5 // BPF_F_XDP_HAS_FRAGS in linux/bpf.h
		for _, program := range spec.Programs {
			if program.Type == ebpf.XDP {
				program.Flags |= xdpHasFrags
			}
		}
	}
	return errors.Join(
		spec.Variables[bpf.PacketsVarHasXdpFrags].Set(frags),
		spec.Variables[bpf.PacketsVarFilterPorts].Set(len(ports) > 0),
		spec.Variables[bpf.PacketsVarLocalPorts].Set(bitmap),
	)
}

// leaveOutConnections has copies loaded from now on count protocols only.
func (p *packets) leaveOutConnections() { p.entries = protocolEntries }

func hasHelper(helper asm.BuiltinFunc) bool {
	return features.HaveProgramHelper(ebpf.XDP, helper) == nil
}

// Close frees the shared maps.
func (p *packets) Close() error {
	var errs []error
	for _, m := range p.shared {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// tap is the packet program on one interface.
type tap struct {
	id     uint32 // interface id in the connection tables, never used twice
	hook   Hook
	reason string // why that hook

	// port is where XDP redirects what enters: the program does that, too.
	port crossconnect.XDPPort
	// old is the tap that it takes the place of, until it has.
	old *tap

	collection *ebpf.Collection
	counts     counts
	programs   []ebpf.ProgramID // the kernel's numbers of them
	links      []io.Closer
	yielded    bool // detached, to make room
	lost       bool // of the interface, by somebody else's doing
}

// placement is an interface that the packet program is to go to.
type placement struct {
	link   netlink.Link
	hooks  []Hook // to try, in this order
	reason string // why the first of them
	port   crossconnect.XDPPort
	old    *tap  // that it takes the place of, counting on in its maps
	tap    *tap  // the outcome
	err    error // why that is no new one: it is the old one, or none
}

// place puts the packet program on interfaces, on each at the first hook that
// the kernel grants. Verifying a copy takes tens of milliseconds, so all CPUs
// do it; attaching takes as long, but only waits, so it goes on meanwhile. It is
// for the caller's thread, whose network namespace counts.
func (p *packets) place(placements []*placement) {
	types := kernelbtf.Cache()
	defer runtime.KeepAlive(types)
	for _, pl := range placements {
		pl.tap = p.newTap(pl, pl.hooks[0])
	}
	for pl := range p.load(placements) {
		p.settle(pl)
	}
}

// load loads the placements' taps, and delivers each that it is done with.
func (p *packets) load(placements []*placement) <-chan *placement {
	loaded := make(chan *placement, len(placements)) // none waits to be attached
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	go func() {
		defer close(loaded)
		for _, pl := range placements {
			group.Go(func() error {
				pl.err = pl.tap.load(p, pl.link)
				loaded <- pl
				return nil
			})
		}
		_ = group.Wait() // errors are the placements'
	}()
	return loaded
}

// settle attaches what is loaded.
func (p *packets) settle(pl *placement) {
	if pl.err == nil {
		pl.err = p.attach(pl)
	}
	if pl.err != nil {
		// With the old one, what was counted so far is not forgotten.
		pl.err = errors.Join(pl.err, pl.tap.Close())
		pl.tap = pl.old
	} else if pl.old != nil {
		pl.err = pl.old.Close()
		pl.tap.old = nil
	}
}

// attach tries the hooks one after the other. The same copy serves XDP native
// and generic, and one serves tcx and clsact.
func (p *packets) attach(pl *placement) error {
	var refused refusals
	for _, at := range pl.hooks {
		if isXDP(at) != isXDP(pl.tap.hook) {
			err := pl.tap.Close()
			pl.tap = p.newTap(pl, at)
			if err := errors.Join(err, pl.tap.load(p, pl.link)); err != nil {
				return err
			}
		}
		err := pl.tap.attach(p.entries, at, pl.link.Attrs().Index)
		if err == nil {
			pl.tap.reason = refused.reason(pl.reason)
			return nil
		}
		refused.add(at, err)
	}
	return errors.Join(refused...)
}

func (p *packets) newTap(pl *placement, at Hook) *tap {
	t := &tap{hook: at, port: pl.port, old: pl.old}
	if pl.old != nil {
		t.id = pl.old.id // its connections go on, too
	} else {
		p.nextID++
		t.id = p.nextID
	}
	return t
}

// attach attaches at a hook both ways, or not at all.
func (t *tap) attach(e entries, at Hook, ifindex int) error {
	if err := t.attachReceive(t.collection.Programs[e.receive(t)], at, ifindex); err != nil {
		return err
	}
	send := t.collection.Programs[e.tcSend]
	if err := t.keep(hook.Send(at, send, ifindex)); err != nil {
		return errors.Join(err, t.detach())
	}
	t.hook = at
	return nil
}

// attachReceive takes the place of the old tap. Where XDP cross-connects, another
// process may count already, and then the old one stays where it is.
func (t *tap) attachReceive(program *ebpf.Program, at Hook, ifindex int) error {
	if t.isConnected() {
		if err := t.keep(t.port.Watch(program)); err != nil {
			return err
		}
		return t.old.detach()
	}
	if err := t.old.detach(); err != nil {
		return err
	}
	return t.keep(hook.Receive(at, program, ifindex))
}

// isConnected tells that XDP sends what enters on by another interface.
func (t *tap) isConnected() bool { return t.port != (crossconnect.XDPPort{}) }

func (t *tap) keep(link io.Closer, err error) error {
	if err == nil {
		t.links = append(t.links, link)
	}
	return err
}

// counterMaps are the maps of one interface that count.
var counterMaps = []string{
	bpf.PacketsMapProtocols, bpf.PacketsMapEthertypes,
}

// replacements are the maps that are there already.
func (t *tap) replacements(p *packets) (map[string]*ebpf.Map, error) {
	replacements := maps.Clone(p.shared)
	if t.old != nil {
		for _, name := range counterMaps {
			replacements[name] = t.old.collection.Maps[name]
		}
	}
	if !t.isConnected() {
		return replacements, nil
	}
	connected, err := t.port.Maps()
	maps.Copy(replacements, connected)
	return replacements, err
}

// load makes the interface's own copy of program and counters.
func (t *tap) load(p *packets, l netlink.Link) error {
	receive, send := p.entries.receive(t), p.entries.tcSend
	wanted := *p.spec
	wanted.Programs = map[string]*ebpf.ProgramSpec{
		receive: p.spec.Programs[receive], send: p.spec.Programs[send],
	}
	spec := wanted.Copy()
	facts := factsOf(l, false)
	err := errors.Join(
		spec.Variables[bpf.PacketsVarInterfaceId].Set(t.id),
		spec.Variables[bpf.PacketsVarHasEthernet].Set(facts.hasEthernet),
	)
	if err != nil {
		return fmt.Errorf("configure the packet program: %w", err)
	}
	replacements, err := t.replacements(p)
	if err != nil {
		return err
	}
	t.collection, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: replacements,
		Cache:           kernelbtf.Cache(),
	})
	if err != nil {
		return fmt.Errorf("load the packet program: %w", err)
	}
	t.programs = programIDs(t.collection)
	if t.counts, err = mapCounts(t.collection.Maps[bpf.PacketsMapProtocols]); err != nil {
		return err
	}
	if t.old != nil {
		return nil
	}
	return t.makeOtherRows()
}

// makeOtherRows makes the rows that count ethertypes for which the table has
// no room: the program must not need room to count them.
func (t *tap) makeOtherRows() error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	zero := make([]bpf.PacketsTraffic, cpus)
	for direction := range directions {
		key := ethertypeKey(direction, ethertypeOther)
		if err := t.collection.Maps[bpf.PacketsMapEthertypes].Put(key, zero); err != nil {
			return fmt.Errorf("prepare map ethertypes: %w", err)
		}
	}
	return nil
}

// Close detaches the program and frees its maps.
func (t *tap) Close() error {
	err := errors.Join(t.detach(), t.counts.close())
	if t.collection != nil {
		t.collection.Close()
	}
	return err
}

func (t *tap) detach() error {
	if t == nil {
		return nil
	}
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	t.links = nil
	return errors.Join(errs...)
}

// programIDs are the kernel's numbers of programs.
func programIDs(c *ebpf.Collection) []ebpf.ProgramID {
	var ids []ebpf.ProgramID
	for _, program := range c.Programs {
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
