// Package ui is the screen of ebpftop. Run shows what a probes.Source
// delivers until the user quits.
//
// Samples flow one way: source, presenter (which computes), box of one
// snapshot, model, panes, terminal. What the panes want to see flows back as a
// query.
package ui

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/terminal"
)

// Options configures Run.
type Options struct {
	// Version, Hostname and Kernel are shown in the header.
	Version, Hostname, Kernel string
	// Namespace is the network namespace, empty for that of the host.
	Namespace string
	// Interval is the source's at the start; + and - change it. Zero is 500 ms.
	Interval time.Duration
	// ASCII keeps every other character off the screen, see NeedsASCII.
	ASCII bool
	// Color is whether to draw in colour. Empty is ColorAuto.
	Color Color
	// Theme is what colours the screen has. Empty is ThemeTerminal.
	Theme Theme
	// Units are what rates and amounts are shown in at the start. Empty is UnitsBits.
	Units Units
	// Mouse has the mouse used at the start.
	Mouse bool
	// Location is the zone times are shown in. Nil is time.Local.
	Location *time.Location
	// Pairs changes cross-connects while Run runs. Run does not wait for its calls to
	// end. If it is nil, pairs can only be looked at.
	Pairs probes.PairEditor

	// Input and Output are the terminal. Nil is standard input, or the
	// controlling terminal where that is none, and standard output.
	Input  io.Reader
	Output io.Writer
	// Remote: a network is between us and the terminal, so that it is not asked what it
	// can do: its answer could come when only a shell waits for it.
	Remote bool
	// StopGroup stops the process group, as Ctrl-Z does, and does not wait for that. Nil is by
	// a signal of this process, which processes of other users do not get.
	StopGroup func() error
	// StopWarning is what pairs do not do while the process is stopped, as by Ctrl-Z; empty
	// if they go on.
	StopWarning string
	// Save writes what is on the screen, and the sample, to a file, and returns its path. Nil:
	// nothing can be saved.
	Save func(screen string, sample *probes.Sample) (path string, err error)
	// Environ is the environment as os.Environ has it. Nil is os.Environ().
	Environ []string

	now func() time.Time // by which trials are counted down; nil is time.Now
}

// setDefaults fills in what was left out.
func (o *Options) setDefaults() {
	if o.Interval <= 0 {
		o.Interval = 500 * time.Millisecond
	}
	if o.Units == "" {
		o.Units = UnitsBits
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
}

// Color is whether to draw in colour.
type Color = terminal.Color

// The values of Color: as the environment says, or not.
const (
	ColorAuto   = terminal.ColorAuto
	ColorAlways = terminal.ColorAlways
	ColorNever  = terminal.ColorNever
)

var (
	// ErrDumbTerminal: TERM names a terminal without a movable cursor.
	ErrDumbTerminal = terminal.ErrDumb
	// ErrNotTerminal: output goes to a file or a pipe.
	ErrNotTerminal = terminal.ErrNotTerminal
	// ErrTerminalClosed: the terminal went away while the screen was up.
	ErrTerminalClosed = errors.New("the terminal was closed")
	// ErrTerminalStuck: the terminal took no output when the screen was to
	// end. Its settings are restored, what it shows may not be.
	ErrTerminalStuck = errors.New("the terminal takes no output: left without clearing the screen")
)

// Run shows source on the terminal until the user quits, ctx ends or source
// fails. The end of ctx, as by a signal, is a regular one: Run returns nil, as
// it does when the user quits. It returns the source's error if that ended
// with one; after an end without error (a recording) the last sample stays up.
// Run does not close source. The terminal is restored in every case, as far
// as it lets itself be, see ErrTerminalStuck.
func Run(ctx context.Context, source probes.Source, opts Options) error {
	opts.setDefaults()
	return run(ctx, source, opts, newStyles(opts.Theme, opts.ASCII), defaultKeyMap(opts.ASCII))
}

func run(ctx context.Context, source probes.Source, opts Options, styles styleSet, keys keyMap) error {
	s, err := newSession(ctx, source, &opts, styles, keys)
	if err != nil {
		return err
	}
	s.start()
	return s.stop(s.wait())
}

// NeedsASCII reports whether the terminal is better off without UTF-8.
func NeedsASCII(getenv func(string) string) bool { return terminal.NeedsASCII(getenv) }

// Escape makes text that others chose safe to print on a terminal, in ASCII.
func Escape(s string) string { return terminal.Escaper{ASCII: true}.Text(s) }

// SI is a number with three significant digits and an SI prefix: "12.3 M", "7".
func SI(v float64) string { return strings.TrimRight(siUnit(v, ""), " ") }
