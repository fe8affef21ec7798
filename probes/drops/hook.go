package drops

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/names"
)

// hook is the programs, loaded and attached.
type hook struct {
	collection *ebpf.Collection
	links      []link.Link
	reasons    reasons
}

// programsOfXDP tell of frames that have no skb. They are the same on all kernels.
var programsOfXDP = []string{
	bpf.DropsProgDropXdp, bpf.DropsProgDropRedirect, bpf.DropsProgDropXmit, bpf.DropsProgDropTx,
}

// programOfSKBs returns the program that fits the arguments that kfree_skb has here.
func programOfSKBs() (string, error) {
	arguments, err := kernel.TracepointArguments("kfree_skb")
	switch {
	case err != nil:
		return "", fmt.Errorf("look up tracepoint kfree_skb: %w", err)
	case arguments >= 4:
		return bpf.DropsProgDropReceiver, nil
	case arguments == 3:
		return bpf.DropsProgDropReason, nil
	}
	return bpf.DropsProgDropLocation, nil
}

// attachHook has what is dropped in a network namespace counted, in a table of so many rows,
// or, if that is 0, as many as the C says.
func attachHook(namespace, rows uint32) (*hook, error) {
	ofSKBs, err := programOfSKBs()
	if err != nil {
		return nil, err
	}
	spec, err := bpf.LoadDrops()
	if err != nil {
		return nil, fmt.Errorf("read the drop programs: %w", err)
	}
	h := &hook{}
	if ofSKBs != bpf.DropsProgDropLocation {
		if h.reasons, err = readReasons(); err != nil {
			return nil, err
		}
	}
	programs := append(slices.Clone(programsOfXDP), ofSKBs)
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool {
		return !slices.Contains(programs, name)
	})
	if rows > 0 {
		spec.Maps[bpf.DropsMapDrops].MaxEntries = rows
	}
	if err := h.configure(spec, namespace); err != nil {
		return nil, fmt.Errorf("configure the drop programs: %w", err)
	}
	if h.collection, err = kernel.Load(spec, nil, ebpf.ProgramOptions{}); err != nil {
		return nil, fmt.Errorf("load the drop programs: %w", err)
	}
	for name, program := range h.collection.Programs {
		l, err := link.AttachTracing(link.TracingOptions{Program: program})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach %s: %w", name, err), h.Close())
		}
		h.links = append(h.links, l)
	}
	return h, nil
}

func (h *hook) configure(spec *ebpf.CollectionSpec, namespace uint32) error {
	return errors.Join(
		spec.Variables[bpf.DropsVarNetworkNamespace].Set(namespace),
		spec.Variables[bpf.DropsVarReasonUnspecified].Set(h.reasons.unspecified),
		spec.Variables[bpf.DropsVarReasonNoSocket].Set(h.reasons.noSocket),
		spec.Variables[bpf.DropsVarReasonQueuePurge].Set(h.reasons.queuePurge),
		spec.Variables[bpf.DropsVarReasonXdp].Set(h.reasons.xdp),
		spec.Variables[bpf.DropsVarNoDrops].Set(h.reasons.noDrops()),
		spec.Variables[bpf.DropsVarNamedEthertypes].Set(names.NamedEthertypes()),
		spec.Variables[bpf.DropsVarNamedProtocols].Set(names.NamedIPProtocols()),
	)
}

// missed returns how many runs the kernel skipped, because a program would have had to run
// within itself on its CPU. Kernels before 5.12 do not count them.
func (h *hook) missed() (runs uint64, err error) {
	for _, program := range h.collection.Programs {
		stats, err := program.Stats()
		if err != nil {
			return 0, fmt.Errorf("read drop program statistics: %w", err)
		}
		runs += stats.RecursionMisses
	}
	return runs, nil
}

// Close detaches, and frees the programs.
func (h *hook) Close() error {
	var errs []error
	for _, l := range h.links {
		errs = append(errs, l.Close())
	}
	h.collection.Close()
	return errors.Join(errs...)
}
