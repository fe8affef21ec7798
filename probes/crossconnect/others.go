package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

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
	Current word
	Traffic bpf.CrossConnectsTraffic
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
	p, seen := new(Port), 0
	for _, id := range maps {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return nil, err
		}
		known, err := p.read(m)
		if err := errors.Join(err, m.Close()); err != nil {
			return nil, err
		}
		if known {
			seen++
		}
	}
	if seen < 3 || p.Record.Name[0] == 0 {
		return nil, nil
	}
	return p, nil
}

// read reads one map of a port, and says whether it is one.
func (p *Port) read(m *ebpf.Map) (known bool, err error) {
	info, err := m.Info()
	if err != nil {
		return false, err
	}
	const shown = 15 // bytes of a name that the kernel keeps
	is := func(name string) bool { return info.Name == name[:min(shown, len(name))] }
	switch {
	case is(bpf.CrossConnectsMapCrossConnects) && m.Type() == ebpf.Array:
		return true, m.Lookup(uint32(0), &p.Record)
	case is(bpf.CrossConnectsMapCrossConnectControl) && m.Type() == ebpf.Array:
		var value bpf.CrossConnectsGenerationControl
		err := m.Lookup(uint32(0), &value)
		p.Current = word(value.Word)
		return true, err
	case is(bpf.CrossConnectsMapCrossConnectTraffic) && m.Type() == ebpf.PerCPUArray:
		p.Traffic, err = sumTraffic(m)
		return true, err
	}
	return false, nil
}

// errTaken fails if an interface is in a pair of another wiring.
func (w *Wiring) errTaken(plans map[string]plan, links links) error {
	var errs []error
	for name := range plans {
		device := links[name]
		if device == nil || w.port(name) != nil {
			continue
		}
		ports, err := findPorts(device, w.LookAt)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, f := range ports {
			if int(f.Record.Owner) == w.owner() {
				continue
			}
			errs = append(errs, fmt.Errorf("%s is in a pair already, %s", name, ownedBy(int(f.Record.Owner))))
		}
	}
	return errors.Join(errs...)
}

func ownedBy(owner int) string {
	switch owner {
	case 0:
		return "which is kept: ebpftop xconnect del " + "removes it"
	case os.Getpid():
		return "which ends with this ebpftop"
	}
	return fmt.Sprintf("of process %d: end it, or change its pairs there", owner)
}

// Others lists the pairs of other processes in the network namespace, and the
// kept ones if withKept.
func Others(lookAt LookAt) ([]Status, error) {
	links, err := listLinks()
	if err != nil {
		return nil, err
	}
	now, err := monotonic()
	if err != nil {
		return nil, err
	}
	ports := make(map[string]found)
	for name, device := range links {
		all, err := findPorts(device, lookAt)
		if err != nil {
			return nil, err
		}
		for _, f := range all {
			if owner := int(f.Record.Owner); owner != 0 && owner != os.Getpid() {
				ports[name] = f
			}
		}
	}
	var list []Status
	for name, f := range ports {
		if plan := f.plan(now); isThere(plan) && plan.IsA != 0 {
			list = append(list, f.status(name, ports[text(plan.Peer)], now))
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.A, b.A) })
	return list, nil
}
