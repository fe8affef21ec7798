package probes

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// attachReceive attaches the program for received frames at hook.
func attachReceive(hook Hook, program *ebpf.Program, ifindex int) (io.Closer, error) {
	switch hook {
	case HookXDP:
		return attachXDP(program, ifindex, link.XDPDriverMode)
	case HookXDPGeneric:
		return attachXDP(program, ifindex, link.XDPGenericMode)
	case HookTC:
		// First in line: what a later program drops was received all the same.
		return attachTCX(program, ifindex, ebpf.AttachTCXIngress, link.Head())
	}
	return attachClsact(program, ifindex, RX)
}

// attachSend attaches the program for sent frames: tcx, or a clsact filter
// where received frames are counted by one.
func attachSend(hook Hook, program *ebpf.Program, ifindex int) (io.Closer, error) {
	if hook != HookClsact {
		// Last in line: what an earlier program drops was never sent.
		closer, err := attachTCX(program, ifindex, ebpf.AttachTCXEgress, link.Tail())
		if !errors.Is(err, ebpf.ErrNotSupported) || hook == HookTC {
			return closer, err
		}
	}
	return attachClsact(program, ifindex, TX)
}

// attachXDP fails where any program is attached already: a bpf_link never
// replaces one, of whatever mode.
func attachXDP(program *ebpf.Program, ifindex int, mode link.XDPAttachFlags) (io.Closer, error) {
	l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: ifindex, Flags: mode})
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
