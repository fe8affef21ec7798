package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// The figures of a host with many interfaces, besides those of screens.
const (
	startCPUFigure   = "CPU-to-first-sample"
	kernelFigure     = "kernel-memory"
	descriptorFigure = "descriptors"
	stopFigure       = "SIGTERM-to-exit"
	waitFigure       = "RTNL-wait"
	worstFigure      = "worst-RTNL-wait"
)

var scaleFigures = []struct{ name, unit string }{
	{startCPUFigure, "s"}, {startFigure, "ms"}, {kernelFigure, "MB"}, {memoryFigure, "MB"},
	{descriptorFigure, "files"}, {cpuFigure, "%cpu"}, {stopFigure, "s"}, {waitFigure, "ms"}, {worstFigure, "ms"},
}

// scaleCounts are the numbers of interfaces, fewest first: a host is given more of
// them, since to remove a thousand takes the kernel seconds of everybody's time.
var scaleCounts = []int{2, 10, goalCount, 300, 1000}

// goalCount is the number of interfaces that most goals are about, and with which
// hooks are compared.
const goalCount = 110

// tcCount is the most that --hook tc is measured with.
const tcCount = 300

// scaleGoal is the most that ebpftop is to take at its default hook, 0 if there is no
// goal.
func scaleGoal(figure string, count int) float64 {
	switch {
	case figure == startFigure:
		return 300
	case figure == waitFigure:
		return 1
	case figure == worstFigure:
		return 30
	case figure == startCPUFigure && count == goalCount:
		return 0.3
	case figure == kernelFigure && count == goalCount:
		return 25
	case figure == descriptorFigure && count >= goalCount: // of fewer, those that it has anyway are more
		return float64(4 * count)
	}
	return 0
}

// scaleSubject is ebpftop, told where to count.
type scaleSubject struct {
	screenProgram
	args   []string
	values screenValues
}

// scaleSubjects are those to measure with that many interfaces, the default first.
func scaleSubjects(b *bench, count int) (subjects []*scaleSubject) {
	add := func(name string, args ...string) {
		program := screenProgram{
			name: name, command: slices.Concat([]string{b.program}, args), full: []string{scalePrefix, "lost "},
		}
		subjects = append(subjects, &scaleSubject{program, args, make(screenValues)})
	}
	add("ebpftop")
	if count >= goalCount && count <= tcCount {
		add("ebpftop-tc", "--hook", "tc")
	}
	return subjects
}

// measureScale measures ebpftop on a host with many interfaces, all of them quiet.
func measureScale(ctx context.Context, b *bench) (err error) {
	l, err := newScaleLab()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, count := range scaleCounts {
		if count > b.interfaces {
			break
		}
		if err := l.grow(count); err != nil {
			return err
		}
		for range b.rounds {
			for _, s := range scaleSubjects(b, count) {
				nobody := make(screenValues)
				if err := s.measure(ctx, b, l, nobody); err != nil {
					return fmt.Errorf("%d interfaces, %s: %w", count, s.name, err)
				}
				reportScale(b, count, s.name, s.values)
				reportScale(b, count, "nobody", nobody)
			}
		}
		wantScale(b, count)
	}
	return nil
}

func reportScale(b *bench, count int, who string, values screenValues) {
	for _, f := range scaleFigures {
		b.report(scaleFigure(f.name, count, who, f.unit), values[f.name]...)
	}
}

func scaleFigure(name string, count int, who, unit string) figure {
	return figure{fmt.Sprintf("what=%s/interfaces=%d", name, count), who, unit}
}

func wantScale(b *bench, count int) {
	for _, f := range scaleFigures {
		if limit := scaleGoal(f.name, count); limit > 0 {
			b.want(scaleFigure(f.name, count, "ebpftop", f.unit), goal{bound: atMost, limit: limit})
		}
	}
}

// measure runs the program for each kind of figure, so that none of them is of what
// it takes to measure another.
func (s *scaleSubject) measure(ctx context.Context, b *bench, l *scaleLab, nobody screenValues) error {
	if err := s.begin(ctx, b, l.host); err != nil {
		return err
	}
	if err := s.rest(ctx, l.host); err != nil {
		return err
	}
	took, err := s.disturb(ctx, l)
	if err != nil {
		return err
	}
	return l.awaitTurns(ctx, nobody, func() error { return sleep(ctx, took) })
}

// begin has the program print one sample, which it does once all is attached.
func (s *scaleSubject) begin(ctx context.Context, b *bench, host *lab.Namespace) error {
	running, err := startStats(ctx, b, host, slices.Concat(s.args, []string{"--interval", "50ms"})...)
	if err != nil {
		return err
	}
	used, err := usageOf(running.cmd.Process.Pid)
	s.values.add(startCPUFigure, used.cpu.Seconds())
	return errors.Join(err, running.stop())
}

// rest leaves the program alone on a terminal, and looks at what it holds.
func (s *scaleSubject) rest(ctx context.Context, host *lab.Namespace) error {
	t, err := s.show(ctx, host, s.values)
	if err != nil {
		return err
	}
	err = s.watch(ctx, t, s.values)
	if err == nil {
		err = s.count(t.cmd.Process.Pid)
	}
	took, stopErr := t.stop()
	s.values.add(stopFigure, took.Seconds())
	return errors.Join(err, stopErr)
}

// count counts what the process has open.
func (s *scaleSubject) count(pid int) error {
	memory, err := kernelMemory(pid)
	if err != nil {
		return err
	}
	s.values.add(kernelFigure, memory/1e6)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	s.values.add(descriptorFigure, float64(len(open)))
	return err
}

// disturb runs the program while others change interfaces, from before its start
// until after its end. It returns how long it ran.
func (s *scaleSubject) disturb(ctx context.Context, l *scaleLab) (took time.Duration, err error) {
	start := time.Now()
	err = l.awaitTurns(ctx, s.values, func() error {
		t, err := s.show(ctx, l.host, make(screenValues))
		if err != nil {
			return err
		}
		_, err = t.stop()
		return err
	})
	return time.Since(start), err
}

// show starts the program on a terminal, and waits until all is attached and it has
// come to rest.
func (s *scaleSubject) show(ctx context.Context, host *lab.Namespace, v screenValues) (*terminal, error) {
	t, err := s.open(ctx, host, screenSizes[0], os.TempDir(), v)
	if err != nil {
		return nil, err
	}
	_, err = t.await(ctx, "all attached", func(text string) bool { return !strings.Contains(text, "attaching") })
	if err == nil {
		err = sleep(ctx, settling)
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}
