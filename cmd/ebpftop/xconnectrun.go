package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/ui"
)

func newXconnectRun() *cobra.Command {
	var file linksfile.File
	var guard sessionGuard
	var logs logFlags
	cmd := &cobra.Command{
		Use:   "run -f FILE",
		Short: "Connect the pairs of a file, and follow it, until the end",
		Long: `run connects the pairs of a file and follows every change of it, and of the
interfaces, until it ends; then nothing is connected any more. It logs each
change of a pair. A file that cannot be used changes nothing: the last good one
goes on. SIGHUP has it read the file again.

  links:
    eth1: eth2
    eth3: {peer: eth4, datapath: tc, wait: true}`,
		Args:              oneFile(&file.Path),
		ValidArgsFunction: completeFile,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file.Path == standardInput {
				return wrongUse(errors.New("-f -: run follows a file, which the standard input is not: name one"))
			}
			if err := errNoRights(); err != nil {
				return err
			}
			out, errOut := newBacklog(cmd.OutOrStdout()), newBacklog(cmd.ErrOrStderr())
			defer out.Close()
			defer errOut.Close()
			log, err := logs.logger(errOut, isJournal(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			// Before there is a process at our side, which is not to talk to it.
			manager, err := findServiceManager()
			if err != nil {
				log.Warn("service manager not told", "reason", oneLine(err))
			}
			defer manager.Close()
			r := &linksRun{file: file, guard: &guard, log: log, out: out, manager: manager}
			if logs.isJSON() {
				r.out = nil
			}
			return withBeside(cmd.Context(), file, func(b *beside) error { return r.begin(cmd.Context(), b) })
		},
	}
	fileFlags(cmd, &file)
	guard.register(cmd, adviseYes)
	logs.register(cmd)
	return cmd
}

// retryInterval is how long a pair that could have been connected may wait.
const retryInterval = time.Second

// linksRun is a running `xconnect run`: it keeps a set of pairs as a file says.
type linksRun struct {
	file     linksfile.File
	remote   *linksfile.Remote
	pairs    *crossconnect.PairSet
	guard    *sessionGuard
	log      *slog.Logger
	out      io.Writer // for people; nil if all goes into the log
	follower *linksfile.Follower
	manager  *serviceManager
	said     *runLog
	trouble  string // with following the interfaces, as it was said
	reading  bool   // the file, because SIGHUP asked for it
}

// begin gives up what rights it can, and runs until the context ends.
func (r *linksRun) begin(ctx context.Context, b *beside) (err error) {
	pairs, err := crossconnect.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pairs.Close()) }()
	pairs.LookAt, pairs.Stop, pairs.Expedite = b.inspector.LookAt, ctx.Done(), b.expedite.Begin
	r.guard.arm(b.inspector.Sessions)
	if err := b.confineWatching(); err != nil {
		return err
	}
	r.remote, r.pairs = b.links, pairs
	return r.run(ctx)
}

// run goes on until ctx ends. A file that is no good at the start is an error; later on it
// is said, and changes nothing.
func (r *linksRun) run(ctx context.Context) (err error) {
	hangups := listenForHangups()
	// Subscribed before the first look, so that no interface falls between.
	changed, err := crossconnect.Changes(ctx)
	if err != nil {
		return err
	}
	r.follower = linksfile.Follow(ctx, r.remote, r.setPairs)
	switch err := r.follower.Use(<-r.follower.Versions()); {
	case errors.Is(err, crossconnect.ErrLocked) && ctx.Err() != nil:
		return nil // terminated while it waited for another process
	case err != nil:
		return err
	}
	kept, err := crossconnect.OpenKept()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	r.said = newRunLog(r.log, r.file.Path, r.pairs, kept)
	r.inForce()
	r.look()
	r.manager.ready()
	return r.loop(ctx, changed, hangups)
}

