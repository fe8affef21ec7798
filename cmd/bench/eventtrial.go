package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
)

const (
	eventTime     = time.Second // of events, in one trial
	eventInterval = 500 * time.Millisecond
)

// eventTrial counts the events that were caused, and those of them that were lost.
type eventTrial struct {
	caused, lost uint64
	took         time.Duration
	cpu          time.Duration // of the reader
}

func (t *eventTrial) perSecond() float64 { return float64(t.caused) / t.took.Seconds() }

// eventReader takes events from ebpftop's ring.
type eventReader interface {
	// stop returns the CPU time it took, and how many events it knows to be lost.
	// Those caused by now are taken first.
	stop(caused uint64) (cpu time.Duration, lost uint64, err error)
}

// try causes events for some time.
func (l *eventLab) try(ctx context.Context, b *bench, kind *eventKind, bare bool, perSecond float64) (t eventTrial, err error) {
	table, err := startTable(ctx, b, l.host)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, table.kill()) }()
	maps, err := mapsOf(table.cmd.Process.Pid, kind.ring, kind.totals)
	if err != nil {
		return t, err
	}
	defer maps.close()
	var reader eventReader
	if bare {
		reader, err = table.replace(maps[kind.ring])
	} else {
		reader, err = table.read(kind)
	}
	if err != nil {
		return t, err
	}
	before, err := total(maps[kind.totals])
	if err != nil {
		return t, err
	}
	start := time.Now()
	stop, err := kind.cause(l, ctx, perSecond)
	if err != nil {
		return t, err
	}
	err = sleep(ctx, eventTime)
	if err := errors.Join(err, stop()); err != nil {
		return t, err
	}
	t.took = time.Since(start)
	after, err := total(maps[kind.totals])
	if err != nil {
		return t, err
	}
	t.caused = after - before
	t.cpu, t.lost, err = reader.stop(t.caused)
	return t, err
}

// total is the first number of a counter, over all CPUs.
func total(m *ebpf.Map) (sum uint64, err error) {
	var perCPU [][3]uint64 // as of struct connection_counts and exec_counters
	if err := m.Lookup(uint32(0), &perCPU); err != nil {
		return 0, fmt.Errorf("read %v: %w", m, err)
	}
	for _, counts := range perCPU {
		sum += counts[0]
	}
	return sum, nil
}
