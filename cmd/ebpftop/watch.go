package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/settings"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/live"
	"github.com/ebpftop/ebpftop/ui"
)

const (
	defaultDashboardInterval = 500 * time.Millisecond
	defaultStatsInterval     = time.Second
	shortestInterval         = 50 * time.Millisecond
	longestInterval          = time.Hour

	defaultMaxConnections = 65536
	mostMaxConnections    = 4 << 20 // 1.3 GB of kernel memory, see docs/scale.md
)

// watchFlags choose what to watch, for every command that watches.
type watchFlags struct {
	interfaces     []string
	hook           string
	netns          []string
	ports          []int
	protocolsOnly  bool
	noArgs         bool
	noExecs        bool
	noOwners       bool
	noDrops        bool
	maxConnections uint32
	idle           map[string]string
	interval       time.Duration
	color          string
	ascii          string
	units          string
	theme          string
	mouse          bool

	set    *pflag.FlagSet // these flags, which settings may set
	config string
}

// register adds the flags to a command, and --config.
func (w *watchFlags) register(cmd *cobra.Command, interval time.Duration) {
	w.define(interval)
	cmd.Flags().AddFlagSet(w.set)
	cmd.Flags().StringVar(&w.config, "config", "", "read your settings from `FILE`, or none")
	cmd.Flags().Lookup("config").Hidden = true // for want of a line: `ebpftop config` says it
}

func (w *watchFlags) define(interval time.Duration) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	w.set = flags
	flags.StringArrayVarP(&w.interfaces, "interface", "i", nil,
		"watch interface `NAME`, globs and lists, repeatable")
	flags.StringVar(&w.hook, "hook", string(probes.HookAuto),
		"`HOOK`: auto, tracepoint, xdp, xdp-generic, tc, clsact")
	flags.Lookup("hook").DefValue = "" // the text says it
	flags.StringArrayVar(&w.netns, "netns", nil,
		"watch namespace `NAME`, pid, container, or all")
	flags.IntSliceVar(&w.ports, "port", nil,
		"track connections of local port `N` only, repeatable")
	flags.BoolVar(&w.protocolsOnly, "protocols-only", false, "count no connections")
	flags.BoolVar(&w.noArgs, "no-args", false, "list programs without their arguments")
	flags.BoolVar(&w.noExecs, "no-execs", false, "neither watch nor list programs executed")
	flags.BoolVar(&w.noOwners, "no-owners", false, "do not look for the owners of connections")
	flags.BoolVar(&w.noDrops, "no-drops", false, "neither count nor list packets dropped")
	for _, name := range []string{"no-args", "no-execs", "no-owners", "no-drops"} {
		flags.Lookup(name).Hidden = true // leaveOutHelp says it
	}
	flags.Uint32Var(&w.maxConnections, "max-connections", defaultMaxConnections,
		"at most `N` for IPv4 and N for IPv6")
	flags.StringToStringVar(&w.idle, "idle", nil,
		"drop idle after `TIMES`: closed=15s,other=1m,tcp=5m")
	flags.Lookup("idle").DefValue = "" // the text says it
	flags.DurationVar(&w.interval, "interval", interval, "`TIME` between samples")
	// Because sudo removes the variables that say it. They are hidden for want of a line.
	flags.StringVar(&w.color, "color", string(ui.ColorAuto), "draw in colour: `WHEN` is auto, always or never")
	flags.StringVar(&w.ascii, "ascii", "auto", "draw with ASCII alone: `WHEN` is auto, true or false")
	flags.Lookup("ascii").NoOptDefVal = "true"
	flags.StringVar(&w.units, "units", string(ui.UnitsBits), "show `UNITS`: bits, bytes, bits-iec or bytes-iec")
	flags.StringVar(&w.theme, "theme", string(ui.ThemeTerminal), "colours by `THEME`: terminal, dark, light, high-contrast or mono")
	flags.BoolVar(&w.mouse, "mouse", true, "use the mouse: with shift, the terminal selects text")
	for _, name := range []string{"color", "ascii", "units", "theme", "mouse"} {
		flags.Lookup(name).Hidden = true
	}
}

