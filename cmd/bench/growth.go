package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
)

// growthSuite is a Go benchmark whose names say how much there is.
type growthSuite struct {
	what    string
	tests   string // the binary of the package's tests
	pattern string
}

var growthSuites = []growthSuite{
	{"one poll", "live.test", "^BenchmarkSample$"},
	{"one frame, 200x50, made-up samples", "ui.test", "^BenchmarkRefresh$"},
	{countersRead, "packets.test", "^BenchmarkProtocolsPoll$"},
}

const (
	countersRead = "counters of an interface"
	manyCPUs     = 256
)

// measureGrowth runs benchmarks once: it takes longer to make a thousand
// interfaces than any noise does.
func measureGrowth(ctx context.Context, b *bench) error {
	for _, s := range growthSuites {
		rows, err := s.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		b.rows = append(b.rows, rows...)
		if s.what != countersRead {
			continue
		}
		cpus, err := ebpf.PossibleCPU()
		if err != nil {
			return err
		}
		computed := rows[0].Median / float64(cpus) * manyCPUs
		r := newRow(fmt.Sprintf("%s, cpus=%d (computed: linear)", s.what, manyCPUs), "ebpftop", "µs", []float64{computed})
		b.rows = append(b.rows, r.against(fmt.Sprintf("cpus=%d", cpus), computed/rows[0].Median, ""))
	}
	return nil
}

// benchmarkLine is a result: name, number of processors, runs, time.
var benchmarkLine = regexp.MustCompile(`^Benchmark\w+/(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op`)

// run compares with the first result, which is of the least there is.
func (s *growthSuite) run(ctx context.Context, b *bench) (rows []row, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(b.tests, s.tests), "-test.run", "^$", "-test.bench", s.pattern)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w: %s%s", cmd.Args, err, out, errOut.Bytes())
	}
	for line := range strings.Lines(string(out)) {
		found := benchmarkLine.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		took, err := strconv.ParseFloat(found[2], 64)
		if err != nil {
			return nil, err
		}
		r := newRow(s.what+", "+strings.ReplaceAll(found[1], "/", ", "), "ebpftop", "µs", []float64{took / 1e3})
		if len(rows) > 0 {
			r = r.against("the first", r.Median/rows[0].Median, "")
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return nil, errors.New("no results: " + string(out))
	}
	return rows, nil
}
