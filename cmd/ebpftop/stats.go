package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/live"
	"github.com/ebpftop/ebpftop/ui"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

func newStatsCommand() *cobra.Command {
	var watch watchFlags
	var selected selection
	var groups grouping
	var asJSON, asEvents bool
	var count uint
	cmd := &cobra.Command{
		Use:     "stats",
		Short:   "Print the same numbers without a screen",
		Long:    "Print what the dashboard shows, once an interval; totals count from the start.",
		Example: `  sudo ebpftop stats --json --top 9 --count 1 | jq .connections`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := watch.withSettings(cmd.Context()); err != nil {
				return err
			}
			opts, err := watch.options()
			if err := cmp.Or(err, selected.check(cmd), groups.check(cmd), errTogether(cmd, "events", "json", "top", "active")); err != nil {
				return err
			}
			if cmd.Flags().Changed("count") && count == 0 {
				return wrongUse(errors.New("--count 0: use 1 or more, or leave it out"))
			}
			write := printTable
			switch {
			case asJSON:
				write = new(jsonPrinter).print
			case asEvents:
				write = new(eventPrinter).print
			}
			write = groups.wrap(write, asJSON, selected.top)
			if err := live.CheckLimits(opts); err != nil {
				return err
			}
			return withBeside(cmd.Context(), linksfile.File{}, func(b *beside) error {
				opts.Inspector, opts.Expedite, opts.Confine = b.inspector, b.expedite.Begin, b.confineWatching
				write := noteUnwatched(cmd.ErrOrStderr(), write)
				return runStats(cmd.Context(), opts, count, cmd.OutOrStdout(), selected, write)
			})
		},
	}
	watch.register(cmd, defaultStatsInterval)
	selected.register(cmd)
	groups.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object an interval, each on a line")
	cmd.Flags().BoolVar(&asEvents, "events", false, "one JSON object for what opens, closes, runs, drops")
	cmd.Flags().UintVar(&count, "count", 0, "stop after `N` intervals")
	return cmd
}

