// Package packets counts frames by interface, protocol and connection.
package packets

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/names"
)

// Program is the packet program, which serves all interfaces: its maps, and a program for
// each hook, which is loaded when it is first attached.
type Program struct {
	spec      *ebpf.CollectionSpec
	entries   entries
	shared    map[string]*ebpf.Map
	programs  map[string]*ebpf.Program
	namespace uint32 // that programs were loaded for

	table    *interfaceTable
	counters *counters
	nextID   uint32
	// elsewhere is how many probes there are in other network namespaces, up to mostElsewhere.
	elsewhere int

	tracingBegun atomic.Bool
	tracingOnce  sync.Once // within which the next two are written
	tracing      *tracing  // nil: not attached
	tracingErr   error     // why it cannot be
}

// entries are the packet program's names at each hook.
type entries struct {
	xdp, xdpConnect string // the latter where XDP cross-connects, too
	tc, tcSend      string
	trace, copy     tracedEntries
}

var (
	connectionEntries = entries{
		bpf.PacketsProgXdpRx, bpf.PacketsProgXdpConnect, bpf.PacketsProgTcRx, bpf.PacketsProgTcTx,
		tracedEntries{bpf.PacketsProgTraceRx, bpf.PacketsProgTraceTx, bpf.PacketsProgTraceBusy},
		tracedEntries{bpf.PacketsProgCopyRx, bpf.PacketsProgCopyTx, bpf.PacketsProgCopyBusy},
	}
	protocolEntries = entries{
		bpf.PacketsProgProtoXdpRx, bpf.PacketsProgProtoConnect, bpf.PacketsProgProtoTcRx, bpf.PacketsProgProtoTcTx,
		tracedEntries{bpf.PacketsProgProtoTraceRx, bpf.PacketsProgProtoTraceTx, bpf.PacketsProgProtoTraceBusy},
		tracedEntries{bpf.PacketsProgProtoCopyRx, bpf.PacketsProgProtoCopyTx, bpf.PacketsProgProtoCopyBusy},
	}
)

// receive is the entry for received frames at a hook.
func (e entries) receive(at probes.Hook) string {
	if isXDP(at) {
		return e.xdp
	}
	return e.tc
}

func isXDP(at probes.Hook) bool { return at == probes.HookXDP || at == probes.HookXDPGeneric }

// Options says what the packet program is made for.
type Options struct {
	// Interfaces is how many there are. Some more than these have counters in memory; what
	// comes then counts in a table, which takes longer.
	Interfaces int
	Namespace  uint32 // the network namespace; 0: that of the first probe's thread
	// MaxConnections bounds the table of each of IPv4 and IPv6, at least 1. It does not
	// matter with ProtocolsOnly, which tracks none.
	MaxConnections uint32
	Ports          []uint16 // the local ports to which tracking is narrowed; none: all
	ProtocolsOnly  bool
}