// withSettings sets the flags that were not given as the files of settings and the
// environment say.
func (w *watchFlags) withSettings(ctx context.Context) (*settings.Settings, error) {
	s, err := settings.Load(ctx, w.config, w.set)
	if err != nil {
		return nil, wrongUse(err)
	}
	return s, wrongUse(s.Apply(w.set, explainSetting))
}

// imposed sets what the system's file of settings enforces, for a command that has no other
// settings.
func (w *watchFlags) imposed(ctx context.Context) error {
	s, err := settings.Load(ctx, settings.None, w.set)
	if err != nil {
		return wrongUse(err)
	}
	return wrongUse(s.Impose(w.set))
}

// options checks the flags.
func (w *watchFlags) options() (opts live.Options, err error) {
	defer func() { err = wrongUse(err) }()
	if opts.Hook, err = probes.ParseHook(w.hook); err != nil {
		return opts, fmt.Errorf("--hook: %w", err)
	}
	for _, name := range w.interfaces {
		if strings.Trim(name, ", ") == "" {
			return opts, fmt.Errorf("-i %q: name an interface, or leave -i out to watch all that are up", name)
		}
	}
	if slices.Contains(w.netns, "") {
		return opts, errors.New("--netns \"\": name a network namespace, a pid, a container, or all")
	}
	if len(w.netns) > 0 && opts.Hook != probes.HookAuto && opts.Hook != probes.HookTracepoint {
		return opts, fmt.Errorf("--netns with --hook %s: only the tracepoint counts in other network namespaces", w.hook)
	}
	for _, port := range w.ports {
		if port < 1 || port > 65535 {
			return opts, fmt.Errorf("--port %d: use a port from 1 to 65535", port)
		}
		opts.Ports = append(opts.Ports, uint16(port))
	}
	if w.maxConnections == 0 || w.maxConnections > mostMaxConnections {
		return opts, fmt.Errorf("--max-connections %d: use 1 to %d", w.maxConnections, mostMaxConnections)
	}
	if w.interval < shortestInterval || w.interval > longestInterval {
		return opts, fmt.Errorf("--interval %v: use %v to 1h", w.interval, shortestInterval)
	}
	if opts.Ageing, err = ageing(w.idle); err != nil {
		return opts, err
	}
	if _, _, err := w.look(os.Getenv); err != nil {
		return opts, err
	}
	if _, err := ui.ParseUnits(w.units); err != nil {
		return opts, fmt.Errorf("--units %w", err)
	}
	if _, err := ui.ParseTheme(w.theme); err != nil {
		return opts, fmt.Errorf("--theme %w", err)
	}
	opts.Interfaces = w.interfaces
	opts.Namespaces = w.netns
	opts.ProtocolsOnly = w.protocolsOnly
	opts.NoArgs, opts.NoExecs = w.noArgs, w.noExecs
	opts.NoOwners, opts.NoDrops = w.noOwners, w.noDrops
	opts.MaxConnections = w.maxConnections
	opts.Interval = w.interval
	return opts, nil
}

// look is how the screen is to look.
func (w *watchFlags) look(getenv func(string) string) (color ui.Color, ascii bool, err error) {
	switch color = ui.Color(w.color); color {
	case ui.ColorAuto, ui.ColorAlways, ui.ColorNever:
	default:
		return "", false, wrongUse(fmt.Errorf("--color %q: use auto, always or never", w.color))
	}
	switch w.ascii {
	case "auto":
		return color, ui.NeedsASCII(getenv), nil
	case "true", "false":
		return color, w.ascii == "true", nil
	}
	return "", false, wrongUse(fmt.Errorf("--ascii %q: use auto, true or false", w.ascii))
}

// ageing is the default one, changed by what --idle says.
func ageing(idle map[string]string) (probes.Ageing, error) {
	a := probes.Ageing{Closed: 15 * time.Second, Other: time.Minute, TCP: 5 * time.Minute}
	times := map[string]*time.Duration{"closed": &a.Closed, "other": &a.Other, "tcp": &a.TCP}
	for _, name := range slices.Sorted(maps.Keys(idle)) {
		if times[name] == nil {
			return a, fmt.Errorf("--idle %q: use closed, other or tcp", name)
		}
		after, err := time.ParseDuration(idle[name])
		if err != nil || after < 0 {
			return a, fmt.Errorf("--idle %s=%q: use a time such as 90s, or 0 for never", name, idle[name])
		}
		*times[name] = after
	}
	return a, nil
}
