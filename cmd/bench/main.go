// Command bench measures what ebpftop costs, beside what else does the same: in
// namespaces that it makes itself, in rounds that take turns, so that a noisy
// machine is as noisy for all of them.
package main

import (
	"context"
	"encoding/json"
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

// suites are what there is to measure, in this order.
var suites = []struct {
	name    string
	measure func(context.Context, *bench) error
}{
	{"packet", measurePackets},
	{"wire", measureWires},
	{"watch", measureWatching},
	{"events", measureEvents},
	{"screen", measureScreens},
	{"growth", measureGrowth},
	{"scale", measureScale},
}

// bench is a run.
type bench struct {
	program    string // ebpftop's
	tests      string // where the binaries of the tests are
	rounds     int
	interfaces int // the most that a host is given
	rows       []row
	log        io.Writer
}

func run(args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errOut)
	program := flags.String("ebpftop", "./ebpftop", "the program to measure")
	tests := flags.String("tests", ".", "where ui.test, live.test and packets.test are, go test -c")
	rounds := flags.Int("rounds", 5, "rounds that take turns")
	only := flags.String("run", "", "suites whose name matches: packet, wire, watch, events, screen, growth, scale")
	interfaces := flags.Int("interfaces", slices.Max(scaleCounts), "scale: this many at most")
	asJSON := flags.Bool("json", false, "for a machine")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	b := &bench{program: *program, tests: *tests, rounds: *rounds, interfaces: *interfaces, log: errOut}
	if err := b.runSuites(ctx, *only); err != nil {
		fmt.Fprintln(errOut, "bench:", err)
		return 1
	}
	if err := b.print(out, *asJSON); err != nil {
		fmt.Fprintln(errOut, "bench:", err)
		return 1
	}
	return 0
}

func (b *bench) runSuites(ctx context.Context, only string) error {
	pattern, err := regexp.Compile(only)
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
		if err := s.measure(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (b *bench) print(out io.Writer, asJSON bool) error {
	if !asJSON {
		return printTable(out, b.rows)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(b.rows)
}
