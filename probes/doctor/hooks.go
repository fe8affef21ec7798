package doctor

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/execs"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/packets"
)

// diagnosePacketHooks loads the packet program, and tries the hooks of
// interfaces. Of tcx and clsact, one is enough.
func diagnosePacketHooks() []Finding {
	hooks := tryHooks(probes.HookXDPGeneric, probes.HookTC, probes.HookClsact)
	return diagnoseEach([]feature{
		{
			name: "packet program", look: packets.VerifyPackets, required: true,
			cost:   "Packets cannot be counted.",
			remedy: newerKernel,
		},
		{
			name: "packet tracepoints", look: packets.VerifyTracepoints,
			cost:   "Frames are counted by tc, which takes long to attach to many interfaces, and behind which programs of others can hide frames.",
			remedy: "Use a kernel with BTF (CONFIG_DEBUG_INFO_BTF), not locked down.",
		},
		{
			name: "XDP link", look: tried(hooks, probes.HookXDPGeneric, "Linux 5.9"),
			cost:   "No hook xdp or xdp-generic.",
			remedy: newerKernel,
		},
		{
			name: "tcx link", look: tried(hooks, probes.HookTC, "Linux 6.6"),
			cost:   "clsact is used, whose filters outlive an ebpftop that is killed.",
			remedy: "Use Linux 6.6 or later.",
		},
		{
			name: "clsact filter", look: tried(hooks, probes.HookClsact, "Linux 4.5"), required: hooks[probes.HookTC] != nil,
			cost:   "None where tcx works. Else packets cannot be counted.",
			remedy: "Load the modules sch_ingress and cls_bpf.",
		},
	})
}

func tried(results map[probes.Hook]error, hook probes.Hook, since string) func() (string, error) {
	return func() (string, error) { return "since " + since, results[hook] }
}

// tryHooks attaches programs that do nothing, in a network namespace made for
// it: no interface of the host is touched.
func tryHooks(hooks ...probes.Hook) map[probes.Hook]error {
	results := make(map[probes.Hook]error)
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

func tryHook(at probes.Hook, ifindex int) error {
	kind := ebpf.SchedCLS
	if at == probes.HookXDPGeneric {
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
	attached, err := attach.Receive(at, program, ifindex)
	if err != nil {
		return err
	}
	return attached.Close()
}

// diagnoseExecHooks attaches each for a moment. The first that works is used.
func diagnoseExecHooks() []Finding {
	var findings []Finding
	used := ""
	for _, hook := range execs.TryExecHooks() {
		f := feature{
			name:   "exec " + hook.Name,
			look:   worksUnless(hook.Err),
			cost:   "Executed programs are seen by a hook that sees less, if by any.",
			remedy: hook.Remedy,
		}
		if used != "" {
			f.cost = "None: the " + used + " is used."
		}
		finding := f.diagnose()
		if used == "" && finding.Status == StatusOK {
			used = hook.Name
			finding.Detail += ", and is used"
		}
		findings = append(findings, finding)
	}
	return findings
}

func worksUnless(err error) func() (string, error) {
	return func() (string, error) {
		if err != nil {
			return "", err
		}
		return "works", nil
	}
}
