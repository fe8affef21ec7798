package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// LookAt returns what a program is. Because looking up a program by its id takes
// CAP_SYS_ADMIN, a process without it can have another process look. It returns
// os.ErrPermission, wrapped, if the program may not be looked at.
type LookAt func(ebpf.ProgramID) (Program, error)

// but is without a program, which it says nothing of. It changes nothing if that is nil.
func (lookAt LookAt) but(program *ebpf.Program) (LookAt, error) {
	if program == nil {
		return lookAt, nil
	}
	info, err := program.Info()
	if err != nil {
		return nil, fmt.Errorf("ask for a program of ours: %w", err)
	}
	own, _ := info.ID() // known since Linux 4.13
	return func(id ebpf.ProgramID) (Program, error) {
		if id == own {
			return Program{Name: info.Name}, nil
		}
		return lookAt(id)
	}, nil
}

// Program describes a program in the kernel.
type Program struct {
	Name    string
	Ingress *KernelIngress // that it serves, nil if it is none of ours
	Counts  bool           // it counts frames for an ebpftop, and does nothing else with them
}

// LookAtProgram asks the kernel. It is a LookAt.
func LookAtProgram(id ebpf.ProgramID) (Program, error) {
	info, m, err := openMapsOf(id)
	if err != nil {
		return Program{}, err
	}
	ingress, err := m.read()
	return Program{Name: info.Name, Ingress: ingress, Counts: isCounter(info)}, errors.Join(err, m.Close())
}

// isCounter tells whether a program counts what tc receives for an ebpftop. Because
// anybody may give a program our name, it must use our map, too.
func isCounter(info *ebpf.ProgramInfo) bool {
	if info.Name != bpf.PacketsProgTcRx && info.Name != bpf.PacketsProgProtoTcRx {
		return false
	}
	maps, _ := info.MapIDs() // without them, it is not ours
	return slices.ContainsFunc(maps, func(id ebpf.MapID) bool {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return false
		}
		defer m.Close()
		info, err := m.Info()
		return err == nil && info.Name == bpf.PacketsMapProtocols
	})
}

// discovered is an ingress on a device.
type discovered struct {
	KernelIngress
	datapath Datapath
}

// findIngresses finds the ingresses on a device: none, one, or while a trial lasts two.
func findIngresses(device netlink.Link, lookAt LookAt) ([]discovered, error) {
	programs, err := programsOn(device)
	if err != nil {
		return nil, err
	}
	var ingresses []discovered
	for id, d := range programs {
		program, err := lookAt(id)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue // gone meanwhile
		case errors.Is(err, os.ErrPermission) && ownPrograms()[id]:
			continue // it counts, and is of no pair
		case errors.Is(err, os.ErrPermission):
			return nil, refuse(ErrUnknown, "%s carries programs that only root can look at, and may be in a pair already: run this by sudo", device.Attrs().Name)
		case err != nil:
			return nil, fmt.Errorf("look at program %d on %s: %w", id, device.Attrs().Name, err)
		}
		if program.Ingress != nil {
			ingresses = append(ingresses, discovered{KernelIngress: *program.Ingress, datapath: d})
		}
	}
	return ingresses, nil
}

// programsOn lists the programs for received frames.
func programsOn(device netlink.Link) (map[ebpf.ProgramID]Datapath, error) {
	programs := make(map[ebpf.ProgramID]Datapath)
	addPrograms(programs, device)
	return programs, addFilters(programs, device)
}

// addPrograms adds those of XDP and tcx.
func addPrograms(programs map[ebpf.ProgramID]Datapath, device netlink.Link) {
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
}

// addFilters adds those on the clsact qdisc.
func addFilters(programs map[ebpf.ProgramID]Datapath, device netlink.Link) error {
	filters, err := attach.ListFilters(device.Attrs().Index, attach.Ingress)
	for _, filter := range filters {
		if bpf, ok := filter.(*netlink.BpfFilter); ok {
			programs[ebpf.ProgramID(bpf.Id)] = TC
		}
	}
	return err
}

// isKept tells whether the ingress is to stay without a process.
func (p *KernelIngress) isKept() bool { return p.Record.Owner == bpf.CrossConnectsProcess{} }

// isOurs tells whether it is of this process.
func (p *KernelIngress) isOurs() bool {
	self, err := procfs.Self()
	return err == nil && processOf(p.Record.Owner) == self
}

// isOwned tells whether the ingress is kept, or its process may live: a filter on a
// clsact qdisc outlives it.
func (p *KernelIngress) isOwned() bool {
	return p.isKept() || !processOf(p.Record.Owner).HasEnded()
}

// isLeftOver tells whether the ingress is there only for a trial that is over: the kernel
// ends a trial, and no process may have removed the ingress yet. An ingress that is being
// made is not left over, though the active generation does not want it yet.
func (p *KernelIngress) isLeftOver(now time.Duration) bool {
	m := moment{word: p.Current, now: now}
	return m.isTrialOver() && !isThere(&p.Record.Plans[m.active()])
}

// processOf reads a process out of a record.
func processOf(p bpf.CrossConnectsProcess) procfs.Process {
	return procfs.Process{PID: p.Pid, Namespace: p.PidNamespace, Start: p.Start}
}

// thisProcess is this one as records have it.
func thisProcess() (bpf.CrossConnectsProcess, error) {
	self, err := procfs.Self()
	return bpf.CrossConnectsProcess{Pid: self.PID, PidNamespace: self.Namespace, Start: self.Start}, err
}

// advice says what to do to connect the interface otherwise.
func (p *KernelIngress) advice() string {
	switch {
	case p.isKept():
		return fmt.Sprintf("`ebpftop xconnect del %s` ends that", text(p.Record.Name))
	case p.isOurs():
		return "disconnect it first"
	default:
		return fmt.Sprintf("process %d connected it, disconnect it there or end that", p.Record.Owner.Pid)
	}
}
