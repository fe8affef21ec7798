package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/cmd/bench/baselines"
)

// counting is a way to count frames.
type counting struct {
	args     []string // of ebpftop
	programs []tracedProgram
}

// tracedProgram is a program of ebpftop, and the one that does nothing in its place.
type tracedProgram struct{ name, null string }

var countings = []counting{
	{[]string{"--hook", "tracepoint"}, []tracedProgram{
		{bpf.PacketsProgTraceRx, baselines.TraceProgNullRx},
		{bpf.PacketsProgTraceTx, baselines.TraceProgNullTx},
		{bpf.PacketsProgTraceBusy, baselines.TraceProgNullBusy},
	}},
	{[]string{"--hook", "tc"}, []tracedProgram{
		{bpf.PacketsProgTcRx, baselines.TraceProgNullTc},
		{bpf.PacketsProgTcTx, baselines.TraceProgNullTc},
	}},
	{[]string{"--hook", "tracepoint", "--protocols-only"}, []tracedProgram{
		{bpf.PacketsProgProtoTraceRx, baselines.TraceProgNullRx},
		{bpf.PacketsProgProtoTraceTx, baselines.TraceProgNullTx},
		{bpf.PacketsProgProtoTraceBusy, baselines.TraceProgNullBusy},
	}},
	{[]string{"--hook", "tc", "--protocols-only"}, []tracedProgram{
		{bpf.PacketsProgProtoTcRx, baselines.TraceProgNullTc},
		{bpf.PacketsProgProtoTcTx, baselines.TraceProgNullTc},
	}},
}

// streams lists the traffic of iperf3: to the watched host, or with -R away from it.
var streams = []struct {
	name string
	args []string
}{
	{"frames=18B-UDP/direction=received", udpStream},
	{"frames=18B-UDP/direction=sent", append(slices.Clone(udpStream), "-R")},
	{"frames=TCP/direction=received", nil},
	{"frames=TCP/direction=sent", []string{"-R"}},
}

var udpStream = []string{"-u", "-b", "0", "-l", "18"}

// measureTracing measures what passes an interface that is watched, and then what a
// frame costs there.
func measureTracing(ctx context.Context, b *bench) (err error) {
	l, err := newTraceLab()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.measureThroughput(ctx, b); err != nil {
		return err
	}
	if err := l.attachNulls(); err != nil {
		return err
	}
	for range b.rounds {
		for _, w := range countings {
			if err := l.measureCosts(ctx, b, w); err != nil {
				return fmt.Errorf("%v: %w", w.args, err)
			}
		}
	}
	return nil
}

func (l *traceLab) measureThroughput(ctx context.Context, b *bench) error {
	tcp, udp := figure{what: "frames=TCP", unit: "Gbit/s"}, figure{what: "frames=18B-UDP", unit: "kpps-sent"}
	for range b.rounds {
		for _, who := range []string{"nobody", "tracepoint", "tc"} {
			bits, packets, err := l.throughput(ctx, b, who)
			if err != nil {
				return fmt.Errorf("watched by %s: %w", who, err)
			}
			b.report(tcp.of(who), bits/1e9)
			b.report(udp.of(who), packets/1e3)
		}
	}
	b.want(tcp.of("tracepoint"), goal{atLeast, 0.97, "nobody"})
	return nil
}

// throughput returns bits of TCP, and datagrams, that are sent a second.
func (l *traceLab) throughput(ctx context.Context, b *bench, who string) (bits, packets float64, err error) {
	if who != "nobody" {
		stats, err := startStats(ctx, b, l.watched, "--hook", who)
		if err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, stats.stop()) }()
	}
	tcp, err := iperf(ctx, l.far, l.watched)
	if err != nil {
		return 0, 0, err
	}
	udp, err := iperf(ctx, l.far, l.watched, udpStream...)
	return tcp.bits(), udp.sent(), err
}

// measureCosts sends each stream once, in front of one ebpftop.
func (l *traceLab) measureCosts(ctx context.Context, b *bench, w counting) (err error) {
	stats, err := startStats(ctx, b, l.watched, w.args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stats.stop()) }()
	var names []string
	for _, p := range w.programs {
		names = append(names, p.name)
	}
	programs, err := programsOf(stats.cmd.Process.Pid, names...)
	if err != nil {
		return err
	}
	defer programs.close()
	for _, s := range streams {
		costs := []*cost{}
		for _, p := range w.programs {
			costs = append(costs, &cost{program: programs[p.name]}, &cost{program: l.nulls.Programs[p.null]})
		}
		if err := l.watch(ctx, costs, s.args); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for i, p := range w.programs {
			// One that hardly runs says nothing.
			if own, null := costs[2*i], costs[2*i+1]; own.least > 0 && null.least > 0 {
				b.report(figure{s.name, p.name, "ns/frame"}, own.least-null.least)
			}
		}
	}
	return nil
}

// costInterval is short enough for some to be without interruptions.
const costInterval = 500 * time.Millisecond

// watch looks at programs, again and again, while a stream is sent.
func (l *traceLab) watch(ctx context.Context, costs []*cost, stream []string) error {
	sent := make(chan error, 1)
	go func() {
		_, err := iperf(ctx, l.far, l.watched, stream...)
		sent <- err
	}()
	turn := time.NewTicker(costInterval)
	defer turn.Stop()
	for {
		for _, c := range costs {
			if err := c.look(); err != nil {
				return errors.Join(err, <-sent)
			}
		}
		select {
		case <-turn.C:
		case err := <-sent:
			return err
		}
	}
}

// cost measures the time that a program takes for a frame.
type cost struct {
	program *ebpf.Program
	last    *ebpf.ProgramStats // nil at first
	least   float64            // ns a frame in one interval; 0 if it has hardly run
}

// enoughRuns is how often a program runs at least in an interval that counts.
const enoughRuns = 1000

func (c *cost) look() error {
	now, err := c.program.Stats()
	if err != nil {
		return err
	}
	if c.last != nil && now.RunCount >= c.last.RunCount+enoughRuns {
		each := float64(now.Runtime-c.last.Runtime) / float64(now.RunCount-c.last.RunCount)
		if c.least == 0 || each < c.least {
			c.least = each
		}
	}
	c.last = now
	return nil
}
