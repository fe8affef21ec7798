package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// grouping prints sums of connections in place of the connections, and ends when one is over
// a limit. The zero value does neither.
type grouping struct {
	name, exitOver string
	by             snapshot.GroupBy
	limit          *groupLimit
	ledger         *snapshot.Ledger
}

func (g *grouping) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&g.name, "by", "", "print sums by `WHAT`: owner, unit, remote, port, ...")
	flags.StringVar(&g.exitOver, "exit-over", "", "end with status 3 if a sum is over `LIMIT`: bps>10M")
}

// check checks the flags, and fills in what they mean.
func (g *grouping) check(cmd *cobra.Command) (err error) {
	for _, with := range []string{"by", "exit-over"} {
		if err := errTogether(cmd, with, "events", "active", "filter", "no-connections"); err != nil {
			return err
		}
	}
	if cmd.Flags().Changed("by") {
		if g.by, err = snapshot.ParseGroupBy(g.name); err != nil {
			return wrongUse(fmt.Errorf("--by %w", err))
		}
	}
	if cmd.Flags().Changed("exit-over") {
		if g.limit, err = parseGroupLimit(g.exitOver); err != nil {
			return wrongUse(fmt.Errorf("--exit-over %w", err))
		}
	}
	g.ledger = snapshot.NewLedger(g.of())
	return nil
}

// of is what sums are made of, also where only a limit is asked for.
func (g *grouping) of() snapshot.GroupBy {
	if g.by == snapshot.ByNothing {
		return snapshot.ByOwner
	}
	return g.by
}

// exitOver is the exit status where a sum is over the limit.
const exitOver exitStatus = 3

// wrap has a printer print sums, if that is asked for, and end at the limit.
func (g *grouping) wrap(write printer, asJSON bool, top uint) printer {
	return func(out io.Writer, s *probes.Sample, connections []probes.Connection) error {
		g.ledger.Take(s)
		groups := g.ledger.Groups(g.of(), s)
		if err := g.print(out, s, connections, groups, write, asJSON, top); err != nil {
			return err
		}
		if over := g.limit.exceeding(groups); over != nil {
			return overError{over: over, limit: g.limit}
		}
		return nil
	}
}

func (g *grouping) print(out io.Writer, s *probes.Sample, connections []probes.Connection, groups []snapshot.Group, write printer, asJSON bool, top uint) error {
	shown := groups
	if top > 0 && uint(len(shown)) > top {
		shown = shown[:top]
	}
	switch {
	case g.by == snapshot.ByNothing:
		return write(out, s, connections)
	case asJSON:
		return writeJSON(out, notNil(shown), "")
	}
	return printGroups(out, s.Time, g.by, shown, len(groups))
}

func printGroups(out io.Writer, at time.Time, by snapshot.GroupBy, groups []snapshot.Group, all int) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(table, "%s\trx bit/s\ttx bit/s\trx B\ttx B\tconnections\tended\t%s\n", at.Format(time.TimeOnly), by)
	for i := range groups {
		g := &groups[i]
		fmt.Fprintf(table, "\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", ui.SI(g.RXBPS), ui.SI(g.TXBPS),
			ui.SI(float64(g.RXBytes)), ui.SI(float64(g.TXBytes)), g.Connections, g.ConnectionsEnded, ui.Escape(g.Key))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d of %d\n\n", len(groups), all)
	return err
}

// groupLimit is a bound of one of a group's numbers.
type groupLimit struct {
	field string
	value float64
	text  string
}

// groupFields are the numbers that can have a limit.
var groupFields = map[string]func(*snapshot.Group) float64{
	"bps":         func(g *snapshot.Group) float64 { return g.RXBPS + g.TXBPS },
	"rx_bps":      func(g *snapshot.Group) float64 { return g.RXBPS },
	"tx_bps":      func(g *snapshot.Group) float64 { return g.TXBPS },
	"bytes":       func(g *snapshot.Group) float64 { return float64(g.RXBytes + g.TXBytes) },
	"rx_bytes":    func(g *snapshot.Group) float64 { return float64(g.RXBytes) },
	"tx_bytes":    func(g *snapshot.Group) float64 { return float64(g.TXBytes) },
	"packets":     func(g *snapshot.Group) float64 { return float64(g.RXPackets + g.TXPackets) },
	"connections": func(g *snapshot.Group) float64 { return float64(g.Connections) },
}

var limitPattern = regexp.MustCompile(`^([a-z_]+) *> *([0-9.]+)([kMGT]?)$`)

var siFactors = map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}

func parseGroupLimit(text string) (*groupLimit, error) {
	parts := limitPattern.FindStringSubmatch(text)
	if parts == nil || groupFields[parts[1]] == nil {
		return nil, fmt.Errorf("%q: use one of bps, rx_bps, tx_bps, bytes, rx_bytes, tx_bytes, packets, connections, then > and a number: 'bps>10M'", text)
	}
	value, err := strconv.ParseFloat(parts[2], 64)
	if err != nil {
		return nil, fmt.Errorf("%q: %q is no number", text, parts[2])
	}
	return &groupLimit{field: parts[1], value: value * siFactors[parts[3]], text: text}, nil
}

// exceeding returns the first group over the limit, nil if none is.
func (l *groupLimit) exceeding(groups []snapshot.Group) *snapshot.Group {
	if l == nil {
		return nil
	}
	number := groupFields[l.field]
	for i := range groups {
		if number(&groups[i]) > l.value {
			return &groups[i]
		}
	}
	return nil
}

// overError ends the command because a group is over the limit.
type overError struct {
	over  *snapshot.Group
	limit *groupLimit
}

func (e overError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.over.By, ui.Escape(e.over.Key), e.limit.text)
}

// isOver tells whether an error is the end that --exit-over asks for.
func isOver(err error) bool {
	_, is := errors.AsType[overError](err)
	return is
}
