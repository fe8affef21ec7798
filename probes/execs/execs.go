// Package execs sees programs executed.
package execs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/cgroup"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// execEventsMax bounds the events of one interval. More count as lost.
const execEventsMax = 16384

// execBatch collects the events that came out of the ring between two polls.
type execBatch struct {
	events []probes.Exec
	lost   uint64
}

// Probe counts and lists the programs executed on the host.
type Probe struct {
	hook   *attachedExecHook // nil where the kernel offers none
	reason string            // why not an earlier hook
	ring   *kernel.Ring[execBatch]
	counts *kernel.PerCPUArray[bpf.ExecsExecCounters]
	total  uint64 // at the last poll
	lost   uint64 // here, since the start
}

// Options choose what is known of a program executed.
type Options struct {
	// NoArgs leaves arguments out: they are read nowhere, in the kernel or here.
	NoArgs bool
}

// New attaches to the first hook that the kernel offers. If it offers none, New returns
// no error, and Poll says why.
func New(clock *kernel.Clock, opts Options) (*Probe, error) {
	spec, err := bpf.LoadExecs()
	if err != nil {
		return nil, fmt.Errorf("read the exec programs: %w", err)
	}
	hooks := execHooks
	if opts.NoArgs {
		hooks = bareExecHooks()
	}
	return attachExecs(spec, hooks, clock)
}

func attachExecs(spec *ebpf.CollectionSpec, hooks []execHook, clock *kernel.Clock) (*Probe, error) {
	e := new(Probe)
	var refused []string
	for _, hook := range hooks {
		attached, err := hook.attach(spec.Copy())
		if err != nil {
			refused = append(refused, fmt.Sprintf("%s: %v", hook.name, err))
			continue
		}
		e.hook = attached
		break
	}
	e.reason = strings.Join(refused, "; ")
	if e.hook == nil {
		return e, nil
	}
	if err := e.open(clock); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Probe) open(clock *kernel.Clock) (err error) {
	if e.counts, err = kernel.NewPerCPUArray[bpf.ExecsExecCounters](1); err != nil {
		return err
	}
	decode := execDecoder{clock: clock, withoutArgs: e.hook.withoutArgs}
	if e.hook.incomplete && procfs.InFirstPIDNamespace() {
		decode.completer = newCompleter(!e.hook.withoutArgs)
	}
	if paths := e.hook.collection.Maps[bpf.ExecsMapCgroupPaths]; paths != nil {
		decode.names = cgroup.NewNames(paths, e.hook.collection.Maps[bpf.ExecsMapHostNames])
	}
	e.ring, err = kernel.NewRing(e.hook.collection.Maps[bpf.ExecsMapExecEvents], decode.add)
	if err != nil {
		return fmt.Errorf("read exec events: %w", err)
	}
	return nil
}

// Poll returns the programs executed since the last poll, and how many since
// the start could not be listed. The interval is the time since the last poll.
func (e *Probe) Poll(interval time.Duration) (probes.Execs, uint64, error) {
	result := probes.Execs{HookReason: e.reason, Events: []probes.Exec{}}
	if e.hook == nil {
		return result, 0, nil
	}
	batch, err := e.ring.Drain()
	if err != nil {
		return result, 0, fmt.Errorf("read exec events: %w", err)
	}
	// After the events, so that no event is ahead of the total.
	counters, err := e.counters()
	if err != nil {
		return result, 0, err
	}
	result.Hook = e.hook.name
	result.ArgsLeftOut = e.hook.withoutArgs
	result.Total = counters.Total
	if e.hook.failures {
		result.Failed = &counters.Failed
	}
	if interval > 0 {
		result.PerSecond = float64(counters.Total-e.total) / interval.Seconds()
	}
	if batch.events != nil {
		result.Events = batch.events
	}
	e.total = counters.Total
	e.lost += batch.lost
	return result, counters.Lost + e.lost, nil
}

