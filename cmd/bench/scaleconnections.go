package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// connectionCounts are the numbers of connections on the host.
var connectionCounts = []uint32{1000, 65_536, 1_000_000}

const (
	busyConnections = 1000 // those that frames pass in the end, of all
	busyFigure      = "CPU-with-1000-busy"
)

var connectionFigures = []struct{ name, unit string }{
	{kernelFigure, "MB"}, {memoryFigure, "MB"}, {cpuFigure, "%cpu"}, {busyFigure, "%cpu"},
}

// measureConnections measures ebpftop on a host with many connections, of which none or a
// thousand are busy.
func measureConnections(ctx context.Context, b *bench) (err error) {
	l, err := newScaleLab()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.grow(1); err != nil {
		return err
	}
	for _, count := range connectionCounts {
		for range b.rounds {
			values, err := connectionsOn(ctx, b, l, count)
			if err != nil {
				return fmt.Errorf("%d connections: %w", count, err)
			}
			for _, f := range connectionFigures {
				b.report(figure{fmt.Sprintf("what=%s/connections=%d", f.name, count), "ebpftop", f.unit}, values[f.name]...)
			}
		}
	}
	return nil
}

func connectionsOn(ctx context.Context, b *bench, l *scaleLab, count uint32) (v screenValues, err error) {
	room := fmt.Sprint(max(65_536, count+count/4))
	s := scaleSubject{values: make(screenValues), screenProgram: screenProgram{
		name: "ebpftop", command: []string{b.program, "--max-connections", room, "--idle", "other=0"},
		full: []string{scalePrefix, "lost "},
	}}
	t, err := s.show(ctx, l.host, s.values)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := l.converse(ctx, conversations{connections: count}, func(sent uint64) bool { return sent >= uint64(count) }); err != nil {
		return nil, err
	}
	listed := fmt.Sprintf(" %s · 0 new/s", withCommas(count))
	if _, err := t.await(ctx, listed, func(text string) bool { return strings.Contains(text, listed) }); err != nil {
		return nil, err
	}
	if err := sleep(ctx, settling); err != nil {
		return nil, err
	}
	if err := s.watch(ctx, t, s.values); err != nil {
		return nil, err
	}
	if err := s.count(t.cmd.Process.Pid); err != nil {
		return nil, err
	}
	busy := make(screenValues)
	deadline := time.Now().Add(settling + watching)
	var watchErr error
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if watchErr = sleep(ctx, settling); watchErr == nil {
			watchErr = s.watch(ctx, t, busy)
		}
	}()
	err = l.converse(ctx, conversations{connections: busyConnections, perSecond: 4 * busyConnections},
		func(uint64) bool { return time.Now().After(deadline) })
	<-watched
	s.values[busyFigure] = busy[cpuFigure]
	return s.values, errors.Join(err, watchErr)
}

// converse sends frames out of the host's first interface until there are enough.
func (l *scaleLab) converse(ctx context.Context, c conversations, enough func(sent uint64) bool) error {
	const name = scalePrefix + "0"
	to, err := l.far.Link(name)
	if err != nil {
		return err
	}
	sending, err := c.start(ctx, l.host, name, to)
	if err != nil {
		return err
	}
	for err == nil && !enough(sending.sent.Load()) {
		err = sleep(ctx, time.Millisecond)
	}
	_, stopErr := sending.stop()
	return errors.Join(err, stopErr)
}

func withCommas(n uint32) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
