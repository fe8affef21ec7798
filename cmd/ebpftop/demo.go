package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/lab"
)

func newDemoCommand() *cobra.Command {
	var watch watchFlags
	var duration time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Look around in a small lab with traffic of its own",
		Long: `demo opens the dashboard in the switch of a lab whose hosts talk to each other:

  client --- to-client [br0] to-server --- server
  left   --- to-left         to-right  --- right
Left and right ping each other in vain: press a, connect to-left with to-right.
No packet leaves the lab, nothing remains of it. Programs are the whole host's.`,
		Example: `  sudo ebpftop demo --stats --duration 10s | jq .execs.total`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := watch.imposed(cmd.Context()); err != nil {
				return err
			}
			opts, err := watch.options()
			if err != nil {
				return err
			}
			if duration < 0 {
				return wrongUse(fmt.Errorf("--duration %v: use 0 or more", duration))
			}
			if err := lab.Isolate(); err != nil {
				return fmt.Errorf("demo: %w: run it as root", err)
			}
			ctx := cmd.Context()
			if duration > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, duration)
				defer cancel()
			}
			return withBeside(ctx, linksfile.File{}, func(b *beside) error {
				opts.Inspector, opts.Expedite, opts.Confine = b.inspector, b.expedite.Begin, b.confineDemo
				return runDemo(ctx, func(ctx context.Context) error {
					if asJSON {
						return runStats(ctx, opts, 0, cmd.OutOrStdout(), selection{}, new(jsonPrinter).print)
					}
					return runDashboard(ctx, &watch, opts, b, nil)
				})
			})
		},
	}
	watch.define(defaultDashboardInterval)
	cmd.Flags().AddFlagSet(watch.set)
	cmd.Flags().DurationVar(&duration, "duration", 0, "end after this `TIME`")
	cmd.Flags().BoolVar(&asJSON, "stats", false, "print JSON as stats --json does, no screen")
	return cmd
}

// runDemo calls show with traffic going on around it, in a lab whose switch is
// the network namespace of the process.
func runDemo(ctx context.Context, show func(context.Context) error) (err error) {
	hub, err := lab.Current()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	network, err := lab.Build(hub)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, network.Close()) }()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	traffic := make(chan error, 1)
	go func() { traffic <- network.Run(ctx) }()
	err = show(ctx)
	stop()
	return errors.Join(err, <-traffic)
}
