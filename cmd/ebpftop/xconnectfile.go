package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/inspect"
	"github.com/ebpftop/ebpftop/ui"
)

func fileFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "file", "f", "", "`FILE` of links")
	if err := cmd.MarkFlagRequired("file"); err != nil {
		panic(err) // only if there is no such flag
	}
}

func newXconnectApply() *cobra.Command {
	var file string
	var trial trialFlag
	var guard sessionGuard
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the pairs of a file the kept ones, all or none",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := trial.check(cmd); err != nil {
				return err
			}
			data, err := linksfile.Read(file)
			if err != nil {
				return err
			}
			pairs, err := parseLinks(file, data)
			if err != nil {
				return err
			}
			err = withKept(func(kept *crossconnect.PairSet) error {
				before, err := kept.Pairs()
				if err := cmp.Or(err, guard.checkNow(trial, before, pairs)); err != nil {
					return err
				}
				return kept.Set(pairs, time.Duration(trial))
			})
			if err != nil {
				return err
			}
			return trial.say(cmd.OutOrStdout())
		},
	}
	fileFlag(cmd, &file)
	trial.register(cmd)
	guard.register(cmd, adviseTrial)
	return cmd
}

func parseLinks(file string, data []byte) ([]crossconnect.Pair, error) {
	check, err := crossconnect.Check()
	if err != nil {
		return nil, err
	}
	return linksfile.Parse(file, data, check)
}

func newXconnectRun() *cobra.Command {
	var file string
	var guard sessionGuard
	cmd := &cobra.Command{
		Use:   "run -f FILE",
		Short: "Connect the pairs of a file, and follow it, until the end",
		Long: `run connects the pairs of a file and follows every change of it, and of the
interfaces, until it ends; then nothing is connected any more. It prints a line
for each change. A file that cannot be used changes nothing: the last good one
goes on.

  links:
    eth1: eth2
    eth3: {peer: eth4, datapath: tc, wait: true}`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInspector(func(inspector *inspect.Inspector) (err error) {
				wiring, err := crossconnect.New()
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, wiring.Close()) }()
				wiring.LookAt = inspector.LookAt
				guard.arm(inspector.Sessions)
				return runLinks(cmd.Context(), wiring, &guard, file, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
	}
	fileFlag(cmd, &file)
	guard.register(cmd, adviseYes)
	return cmd
}

// retryInterval is how long a pair that could have been connected may wait.
const retryInterval = time.Second

// runLinks keeps set of pairs as the file says until ctx ends. A file that is no good
// at the start is an error; later on it is said, and changes nothing. Once its
// pairs are connected, the process is confined to what it still needs.
func runLinks(ctx context.Context, wiring *crossconnect.PairSet, guard *sessionGuard, file string, out, errOut io.Writer) error {
	// Subscribed before the first look, so that no interface falls between.
	changed, err := crossconnect.Changes(ctx)
	if err != nil {
		return err
	}
	versions, err := linksfile.Watch(ctx, file)
	if err != nil {
		return err
	}
	complain := func(err error) {
		fmt.Fprintln(errOut, "ebpftop:", oneLine(err))
	}
	try := func(follow func() error) {
		if err := follow(); err != nil {
			complain(err)
		}
	}
	// An interface that comes and goes may refuse at one moment, and nothing
	// tells that it would not at the next.
	again := time.NewTicker(retryInterval)
	defer again.Stop()
	for started := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case version, ok := <-versions:
			if !ok {
				return nil
			}
			err := useVersion(wiring, guard, file, version, out)
			switch {
			case err == nil && !started:
				needs, err := followingNeeds(file)
				if err != nil {
					return err
				}
				if err := confine.Process(needs); err != nil {
					return err
				}
				started = true
			case !started:
				return err
			case err == nil:
			default:
				complain(fmt.Errorf("%w: the last good links go on", err))
			}
		case <-changed:
			try(wiring.Reconcile)
		case <-again.C:
			try(wiring.RetryWaiting)
		}
	}
}

// useVersion makes a version of the file the set of pairs.
func useVersion(wiring *crossconnect.PairSet, guard *sessionGuard, file string, version linksfile.Version, out io.Writer) error {
	if version.Err != nil {
		return version.Err
	}
	pairs, err := parseLinks(file, version.Data)
	if err != nil {
		return err
	}
	before, err := wiring.Pairs()
	if err := cmp.Or(err, guard.check(before, pairs)); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := wiring.Set(pairs, 0); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	// They are, whether anybody reads it or not.
	links := "links"
	if len(pairs) == 1 {
		links = "link"
	}
	_, _ = fmt.Fprintf(out, "%s: %d %s active\n", ui.Escape(file), len(pairs), links)
	return nil
}