// counters adds up those of all CPUs, and the runs that the kernel skipped.
func (e *Probe) counters() (sum bpf.ExecsExecCounters, err error) {
	if err := e.counts.Read(e.hook.collection.Maps[bpf.ExecsMapExecCounters]); err != nil {
		return sum, fmt.Errorf("read exec counters: %w", err)
	}
	for _, c := range e.counts.Of(0) {
		sum.Total += c.Total
		sum.Failed += c.Failed
		sum.Lost += c.Lost
	}
	// A program that would have to run within itself, on a CPU where the first
	// run was preempted, is skipped (bpf_prog_inc_misses_counter() in
	// kernel/bpf/syscall.c): an exec all the same.
	stats, err := e.hook.counting().Stats()
	if err != nil {
		return sum, fmt.Errorf("read exec program statistics: %w", err)
	}
	sum.Total += stats.RecursionMisses
	sum.Lost += stats.RecursionMisses
	return sum, nil
}

// Close detaches the probe.
func (e *Probe) Close() error {
	if e.hook == nil {
		return nil
	}
	var err error
	if e.ring != nil {
		err = e.ring.Close()
	}
	return errors.Join(err, e.hook.Close())
}

// execDecoder turns events of the kernel into Execs.
type execDecoder struct {
	clock     *kernel.Clock
	completer *completer // nil where the hook leaves nothing out
	// withoutArgs says that arguments are not wanted.
	withoutArgs bool
	// names says where programs run, nil where the hook does not see that.
	names *cgroup.Names
}

// add adds an event to those of an interval.
func (d execDecoder) add(to *execBatch, record []byte) error {
	if len(to.events) >= execEventsMax {
		to.lost++
		return nil
	}
	event, err := d.decode(record)
	if err == nil {
		to.events = append(to.events, event)
	}
	return err
}

func (d execDecoder) decode(record []byte) (probes.Exec, error) {
	var event bpf.ExecsExecEvent
	header := int(unsafe.Sizeof(event))
	if len(record) < header {
		return probes.Exec{}, fmt.Errorf("exec event of %d bytes", len(record))
	}
	// The layout is the kernel's own (bpf2go), and so is the byte order.
	event = *(*bpf.ExecsExecEvent)(unsafe.Pointer(unsafe.SliceData(record)))
	text := record[header:]
	if uint64(event.FilenameLen)+uint64(event.ArgsLen) > uint64(len(text)) {
		return probes.Exec{}, fmt.Errorf("exec event with %d bytes of text, not %d and %d",
			len(text), event.FilenameLen, event.ArgsLen)
	}
	filename, args := text[:event.FilenameLen], text[event.FilenameLen:][:event.ArgsLen]
	exec := probes.Exec{
		Time:          d.clock.Wall(event.Time),
		PID:           event.Pid,
		PPID:          event.Ppid,
		UID:           event.Uid,
		Comm:          cString(event.Comm[:]),
		Filename:      cString(filename),
		Args:          splitArgs(args),
		ArgsTruncated: event.Flags&bpf.ExecsExecFlagsEXEC_ARGS_TRUNCATED != 0,
	}
	if d.withoutArgs {
		exec.Args = nil // unknown, not none
	}
	if d.completer != nil {
		d.completer.complete(&exec)
	}
	return exec, d.place(&exec, &event)
}

// place fills in where a program runs, and which processes it descends from.
func (d execDecoder) place(exec *probes.Exec, event *bpf.ExecsExecEvent) error {
	exec.Ancestors = []probes.Ancestor{} // [] in JSON, not null
	for i := range event.Ancestors {
		if a := &event.Ancestors[i]; a.Pid != 0 {
			exec.Ancestors = append(exec.Ancestors, probes.Ancestor{PID: a.Pid, Comm: cString(a.Comm[:])})
		}
	}
	if d.names == nil || event.Cgroup == 0 {
		return nil
	}
	place, err := d.names.Place(event.Cgroup)
	if err != nil {
		return err
	}
	exec.Cgroup, exec.Unit, exec.Container, exec.Pod = place.Path, place.Unit, place.Container, place.Pod
	exec.Hostname, err = d.names.Host(event.Host)
	return err
}

// cString is the string up to the first NUL.
func cString(b []byte) string {
	before, _, _ := bytes.Cut(b, []byte{0})
	return string(before)
}

// splitArgs splits arguments that each end with NUL; the last may have lost it.
func splitArgs(b []byte) []string {
	if len(b) == 0 {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}
