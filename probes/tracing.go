package probes

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sync/errgroup"

	"github.com/ebpftop/ebpftop/probes/functions"
)

// tracing is the packet program on the kernel's tracepoints: attached once, it
// counts on every interface that the table has.
type tracing struct {
	programs []*ebpf.Program
	links    []link.Link
}

// tracedEntries are the packet program's names at the tracepoints.
type tracedEntries struct{ receive, send, busy string }

func (e tracedEntries) names() []string { return []string{e.receive, e.send, e.busy} }

// trace attaches the packet program to the tracepoints, unless it is. It fails
// where the kernel has no BTF, or lets nobody read its memory, and then always does.
func (p *packets) trace() error {
	if p.tracing == nil && p.tracingErr == nil {
		p.tracingErr = p.attachTracing()
	}
	return p.tracingErr
}

func (p *packets) attachTracing() error {
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

// loadTracing tries the ways to read the kernel, the best first: in place, with
// headers outside linear memory (Linux 6.12) and without; or by copies (before
// Linux 6.2, and where no function of the kernel may be called).
func (p *packets) loadTracing() (*tracing, error) {
	var errs []error
	for _, way := range []struct {
		entries tracedEntries
		without []string
	}{
		{entries: p.entries.trace},
		{entries: p.entries.trace, without: []string{functions.DynptrFromSkb}},
		{entries: p.entries.copy, without: []string{functions.DynptrFromSkb, functions.ReadOnlyCast}},
	} {
		spec := p.spec.Copy()
		functions.Forgo(spec, way.without...)
		loaded, err := p.loadTraced(spec, way.entries)
		if err == nil {
			return loaded, nil
		}
		errs = append(errs, err)
	}
	return nil, errs[len(errs)-1] // the others are of what old kernels have not
}

// loadTraced has all CPUs verify programs, which takes tens of milliseconds each.
func (p *packets) loadTraced(spec *ebpf.CollectionSpec, e tracedEntries) (*tracing, error) {
	names := e.names()
	loaded := &tracing{programs: make([]*ebpf.Program, len(names))}
	var group errgroup.Group
	for i, name := range names {
		group.Go(func() error {
			collection, err := loadPrograms(spec, p.shared, name)
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