// runStats prints samples until it has printed count of them (0: no limit),
// the context ends, or nobody reads any more: all of these are a good end.
func runStats(ctx context.Context, opts live.Options, count uint, out io.Writer, selected selection, write printer) (err error) {
	source, err := live.New(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	buffered := bufio.NewWriterSize(out, 64<<10)
	for sample := range source.Samples() {
		if err := errors.Join(write(buffered, &sample, selected.of(&sample)), buffered.Flush()); err != nil {
			switch {
			case errors.Is(err, syscall.EPIPE):
				return nil
			case isOver(err):
				return err
			}
			return fmt.Errorf("write: %w", err)
		}
		if count--; count == 0 {
			return nil
		}
	}
	return source.Err()
}

// printer writes one sample, with these of its connections.
type printer func(out io.Writer, sample *probes.Sample, connections []probes.Connection) error

// statsObject is a sample as `stats --json` prints it, but for its connections.
type statsObject struct {
	Time             time.Time             `json:"time"`
	IntervalSeconds  float64               `json:"interval_seconds"`
	Interfaces       []probes.Interface    `json:"interfaces"`
	Totals           probes.Totals         `json:"totals"`
	Protocols        []probes.Protocol     `json:"protocols"`
	ConnectionsTotal int                   `json:"connections_total"`
	CrossConnects    []probes.CrossConnect `json:"cross_connects"`
	OthersUnknown    string                `json:"others_unknown"`
	OwnersProblem    string                `json:"owners_problem"`
	Owners           []snapshot.Group      `json:"owners"`
	Execs            *probes.Execs         `json:"execs"` // null if they are left out
	Drops            []probes.Drop         `json:"drops"` // null if they are left out
	DropsUnknown     string                `json:"drops_unknown"`
	DropsUnplaced    uint64                `json:"drops_unplaced"`
	Lost             lostObject            `json:"lost"`
}

// lostObject is what was lost, null in place of what is not looked for.
type lostObject struct {
	probes.Lost
	// They hide the fields of the same name.
	ExecEvents *uint64 `json:"exec_events"`
	Drops      *uint64 `json:"drops"`
}

func lostOf(s *probes.Sample) lostObject {
	lost := lostObject{Lost: s.Lost}
	if !s.Execs.LeftOut {
		lost.ExecEvents = &s.Lost.ExecEvents
	}
	if !s.Drops.LeftOut {
		lost.Drops = &s.Lost.Drops
	}
	return lost
}

// jsonPrinter prints a sample as a JSON object on a line.
type jsonPrinter struct {
	line   []byte // reused
	ledger *snapshot.Ledger
}

// owners returns the sums by owner.
func (p *jsonPrinter) owners(s *probes.Sample) []snapshot.Group {
	if p.ledger == nil {
		p.ledger = snapshot.NewLedger(snapshot.ByOwner)
	}
	p.ledger.Take(s)
	return p.ledger.Groups(snapshot.ByOwner, s)
}

func (p *jsonPrinter) print(out io.Writer, s *probes.Sample, connections []probes.Connection) error {
	object := statsObject{
		Time:             s.Time,
		IntervalSeconds:  s.Interval.Seconds(),
		Interfaces:       notNil(s.Interfaces),
		Totals:           s.Totals,
		Protocols:        notNil(s.Protocols),
		ConnectionsTotal: len(s.Connections),
		CrossConnects:    notNil(s.CrossConnects),
		OthersUnknown:    s.OthersUnknown,
		OwnersProblem:    s.OwnersProblem,
		Owners:           notNil(p.owners(s)),
		DropsUnknown:     s.Drops.Unknown,
		DropsUnplaced:    s.Drops.Unplaced,
		Lost:             lostOf(s),
	}
	if !s.Drops.LeftOut {
		object.Drops = notNil(s.Drops.Rows)
	}
	if execs := s.Execs; !execs.LeftOut {
		execs.Events = notNil(execs.Events)
		object.Execs = &execs
	}
	rest, err := encodeJSON(object, "")
	if err != nil {
		return err
	}
	p.line = append(p.line[:0], bytes.TrimSuffix(rest, []byte("}"))...)
	p.line = appendConnections(append(p.line, `,"connections":`...), connections)
	p.line = append(p.line, "}\n"...)
	_, err = out.Write(p.line)
	return err
}

func printTable(out io.Writer, s *probes.Sample, _ []probes.Connection) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "%s\thook\trx pps\trx bit/s\ttx pps\ttx bit/s\tmalformed\t\n", s.Time.Format(time.TimeOnly))
	for _, i := range s.Interfaces {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t\n", ui.Escape(i.Name), i.Hook,
			ui.SI(i.RXPPS), ui.SI(i.RXBPS), ui.SI(i.TXPPS), ui.SI(i.TXBPS), i.Malformed)
	}
	if t := &s.Totals; len(s.Interfaces) > 1 {
		fmt.Fprintf(table, "total\t\t%s\t%s\t%s\t%s\t\t\n",
			ui.SI(t.RXPPS), ui.SI(t.RXBPS), ui.SI(t.TXPPS), ui.SI(t.TXBPS))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	executed := fmt.Sprintf("%d programs executed, %s/s", s.Execs.Total, ui.SI(s.Execs.PerSecond))
	lost := fmt.Sprintf("%d connection and %d exec events", s.Lost.ConnectionEvents, s.Lost.ExecEvents)
	if s.Execs.LeftOut {
		executed = "programs left out"
		lost = fmt.Sprintf("%d connection events", s.Lost.ConnectionEvents)
	}
	_, err := fmt.Fprintf(out, "%d connections, %d new; %s; lost %s, evicted %d connections, %d ended; %s\n\n",
		len(s.Connections), s.NewConnections, executed, lost, s.Lost.ConnectionsEvicted, s.Lost.ConnectionsEnded, droppedText(s))
	return err
}

// droppedText is the sum of what was dropped.
func droppedText(s *probes.Sample) string {
	switch d := &s.Drops; {
	case d.LeftOut:
		return "drops left out"
	case d.Unknown != "" && d.Total == 0:
		return "drops unknown"
	default:
		return fmt.Sprintf("%d packets dropped, %s/s", d.Total, ui.SI(d.PerSecond))
	}
}
