package execs

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// execHook is one way to see programs executed: see bpf/execs.bpf.c.
type execHook struct {
	name       string
	programs   []string // in the order to attach; the first counts the execs
	bare       []string // these instead, where arguments are not wanted: they read none
	failures   bool     // sees failed calls
	incomplete bool     // leaves out things that /proc may know
	// withoutArgs says that arguments are not wanted, nor looked up.
	withoutArgs bool
	remedy      string // what to do where the kernel does not offer it
}

// execHooks are all, the best first.
var execHooks = []execHook{
	{
		name:     "btf raw tracepoint",
		programs: []string{bpf.ExecsProgExecBtf},
		bare:     []string{bpf.ExecsProgBareBtf},
		remedy:   "Use a kernel built with CONFIG_DEBUG_INFO_BTF=y.",
	},
	{
		name: "syscall tracepoint",
		programs: []string{
			bpf.ExecsProgExecTracepoint,
			bpf.ExecsProgExitExecve, bpf.ExecsProgExitExecveat,
			bpf.ExecsProgEnterExecve, bpf.ExecsProgEnterExecveat,
		},
		bare:       []string{bpf.ExecsProgBareTracepoint, bpf.ExecsProgBareExecve, bpf.ExecsProgBareExecveat},
		failures:   true,
		incomplete: true,
		remedy:     "Run: mount -t tracefs tracefs /sys/kernel/tracing",
	},
	{
		name:       "kprobe",
		programs:   []string{bpf.ExecsProgExecKprobe},
		bare:       []string{bpf.ExecsProgExecKprobe}, // which reads none anyway
		incomplete: true,
		remedy:     "Use a kernel built with CONFIG_KPROBES=y.",
	},
}

// bareExecHooks returns execHooks as they are where arguments are not wanted.
func bareExecHooks() (hooks []execHook) {
	for _, hook := range execHooks {
		hooks = append(hooks, hook.leaveOutArgs())
	}
	return hooks
}

func (h execHook) leaveOutArgs() execHook {
	h.programs, h.withoutArgs = h.bare, true
	return h
}

// attachedExecHook is a hook with its programs loaded and attached.
type attachedExecHook struct {
	execHook
	collection *ebpf.Collection
	links      []link.Link
}

// attach loads and attaches the programs of the hook, out of spec, which it
// changes: all of them or none.
func (h execHook) attach(spec *ebpf.CollectionSpec) (*attachedExecHook, error) {
	h.prune(spec)
	collection, err := kernel.Load(spec, nil, ebpf.ProgramOptions{})
	if err != nil {
		return nil, err
	}
	attached := &attachedExecHook{execHook: h, collection: collection}
	for _, name := range h.programs {
		l, err := attachTracer(spec.Programs[name].AttachTo, collection.Programs[name])
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach %s: %w", name, err), attached.Close())
		}
		attached.links = append(attached.links, l)
	}
	return attached, nil
}

// prune removes all but the programs of the hook and their maps from spec, so that a
// kernel that lacks what others need loads these.
func (h execHook) prune(spec *ebpf.CollectionSpec) {
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool {
		return !slices.Contains(h.programs, name)
	})
	used := make(map[string]bool)
	for _, program := range spec.Programs {
		for _, instruction := range program.Instructions {
			used[instruction.Reference()] = true
		}
	}
	maps.DeleteFunc(spec.Maps, func(name string, _ *ebpf.MapSpec) bool { return !used[name] })
}

// attachTracer attaches a program where the C says. To is the part of SEC() after the
// first slash.
func attachTracer(to string, program *ebpf.Program) (link.Link, error) {
	switch program.Type() {
	case ebpf.TracePoint:
		group, name, _ := strings.Cut(to, "/")
		return link.Tracepoint(group, name, program, nil)
	case ebpf.Kprobe:
		if _, err := os.Stat("/sys/bus/event_source/devices/kprobe"); err != nil {
			return nil, errors.New("no kprobes in this kernel")
		}
		return link.Kprobe(to, program, nil)
	default:
		return link.AttachTracing(link.TracingOptions{Program: program})
	}
}

// counting is the program that runs once for every exec.
func (a *attachedExecHook) counting() *ebpf.Program {
	return a.collection.Programs[a.programs[0]]
}

// detach stops the counting; what was counted can still be read.
func (a *attachedExecHook) detach() error {
	var errs []error
	for _, l := range a.links {
		errs = append(errs, l.Close())
	}
	a.links = nil
	return errors.Join(errs...)
}

// Close detaches and frees the programs.
func (a *attachedExecHook) Close() error {
	err := a.detach()
	a.collection.Close()
	return err
}

// triedExecHook says whether a hook works, and what to do if it does not.
type triedExecHook struct {
	Name, Remedy string
	Err          error
}

// TryExecHooks attaches to each hook for a moment. The first that works is used.
func TryExecHooks() (tried []triedExecHook) {
	for _, hook := range execHooks {
		tried = append(tried, triedExecHook{Name: hook.name, Remedy: hook.remedy, Err: tryExecHook(hook)})
	}
	return tried
}

func tryExecHook(hook execHook) error {
	spec, err := bpf.LoadExecs()
	if err != nil {
		return err
	}
	attached, err := hook.attach(spec)
	if err != nil {
		return err
	}
	return attached.Close()
}
