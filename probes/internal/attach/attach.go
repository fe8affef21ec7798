// Package attach attaches programs where frames enter and leave an interface:
// XDP, tcx, and filters on a clsact qdisc where the kernel has no tcx. All but
// the filters are bpf_links, and go with the process that holds them.
package attach

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
)

// Receive attaches the program for received frames at hook.
func Receive(hook probes.Hook, program *ebpf.Program, ifindex int) (io.Closer, error) {
	switch hook {
	case probes.HookXDP:
		return attachXDP(program, ifindex, link.XDPDriverMode)
	case probes.HookXDPGeneric:
		return attachXDP(program, ifindex, link.XDPGenericMode)
	case probes.HookTC:
		// First in line: what a later program drops was received all the same.
		return attachTCX(program, ifindex, ebpf.AttachTCXIngress, link.Head())
	}
	return addCountFilter(program, ifindex, Ingress)
}

// Send attaches the program for sent frames: tcx, or a clsact filter
// where received frames are counted by one.
func Send(hook probes.Hook, program *ebpf.Program, ifindex int) (io.Closer, error) {
	if hook != probes.HookClsact {
		// Last in line: what an earlier program drops was never sent.
		closer, err := attachTCX(program, ifindex, ebpf.AttachTCXEgress, link.Tail())
		if !errors.Is(err, ebpf.ErrNotSupported) || hook == probes.HookTC {
			return closer, err
		}
	}
	return addCountFilter(program, ifindex, Egress)
}

// FirstTCX attaches a program for received frames before all that are there, or, if behind
// is not 0, right behind that link.
func FirstTCX(program *ebpf.Program, ifindex int, behind link.ID) (io.Closer, error) {
	if behind == 0 {
		return attachTCX(program, ifindex, ebpf.AttachTCXIngress, link.Head())
	}
	return attachTCX(program, ifindex, ebpf.AttachTCXIngress, link.AfterLinkByID(behind))
}

// TCXIngress lists the programs for received frames on an interface, in the order they
// run. It returns none where the kernel has no tcx.
func TCXIngress(ifindex int) ([]link.AttachedProgram, error) {
	result, err := link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: ebpf.AttachTCXIngress})
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list tcx programs: %w", err)
	}
	return result.Programs, nil
}

// IsAttached tells whether what Receive or Send made still is on the interface of
// that ifindex. A device takes along what is on it when it goes, and another one,
// or the same after a stay in another namespace, may have its ifindex. What others
// made is for them to look after.
func IsAttached(made io.Closer, ifindex int) (bool, error) {
	switch made := made.(type) {
	case *Filter:
		found, err := FindFilter(ifindex, made.parent, made.Name)
		return found != nil, err
	case link.Link:
		at, err := ifindexOf(made)
		return at == ifindex, err
	}
	return true, nil
}

// ifindexOf is 0 for a link whose device is gone.
func ifindexOf(l link.Link) (int, error) {
	info, err := l.Info()
	if err != nil {
		return 0, fmt.Errorf("ask for a link: %w", err)
	}
	if xdp := info.XDP(); xdp != nil {
		return int(xdp.Ifindex), nil
	}
	if tcx := info.TCX(); tcx != nil {
		return int(tcx.Ifindex), nil
	}
	return 0, fmt.Errorf("a link on an interface is of type %v", info.Type)
}

// attachXDP fails where any program is attached already: a bpf_link never
// replaces one, of whatever mode.
func attachXDP(program *ebpf.Program, ifindex int, mode link.XDPAttachFlags) (io.Closer, error) {
	l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: ifindex, Flags: mode})
	if errors.Is(err, unix.ERANGE) { // veth_xdp_set() in drivers/net/veth.c
		return nil, fmt.Errorf("attach XDP: the MTU of the far end is too large before Linux 5.18: ip link set IF mtu 3500 there: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("attach XDP: %w", err)
	}
	return l, nil
}

func attachTCX(program *ebpf.Program, ifindex int, where ebpf.AttachType, anchor link.Anchor) (io.Closer, error) {
	l, err := link.AttachTCX(link.TCXOptions{
		Program: program, Interface: ifindex, Attach: where, Anchor: anchor,
	})
	if err != nil {
		return nil, fmt.Errorf("attach tcx: %w", err)
	}
	return l, nil
}

// HasTCX tells whether the kernel has tcx. One that has not knows no such place
// to ask about; one that has misses the interface, if anything.
func HasTCX() bool {
	const anyInterface = 1
	_, err := link.QueryPrograms(link.QueryOptions{Target: anyInterface, Attach: ebpf.AttachTCXIngress})
	return !errors.Is(err, ebpf.ErrNotSupported) && !errors.Is(err, unix.EINVAL)
}