// New makes the maps. It fails if MaxConnections is 0 and connections are to be tracked.
func New(o Options) (p *Program, err error) {
	if o.ProtocolsOnly {
		o.MaxConnections = 1 // there must be a table, of at least a row
	}
	if o.MaxConnections == 0 {
		return nil, errors.New("no room for connections: use a MaxConnections of at least 1, or ProtocolsOnly")
	}
	spec, err := bpf.LoadPackets()
	if err != nil {
		return nil, fmt.Errorf("read the packet program: %w", err)
	}
	p = &Program{
		spec: spec, entries: connectionEntries,
		shared: make(map[string]*ebpf.Map), programs: make(map[string]*ebpf.Program),
		namespace: o.Namespace,
	}
	if o.ProtocolsOnly {
		p.entries = protocolEntries
	}
	if err := p.configure(o); err != nil {
		return nil, fmt.Errorf("configure the packet program: %w", err)
	}
	if err := p.makeMaps(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// configure sets what is known before any interface is watched.
func (p *Program) configure(o Options) error {
	spec := p.spec
	cpus, err := presentCPUs()
	if err != nil {
		return err
	}
	places := tablePlaces(o.Interfaces)
	spec.Maps[bpf.PacketsMapConnections4].MaxEntries = o.MaxConnections
	spec.Maps[bpf.PacketsMapConnections6].MaxEntries = o.MaxConnections
	spec.Maps[bpf.PacketsMapInterfaces].MaxEntries = places
	spec.Maps[bpf.PacketsMapProtocols].MaxEntries = uint32(blocks(o.Interfaces) * cpus)
	var bitmap [65536 / 8]uint8
	for _, port := range o.Ports {
		bitmap[port>>3] |= 1 << (port & 7)
	}
	bpf.NameVariables(spec)
	frags := features.HaveProgramHelper(ebpf.XDP, asm.FnXdpGetBuffLen) == nil
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
		spec.Variables[bpf.PacketsVarVethSkbOffset].Set(kernel.VethSkbOffset()),
		spec.Variables[bpf.PacketsVarFilterPorts].Set(len(o.Ports) > 0),
		spec.Variables[bpf.PacketsVarLocalPorts].Set(bitmap),
		spec.Variables[bpf.PacketsVarInterfacesMask].Set(places/2-1),
		spec.Variables[bpf.PacketsVarNetworkNamespace].Set(o.Namespace),
		spec.Variables[bpf.PacketsVarProtocolCpus].Set(uint32(cpus)),
		spec.Variables[bpf.PacketsVarProtocolSlots].Set(protocolSlotsByNumber()),
		spec.Variables[bpf.PacketsVarNamedEthertypes].Set(names.NamedEthertypes()),
	)
}

// sharedMaps are the maps that all programs use together.
var sharedMaps = []string{
	bpf.PacketsMapInterfaces, bpf.PacketsMapProtocols, bpf.PacketsMapOthers, bpf.PacketsMapScatteredHeaders,
	bpf.PacketsMapConnections4, bpf.PacketsMapConnections6,
	bpf.PacketsMapConnectionEvents, bpf.PacketsMapConnectionTotals,
	bpf.PacketsMapConnectionSlots,
}

func (p *Program) makeMaps() error {
	for _, name := range sharedMaps {
		m, err := ebpf.NewMap(p.spec.Maps[name])
		if err != nil {
			return fmt.Errorf("create map %s: %w", name, err)
		}
		p.shared[name] = m
	}
	var err error
	if p.table, err = newInterfaceTable(p.shared[bpf.PacketsMapInterfaces]); err != nil {
		return err
	}
	p.table.namespace = p.namespace
	cpus, err := presentCPUs()
	if err != nil {
		return err
	}
	p.counters, err = newCounters(p.shared[bpf.PacketsMapProtocols], p.shared[bpf.PacketsMapOthers], cpus)
	return err
}

// Close detaches the tracepoints, and frees programs and maps.
func (p *Program) Close() error {
	var errs []error
	p.tracingOnce.Do(func() {}) // or else waits until it is attached
	if p.tracing != nil {
		errs = append(errs, p.tracing.Close())
	}
	for _, program := range p.programs {
		errs = append(errs, program.Close())
	}
	if p.table != nil {
		errs = append(errs, p.table.Close())
	}
	if p.counters != nil {
		errs = append(errs, p.counters.Close())
	}
	for _, m := range p.shared {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// enter has programs loaded from now on count in the network namespace that the
// calling thread is in.
func (p *Program) enter() error {
	if p.namespace != 0 {
		return nil
	}
	inode, err := kernel.NetworkNamespace()
	if err != nil {
		return err
	}
	p.namespace, p.table.namespace = inode, inode
	return p.spec.Variables[bpf.PacketsVarNetworkNamespace].Set(inode)
}

// program returns a program of that name. It loads it if it is the first to ask.
func (p *Program) program(name string) (*ebpf.Program, error) {
	if program := p.programs[name]; program != nil {
		return program, nil
	}
	collection, err := loadPrograms(p.spec, p.shared, ebpf.ProgramOptions{}, name)
	if err != nil {
		return nil, err
	}
	defer collection.Close()
	p.programs[name] = collection.DetachProgram(name)
	return p.programs[name], nil
}

// loadPrograms loads the named programs of spec. It uses the maps in replacements, and
// makes all others.
func loadPrograms(spec *ebpf.CollectionSpec, replacements map[string]*ebpf.Map, options ebpf.ProgramOptions, names ...string) (*ebpf.Collection, error) {
	wanted := *spec
	wanted.Programs = make(map[string]*ebpf.ProgramSpec)
	for _, name := range names {
		wanted.Programs[name] = spec.Programs[name]
	}
	collection, err := kernel.Load(wanted.Copy(), maps.Clone(replacements), options)
	if err != nil {
		return nil, fmt.Errorf("load the packet program: %w", err)
	}
	return collection, nil
}
