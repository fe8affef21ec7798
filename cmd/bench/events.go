package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// eventKind is a kind of event that ebpftop tells of.
type eventKind struct {
	name string
	ring string // that they come by
	// totals is the map whose first number is how many there were.
	totals string
	// cause has them happen until the returned function is called: perSecond, or
	// if that is 0 as many as possible.
	cause  func(l *eventLab, ctx context.Context, perSecond float64) (stop func() error, err error)
	paced  bool // knows perSecond
	column int  // where the table says how many were lost
}

var eventKinds = []eventKind{
	{
		name: "connections", paced: true,
		ring: bpf.PacketsMapConnectionEvents, totals: bpf.PacketsMapConnectionTotals,
		cause: (*eventLab).connect,
	},
	{
		name: "execs",
		ring: bpf.ExecsMapExecEvents, totals: bpf.ExecsMapExecCounters,
		cause: (*eventLab).execute, column: 1,
	},
}

// eventLab is where they happen.
type eventLab struct {
	host, peer *lab.Namespace
	chain      string // the program to execute
}

const (
	bareReader = "bare-ring-reader"
	// slower is the next rate to try after one at which events were lost.
	slower = 1 / 1.25
)

// measureEvents looks for the rate up to which no event is lost.
func measureEvents(ctx context.Context, b *bench) (err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l := &eventLab{}
	if l.chain, err = writeChain(dir); err != nil {
		return err
	}
	if l.host, err = lab.New(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.host.Close()) }()
	if l.peer, err = lab.New(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.peer.Close()) }()
	if err := lab.QuietVeth(l.host, "net0", l.peer, "net0"); err != nil {
		return err
	}
	for _, kind := range eventKinds {
		if err := l.measure(ctx, b, &kind); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	return nil
}

func (l *eventLab) measure(ctx context.Context, b *bench, kind *eventKind) error {
	for range b.rounds {
		for _, reader := range []string{"ebpftop", bareReader} {
			if err := l.search(ctx, b, kind, reader); err != nil {
				return err
			}
		}
	}
	return nil
}

// search tries as many events as possible first, and then fewer.
func (l *eventLab) search(ctx context.Context, b *bench, kind *eventKind, reader string) error {
	events := figure{what: "event=" + kind.name, who: reader}
	for rate := 0.0; ; {
		t, err := l.try(ctx, b, kind, reader == bareReader, rate)
		if err != nil {
			return err
		}
		if rate == 0 {
			b.report(events.in("%lost-of-most"), 100*float64(t.lost)/float64(t.caused))
		}
		if t.lost == 0 || !kind.paced {
			b.report(events.in("events/s"), t.perSecond())
			b.report(events.in("ns/event"), float64(t.cpu)/float64(t.caused-t.lost))
			return nil
		}
		rate = t.perSecond() * slower
	}
}

func (l *eventLab) connect(ctx context.Context, perSecond float64) (stop func() error, err error) {
	host, err := l.host.Link("net0")
	if err != nil {
		return nil, err
	}
	s, err := conversations{connections: endless, perSecond: perSecond}.start(ctx, l.peer, "net0", host)
	if err != nil {
		return nil, err
	}
	return func() error {
		_, err := s.stop()
		return err
	}, nil
}

func (l *eventLab) execute(context.Context, float64) (stop func() error, err error) {
	cmd := &exec.Cmd{Path: l.chain, Args: []string{l.chain}}
	if err := l.host.Start(cmd); err != nil {
		return nil, err
	}
	return func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // killed
		return err
	}, nil
}