func (r *linksRun) loop(ctx context.Context, changed <-chan struct{}, hangups <-chan os.Signal) error {
	// An interface that comes and goes may refuse at one moment, and nothing
	// tells that it would not at the next.
	again := time.NewTicker(retryInterval)
	defer again.Stop()
	pings := r.manager.pings()
	wasTerminal := onTerminal()
	for {
		select {
		case <-ctx.Done():
			r.end(context.Cause(ctx))
			return nil
		case version, ok := <-r.follower.Versions():
			if !ok {
				r.end(context.Cause(ctx))
				return nil
			}
			r.use(version)
		case <-changed:
			r.retry()
			r.follow(r.pairs.Reconcile)
		case <-again.C:
			r.retry()
			r.follow(r.pairs.RetryWaiting)
		case <-pings:
			r.manager.alive()
			continue
		case <-hangups:
			if wasTerminal && !onTerminal() {
				r.end(errors.New("the terminal is gone"))
				return nil
			}
			r.reread()
		}
		r.look()
	}
}

// use takes up a version of the file.
func (r *linksRun) use(version linksfile.Version) {
	if err := r.follower.Use(version); err != nil {
		r.log.Warn("file not in force", "reason", oneLine(err))
	} else {
		r.inForce()
	}
	if r.reading {
		r.reading = false
		r.manager.ready()
	}
}

// retry takes up the last version of the file if that was refused. It does not repeat a
// reason that stays.
func (r *linksRun) retry() {
	before := r.follower.Problem()
	if before == nil {
		return
	}
	switch err := r.follower.Retry(); {
	case err == nil:
		r.inForce()
	case err.Error() != before.Error():
		r.log.Warn("file not in force", "reason", oneLine(err))
	}
}

// inForce says that the file is.
func (r *linksRun) inForce() {
	n := r.follower.Links()
	if r.out == nil {
		r.log.Info("file in force", "file", r.file.Path, "links", n)
		return
	}
	links := "links"
	if n == 1 {
		links = "link"
	}
	_, _ = fmt.Fprintf(r.out, "%s: %d %s active\n", ui.Escape(r.file.Path), n, links) // whether anybody reads it or not
}

// follow keeps up with interfaces. What goes wrong is said once, not each time.
func (r *linksRun) follow(follow func() error) {
	trouble := ""
	if err := follow(); err != nil {
		trouble = oneLine(err)
	}
	switch {
	case trouble == r.trouble:
	case trouble == "":
		r.log.Info("interfaces are followed again")
	default:
		r.log.Error("cannot follow the interfaces", "reason", trouble)
	}
	r.trouble = trouble
}

// reread has the file read again, whether it changed or not.
func (r *linksRun) reread() {
	r.log.Info("SIGHUP: reading the file again", "file", r.file.Path)
	r.reading = true
	r.manager.reloading()
	r.follower.Reread()
}

// end says why all ends.
func (r *linksRun) end(reason error) {
	r.manager.stopping()
	r.log.Info("ending: the pairs of the file are disconnected", "reason", oneLine(reason))
}

// look says what became of the pairs, to the log and to the service manager.
func (r *linksRun) look() {
	summary := r.said.look(time.Now())
	if err := r.follower.Problem(); err != nil {
		summary += "; " + oneLine(err)
	}
	r.manager.setStatus(summary)
}

// listenForHangups delivers SIGHUP, which then ends the command no more. If it was ignored
// when the command started, it stays so.
func listenForHangups() <-chan os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return nil
	}
	signal.Ignore(syscall.SIGHUP) // which also takes it from what ends the command
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups
}

// onTerminal tells whether the command has one. Once a terminal is gone, it is none.
func onTerminal() bool {
	return slices.ContainsFunc([]*os.File{os.Stdin, os.Stdout, os.Stderr}, func(f *os.File) bool { return term.IsTerminal(f.Fd()) })
}

// setPairs makes these the pairs, unless they would cut off the SSH session.
func (r *linksRun) setPairs(pairs []crossconnect.Pair) error {
	before, err := r.pairs.Pairs()
	if err != nil {
		return err
	}
	if err := r.guard.check(before, pairs); err != nil {
		return err
	}
	return r.pairs.Set(pairs, 0)
}
