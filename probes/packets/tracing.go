package packets

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sync/errgroup"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// tracing is the packet program on the kernel's tracepoints: attached once, it
// counts on every interface that the table has.
type tracing struct {
	programs []*ebpf.Program
	links    []link.Link
	gathers  bool // headers outside linear memory
}

// tracedEntries are the packet program's names at the tracepoints.
type tracedEntries struct{ receive, send, busy string }

func (e tracedEntries) names() []string { return []string{e.receive, e.send, e.busy} }

// trace attaches the packet program to the tracepoints, or waits until the background has
// done so. It returns an error, and always the same, if the kernel has no BTF or lets
// nobody read its memory.
func (p *Program) trace() error {
	p.tracingBegun.Store(true)
	p.tracingOnce.Do(func() { p.tracingErr = p.attachTracing() })
	return p.tracingErr
}

// BeginTracing attaches in the background.
func (p *Program) BeginTracing() {
	p.tracingBegun.Store(true)
	go func() { _ = p.trace() }() // an error is seen when an interface is attached
}

// traces tells whether the tracepoints are attached. It waits if they are about to be.
func (p *Program) traces() bool { return p.tracingBegun.Load() && p.trace() == nil }

func (p *Program) attachTracing() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &probes.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	loaded, err := p.loadTracing()
	if err != nil {
		return err
	}
	for _, program := range loaded.programs {
		l, err := link.AttachTracing(link.TracingOptions{Program: program})
		if err != nil {
			return errors.Join(fmt.Errorf("attach to tracepoint: %w", err), loaded.Close())
		}
		loaded.links = append(loaded.links, l)
	}
	p.tracing = loaded
	return nil
}

// tracingWay is a way to read the kernel.
type tracingWay struct {
	entries tracedEntries
	with    []string // the functions of the kernel that it calls
}

// tracingWays lists the ways to read a frame that this kernel may allow, the best first:
// in place, with headers outside linear memory (Linux 6.12) and without (6.2); or by copies.
func (e entries) tracingWays() []tracingWay {
	ways := []tracingWay{
		{e.trace, []string{kernel.ReadOnlyCast, kernel.DynptrFromSkb}},
		{e.trace, []string{kernel.ReadOnlyCast}},
		{e.copy, nil},
	}
	return slices.DeleteFunc(ways, func(way tracingWay) bool {
		return slices.ContainsFunc(way.with, func(name string) bool { return !kernel.HasFunction(name) })
	})
}

// loadTracing loads the programs in the best way that the kernel allows. The error is
// that of the last one, which needs least.
func (p *Program) loadTracing() (loaded *tracing, err error) {
	ways := p.entries.tracingWays()
	for n, way := range ways {
		// No verifier log where a refusal is expected: to write one, the kernel
		// verifies once more.
		options := ebpf.ProgramOptions{LogDisabled: n < len(ways)-1}
		spec := p.spec.Copy()
		for _, name := range []string{kernel.ReadOnlyCast, kernel.DynptrFromSkb} {
			if !slices.Contains(way.with, name) {
				kernel.Forgo(spec, name)
			}
		}
		if loaded, err = p.loadTraced(spec, way.entries, options); err == nil {
			loaded.gathers = slices.Contains(way.with, kernel.DynptrFromSkb)
			break
		}
	}
	return loaded, err
}

// loadTraced has all CPUs verify programs, which takes tens of milliseconds each.
func (p *Program) loadTraced(spec *ebpf.CollectionSpec, e tracedEntries, options ebpf.ProgramOptions) (*tracing, error) {
	names := e.names()
	loaded := &tracing{programs: make([]*ebpf.Program, len(names))}
	var group errgroup.Group
	for i, name := range names {
		group.Go(func() error {
			collection, err := loadPrograms(spec, p.shared, options, name)
			if err != nil {
				return err
			}
			defer collection.Close()
			loaded.programs[i] = collection.DetachProgram(name)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, loaded.Close())
	}
	return loaded, nil
}

// Close detaches.
func (t *tracing) Close() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	for _, program := range t.programs {
		if program != nil {
			errs = append(errs, program.Close())
		}
	}
	return errors.Join(errs...)
}
