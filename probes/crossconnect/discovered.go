package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// LookAt tells what a program is. Asking the kernel for a program by its number
// takes CAP_SYS_ADMIN; a process without can have another ask, and return its
// answer. A program that must not be looked at is an os.ErrPermission.
type LookAt func(ebpf.ProgramID) (Program, error)

// Program is what can be told of a program in the kernel.
type Program struct {
	Name    string
	Ingress *KernelIngress // that it serves, nil if it is none of ours
}

// LookAtProgram asks the kernel. It is a LookAt.
func LookAtProgram(id ebpf.ProgramID) (Program, error) {
	info, m, err := openMapsOf(id)
	if err != nil {
		return Program{}, err
	}
	ingress, err := m.read()
	return Program{Name: info.Name, Ingress: ingress}, errors.Join(err, m.Close())
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
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			continue // gone meanwhile, or not for us to look at
		}
		if err != nil {
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

// isOwned tells whether the ingress is kept or its process lives: a filter on a
// clsact qdisc outlives it.
func (p *KernelIngress) isOwned() bool {
	return p.Record.Owner == 0 || attach.IsEbpftop(strconv.Itoa(int(p.Record.Owner)))
}

// advice is for who wants to connect the interface otherwise.
func (p *KernelIngress) advice() string {
	switch owner := int(p.Record.Owner); owner {
	case 0:
		return fmt.Sprintf("`ebpftop xconnect del %s` ends that", text(p.Record.Name))
	case os.Getpid():
		return "disconnect it first"
	default:
		return fmt.Sprintf("process %d connected it, disconnect it there or end that", owner)
	}
}
