package probes

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/hook"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// diagnosePacketHooks loads the packet program, and tries the hooks of
// interfaces. Of tcx and clsact, one is enough.
func diagnosePacketHooks() []Finding {
	hooks := tryHooks(HookXDPGeneric, HookTC, HookClsact)
	return diagnoseEach([]feature{
		{
			name: "packet program", look: packetProgram, required: true,
			cost:   "Packets cannot be counted.",
			remedy: newerKernel,
		},
		{
			name: "packet tracepoints", look: packetTracepoints,
			cost:   "Frames are counted by tc, which takes long to attach to many interfaces, and behind which programs of others can hide frames.",
			remedy: "Use a kernel with BTF (CONFIG_DEBUG_INFO_BTF), not locked down.",
		},
		{
			name: "XDP link", look: tried(hooks, HookXDPGeneric, "Linux 5.9"),
			cost:   "No hook xdp or xdp-generic.",
			remedy: newerKernel,
		},
		{
			name: "tcx link", look: tried(hooks, HookTC, "Linux 6.6"),
			cost:   "clsact is used, whose filters outlive an ebpftop that is killed.",
			remedy: "Use Linux 6.6 or later.",
		},
		{
			name: "clsact filter", look: tried(hooks, HookClsact, "Linux 4.5"), required: hooks[HookTC] != nil,
			cost:   "None where tcx works. Else packets cannot be counted.",
			remedy: "Load the modules sch_ingress and cls_bpf.",
		},
	})
}

// packetProgram has the verifier accept the program for every hook.
func packetProgram() (string, error) {
	packets, err := newPackets(packetOptions{maxConnections: 64})
	if err != nil {
		return "", err
	}
	for _, name := range []string{packets.entries.xdp, packets.entries.tc, packets.entries.tcSend} {
		_, loadErr := packets.program(name)
		err = errors.Join(err, loadErr)
	}
	if err := errors.Join(err, packets.Close()); err != nil {
		return "", err
	}
	return "accepted by the verifier", nil
}

// packetTracepoints attaches the program to the tracepoints for a moment, for no
// interface.
func packetTracepoints() (string, error) {
	packets, err := newPackets(packetOptions{maxConnections: 64})
	if err != nil {
		return "", err
	}
	if err := errors.Join(packets.trace(), packets.Close()); err != nil {
		return "", err
	}
	return "attached", nil
}

func tried(results map[Hook]error, hook Hook, since string) func() (string, error) {
	return func() (string, error) { return "since " + since, results[hook] }
}

// tryHooks attaches programs that do nothing, in a network namespace made for
// it: no interface of the host is touched.
func tryHooks(hooks ...Hook) map[Hook]error {
	results := make(map[Hook]error)
	namespace, err := lab.New()
	if err == nil {
		err = errors.Join(namespace.Do(func() error {
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return fmt.Errorf("find lo: %w", err)
			}
			for _, hook := range hooks {
				results[hook] = tryHook(hook, lo.Attrs().Index)
			}
			return nil
		}), namespace.Close())
	}
	if err != nil {
		for _, hook := range hooks {
			results[hook] = err
		}
	}
	return results
}

func tryHook(at Hook, ifindex int) error {
	kind := ebpf.SchedCLS
	if at == HookXDPGeneric {
		kind = ebpf.XDP
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         kind,
		License:      "Dual MIT/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return err
	}
	defer program.Close()
	attached, err := hook.Receive(at, program, ifindex)
	if err != nil {
		return err
	}
	return attached.Close()
}

// diagnoseExecHooks attaches each for a moment. The first that works is used.
func diagnoseExecHooks() []Finding {
	var findings []Finding
	used := ""
	for _, hook := range execHooks {
		f := feature{
			name:   "exec " + hook.name,
			look:   func() (string, error) { return tryExecHook(hook) },
			cost:   "Executed programs are seen by a hook that sees less, if by any.",
			remedy: hook.remedy,
		}
		if used != "" {
			f.cost = "None: the " + used + " is used."
		}
		finding := f.diagnose()
		if used == "" && finding.Status == StatusOK {
			used = hook.name
			finding.Detail += ", and is used"
		}
		findings = append(findings, finding)
	}
	return findings
}

func tryExecHook(hook execHook) (string, error) {
	spec, err := bpf.LoadExecs()
	if err != nil {
		return "", err
	}
	attached, err := hook.attach(spec)
	if err != nil {
		return "", err
	}
	return "works", attached.Close()
}
