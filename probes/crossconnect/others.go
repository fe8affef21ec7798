package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/hook"
)

// LookAt tells what a program is. Asking the kernel for a program by its number
// takes CAP_SYS_ADMIN; a process without can have another ask, and return its
// answer. A program that must not be looked at is an os.ErrPermission.
type LookAt func(ebpf.ProgramID) (Program, error)

// Program is what can be told of a program in the kernel.
type Program struct {
	Name string
	Port *Port // that it serves, nil if it is none of ours
}

// Port is a port of any wiring, found by its program. Nobody has to announce
// what he connects: the kernel tells, and cannot be wrong.
type Port struct {
	Record  bpf.CrossConnectsCrossConnect
	Control ebpf.MapID // of the control word: the same one for all of a wiring
	Current word
	Egress  [generations]uint32 // of XDP: ifindexes
	Traffic Traffic
}

// found is a port on a device.
type found struct {
	Port
	datapath Datapath
}

// findPorts finds the ports on a device: none, one, or while a trial lasts two.
func findPorts(device netlink.Link, lookAt LookAt) ([]found, error) {
	programs, err := programsOn(device)
	if err != nil {
		return nil, err
	}
	var ports []found
	for id, d := range programs {
		program, err := lookAt(id)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			continue // gone meanwhile, or not for us to look at
		}
		if err != nil {
			return nil, fmt.Errorf("look at program %d on %s: %w", id, device.Attrs().Name, err)
		}
		if program.Port != nil {
			ports = append(ports, found{Port: *program.Port, datapath: d})
		}
	}
	return ports, nil
}

// programsOn lists the programs for received frames.
func programsOn(device netlink.Link) (map[ebpf.ProgramID]Datapath, error) {
	programs := make(map[ebpf.ProgramID]Datapath)
	attrs := device.Attrs()
	if xdp := attrs.Xdp; xdp != nil && xdp.Attached {
		const attachedGeneric = 2 // XDP_ATTACHED_SKB in linux/if_link.h
		programs[ebpf.ProgramID(xdp.ProgId)] = XDP
		if xdp.AttachMode == attachedGeneric {
			programs[ebpf.ProgramID(xdp.ProgId)] = XDPGeneric
		}
	}
	// No tcx before Linux 6.6, and nothing on it if this fails.
	if result, err := link.QueryPrograms(link.QueryOptions{Target: attrs.Index, Attach: ebpf.AttachTCXIngress}); err == nil {
		for _, program := range result.Programs {
			programs[program.ID] = TC
		}
	}
	filters, err := hook.ListFilters(attrs.Index, hook.Ingress)
	if err != nil {
		return nil, err
	}
	for _, filter := range filters {
		if bpf, ok := filter.(*netlink.BpfFilter); ok {
			programs[ebpf.ProgramID(bpf.Id)] = TC
		}
	}
	return programs, nil
}

// LookAtProgram asks the kernel. It is a LookAt.
func LookAtProgram(id ebpf.ProgramID) (Program, error) {
	program, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return Program{}, err
	}
	defer program.Close()
	info, err := program.Info()
	if err != nil {
		return Program{}, err
	}
	port, err := portOf(info)
	return Program{Name: info.Name, Port: port}, err
}

// portOf reads the port that a program serves, by its maps; nil if it serves
// none.
func portOf(program *ebpf.ProgramInfo) (*Port, error) {
	maps, _ := program.MapIDs() // without them, it is not ours
	p, known := new(Port), make(map[string]bool)
	for _, id := range maps {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return nil, err
		}
		name, err := p.read(m)
		if err := errors.Join(err, m.Close()); err != nil {
			return nil, err
		}
		known[name] = true
	}
	delete(known, "")
	if len(known) < 4 || p.Record.Name[0] == 0 {
		return nil, nil
	}
	return p, nil
}

// read reads one map of a port, and says which that is: none if the map is not
// one of ours. Anybody may call his maps what we call ours, so they must have
// the shape, too.
func (p *Port) read(m *ebpf.Map) (name string, err error) {
	info, err := m.Info()
	if err != nil {
		return "", err
	}
	is := func(of string, kind ebpf.MapType, size uintptr, entries uint32) bool {
		const shown = 15 // bytes of a name that the kernel keeps
		name = of
		return info.Name == of[:min(shown, len(of))] &&
			info.Type == kind && info.ValueSize == uint32(size) && info.MaxEntries == entries
	}
	var value bpf.CrossConnectsGenerationControl
	switch {
	case is(bpf.PortMapName, ebpf.Array, unsafe.Sizeof(p.Record), 1):
		return name, m.Lookup(uint32(0), &p.Record)
	case is(bpf.ControlMapName, ebpf.Array, unsafe.Sizeof(value), 1):
		err := m.Lookup(uint32(0), &value)
		p.Current = word(value.Word)
		p.Control, _ = info.ID() // known since Linux 4.13
		return name, err
	case is(bpf.CrossConnectsMapCrossConnectEgress, ebpf.DevMap, unsafe.Sizeof(p.Egress[0]), generations):
		return name, p.readEgress(m)
	case is(bpf.CrossConnectsMapCrossConnectTraffic, ebpf.PerCPUArray, unsafe.Sizeof(p.Traffic[0]), generations):
		p.Traffic, err = readTraffic(m)
		return name, err
	}
	return "", nil
}

