// Command bench measures what ebpftop costs, beside what else does the same: in
// namespaces that it makes itself, in rounds that take turns, so that a noisy
// machine is as noisy for all of them. It prints a line for each figure of a round,
// in Go's format of benchmarks, and in the end, as errors, which goals were met.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// suites lists the measurements, in the order they run.
var suites = []struct {
	name    string
	measure func(context.Context, *bench) error
}{
	{"Packet", measurePackets},
	{"Trace", measureTracing},
	{"Wire", measureWires},
	{"Events", measureEvents},
	{"Screen", measureScreens},
	{"Growth", measureGrowth},
	{"Scale", measureScale},
	{"ScaleConnections", measureConnections},
	{"ScalePairs", measurePairs},
}

// bench is a run.
type bench struct {
	program    string // ebpftop's
	tests      string // where the binaries of the tests are
	rounds     int
	interfaces int // the most that a host is given
	out        *bufio.Writer
	log        io.Writer

	suite    string // that runs now
	values   map[figure][]float64
	outcomes []outcome
}

func run(args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errOut)
	program := flags.String("ebpftop", "./ebpftop", "the program to measure")
	tests := flags.String("tests", ".", "where ui.test, live.test and packets.test are, go test -c")
	rounds := flags.Int("rounds", 5, "rounds that take turns")
	only := flags.String("run", "", "suites whose name matches: packet, trace, wire, events, screen, growth, scale, scaleconnections, scalepairs")
	interfaces := flags.Int("interfaces", slices.Max(scaleCounts), "scale, scalepairs: this many at most")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	b := &bench{
		program: *program, tests: *tests, rounds: *rounds, interfaces: *interfaces,
		out: bufio.NewWriter(out), log: errOut,
	}
	err := b.runSuites(ctx, *only)
	if err := errors.Join(err, printGoals(errOut, b.outcomes), b.out.Flush()); err != nil {
		fmt.Fprintln(errOut, "bench:", err)
		return 1
	}
	return 0
}

func (b *bench) runSuites(ctx context.Context, only string) error {
	pattern, err := regexp.Compile("(?i)" + only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	for _, s := range suites {
		if !pattern.MatchString(s.name) {
			continue
		}
		fmt.Fprintln(b.log, "measuring", s.name, "...")
		b.suite, b.values = s.name, make(map[figure][]float64)
		if err := b.describe(); err != nil {
			return err
		}
		if err := s.measure(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
