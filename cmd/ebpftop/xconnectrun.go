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

func newXconnectRun() *cobra.Command {
	var file linksfile.File
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
			if file.Path == standardInput {
				return wrongUse(errors.New("-f -: run follows a file, which the standard input is not: name one"))
			}
			return withInspector(func(inspector *inspect.Inspector) (err error) {
				pairs, err := crossconnect.New()
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, pairs.Close()) }()
				pairs.LookAt = inspector.LookAt
				guard.arm(inspector.Sessions)
				return runLinks(cmd.Context(), pairs, &guard, file, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
	}
	fileFlags(cmd, &file)
	requireFile(cmd)
	guard.register(cmd, adviseYes)
	return cmd
}

// retryInterval is how long a pair that could have been connected may wait.
const retryInterval = time.Second

// runLinks keeps a set of pairs as the file says until ctx ends. A file that is no good
// at the start is an error; later on it is said, and changes nothing. Once its
// pairs are connected, the process is confined to what it still needs.
func runLinks(ctx context.Context, pairs *crossconnect.PairSet, guard *sessionGuard, file linksfile.File, out, errOut io.Writer) error {
	// Subscribed before the first look, so that no interface falls between.
	changed, err := crossconnect.Changes(ctx)
	if err != nil {
		return err
	}
	follower, err := linksfile.Follow(ctx, file, func(list []crossconnect.Pair) error {
		before, err := pairs.Pairs()
		if err := cmp.Or(err, guard.check(before, list)); err != nil {
			return err
		}
		return pairs.Set(list, 0)
	})
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
		case version, ok := <-follower.Versions():
			if !ok {
				return nil
			}
			err := follower.Use(version)
			if err == nil {
				sayActive(out, file.Path, follower.Links())
			}
			switch {
			case err == nil && !started:
				needs, err := followingNeeds(file.Path)
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
				complain(err)
			}
		case <-changed:
			try(pairs.Reconcile)
		case <-again.C:
			try(pairs.RetryWaiting)
		}
	}
}

// sayActive says how many links are, whether anybody reads it or not.
func sayActive(out io.Writer, path string, n int) {
	links := "links"
	if n == 1 {
		links = "link"
	}
	_, _ = fmt.Fprintf(out, "%s: %d %s active\n", ui.Escape(path), n, links)
}