// readEgress reads where XDP leads.
func (p *Port) readEgress(m *ebpf.Map) error {
	for generation := range p.Egress {
		err := m.Lookup(uint32(generation), &p.Egress[generation])
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
	}
	return nil
}

// errTaken fails if the device is in a pair of another wiring.
func (w *Wiring) errTaken(device netlink.Link) error {
	ports, err := findPorts(device, w.LookAt)
	if err != nil {
		return err
	}
	own, err := mapID(w.control.m)
	if err != nil {
		return err
	}
	for _, f := range ports {
		if f.Control != own && f.isOwned() {
			return fmt.Errorf("%s is in a pair already: %s", device.Attrs().Name, f.advice())
		}
	}
	return nil
}

// isOwned tells whether the port is kept or its process lives: a filter on a
// clsact qdisc outlives it.
func (p *Port) isOwned() bool {
	return p.Record.Owner == 0 || hook.IsEbpftop(strconv.Itoa(int(p.Record.Owner)))
}

// advice is for who wants to connect the interface otherwise.
func (p *Port) advice() string {
	switch owner := int(p.Record.Owner); owner {
	case 0:
		return fmt.Sprintf("`ebpftop xconnect del %s` ends that", text(p.Record.Name))
	case os.Getpid():
		return "disconnect it first"
	default:
		return fmt.Sprintf("process %d connected it, disconnect it there or end that", owner)
	}
}

// Others lists the pairs of other processes in the network namespace that end
// with them.
func Others(lookAt LookAt) ([]Status, error) {
	links, err := listLinks()
	if err != nil {
		return nil, err
	}
	now, err := monotonic()
	if err != nil {
		return nil, err
	}
	ports := make(map[string]*found) // as their owners call them
	for _, device := range links {
		all, err := findPorts(device, lookAt)
		if err != nil {
			return nil, inOneLine(err)
		}
		for _, f := range all {
			if owner := int(f.Record.Owner); owner == 0 || owner == os.Getpid() || !f.isOwned() {
				continue
			}
			name := text(f.Record.Name)
			if ports[name] == nil || f.leads(now) {
				ports[name] = &f
			}
		}
	}
	var list []Status
	for _, f := range ports {
		peer := ports[text(f.plan(now).Peer)]
		if isThere(f.plan(now)) && (f.plan(now).IsA != 0 || peer == nil) {
			list = append(list, f.status(peer, now, links))
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.A, b.A) })
	return list, nil
}

// plan is the one that counts at a moment.
func (f *found) plan(now time.Duration) *plan { return &f.Record.Plans[f.Current.at(now)] }

// leads tells whether the program that it was found by redirects frames.
func (f *found) leads(now time.Duration) bool {
	generation := f.Current.at(now)
	if f.datapath == TC {
		return f.Record.Egress[generation] != 0
	}
	return f.Egress[generation] != 0
}

// status describes a pair of another process, of which one port may not be
// found.
func (f *found) status(peer *found, now time.Duration, links links) Status {
	plan, owner := f.plan(now), int(f.Record.Owner)
	s := Status{
		A: text(f.Record.Name), B: text(plan.Peer), State: Active, Origin: OriginOther, Owner: owner,
		Reason: strings.Join(missing(links, text(f.Record.Name), text(plan.Peer)), "; "),
		AToB:   f.way(now), BToA: Way{Wish: wish(plan.PeerWish)},
	}
	if peer != nil {
		s.BToA = peer.way(now)
	}
	if s.AToB.Datapath == "" || s.BToA.Datapath == "" {
		s.State = Waiting
	}
	if plan.IsA == 0 {
		s.A, s.B, s.AToB, s.BToA = s.B, s.A, s.BToA, s.AToB
	}
	if f.Current.onTrial(now) && !isSame(plan, &f.Record.Plans[1-f.Current.at(now)]) {
		onTrial(&s, f.Current.deadline()-now)
	}
	return s
}

func (f *found) way(now time.Duration) Way {
	counted := f.Traffic.ofPair(&f.Record, f.Current.at(now))
	way := Way{Wish: wish(f.plan(now).Wish), Packets: counted.Packets, Bytes: counted.Bytes}
	if f.leads(now) {
		way.Datapath = f.datapath
	}
	return way
}
