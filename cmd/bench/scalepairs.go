package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The figures of many pairs.
const (
	inForceFigure = "start-to-in-force"
	listFigure    = "list"
)

var pairFigures = []struct {
	name, unit string
	limit      float64 // the most that is to be, with pairsGoal of them; 0: no goal
}{
	{inForceFigure, "s", 3}, {listFigure, "s", 0.3}, {stopFigure, "s", 2}, {waitFigure, "ms", 1}, {worstFigure, "ms", 30},
}

// pairCounts are the numbers of pairs, fewest first.
var pairCounts = []int{10, 50, pairsGoal}

const pairsGoal = 200

// measurePairs measures `xconnect run` with many pairs of quiet interfaces.
func measurePairs(ctx context.Context, b *bench) (err error) {
	l, err := newScaleLab()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, count := range pairCounts {
		if 2*count > b.interfaces {
			break
		}
		if err := l.grow(2 * count); err != nil {
			return err
		}
		for range b.rounds {
			values := make(screenValues)
			if err := l.awaitTurns(ctx, values, func() error { return connectPairs(ctx, b, l, count, values) }); err != nil {
				return fmt.Errorf("%d pairs: %w", count, err)
			}
			for _, f := range pairFigures {
				b.report(pairFigure(f.name, count, f.unit), values[f.name]...)
			}
		}
	}
	for _, f := range pairFigures {
		if f.limit > 0 {
			b.want(pairFigure(f.name, pairsGoal, f.unit), goal{bound: atMost, limit: f.limit})
		}
	}
	return nil
}

func pairFigure(name string, count int, unit string) figure {
	return figure{fmt.Sprintf("what=%s/pairs=%d", name, count), "ebpftop", unit}
}

// connectPairs runs until all pairs are in force, lists them, and stops.
func connectPairs(ctx context.Context, b *bench, l *scaleLab, count int, values screenValues) (err error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	links := filepath.Join(folder, "links.yaml")
	if err := os.WriteFile(links, pairLinks(count), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, b.program, "xconnect", "run", "--trust-file", "-f", links)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := l.host.Start(cmd); err != nil {
		return err
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		_ = cmd.Wait() // what it says is in errOut
		return fmt.Errorf("%v: %w: %s", cmd.Args, err, errOut.Bytes())
	}
	values.add(inForceFigure, time.Since(start).Seconds())
	running := &process{cmd: cmd, drained: make(chan struct{})}
	go func() {
		defer close(running.drained)
		_, _ = io.Copy(io.Discard, lines) // ends with the process
	}()
	listErr := listPairs(ctx, b, l, count, values)
	start = time.Now()
	err = running.stop()
	values.add(stopFigure, time.Since(start).Seconds())
	return errors.Join(listErr, err)
}

// listPairs lists them once, as another process.
func listPairs(ctx context.Context, b *bench, l *scaleLab, count int, values screenValues) error {
	start := time.Now()
	listed, err := output(l.host, exec.CommandContext(ctx, b.program, "xconnect", "list"))
	values.add(listFigure, time.Since(start).Seconds())
	if found := bytes.Count(listed, []byte(scalePrefix)); err == nil && found < 2*count {
		err = fmt.Errorf("%d interfaces are listed of %d: %s", found, 2*count, listed)
	}
	return err
}

// pairLinks is a file of links of that many pairs.
func pairLinks(count int) []byte {
	var file strings.Builder
	file.WriteString("links:\n")
	for i := range count {
		fmt.Fprintf(&file, "  %s%d: %s%d\n", scalePrefix, 2*i, scalePrefix, 2*i+1)
	}
	return []byte(file.String())
}
