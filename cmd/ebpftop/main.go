// Command ebpftop shows live what the kernel sees: protocols, connections,
// executed programs, interfaces.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/environment"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole command, and returns its exit status.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	environment.Restore()
	// A reader that went away is an error to return, not a signal to die of.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()

	out, errOut = endable(ctx, out), endable(ctx, errOut)
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	started := false
	noteStart(root, &started)
	err := root.ExecuteContext(ctx)
	if _, said := errors.AsType[exitStatus](err); err != nil && !said {
		fmt.Fprintln(errOut, "ebpftop:", oneLine(err))
	}
	return int(exitStatusOf(err, started))
}

// oneLine is what an error says, fit for any terminal.
func oneLine(err error) string { return ui.Escape(probes.OneLine(err)) }

// endings are the signals that end the command in an orderly way. Those that
// were ignored when it started stay so: nohup means it, and so does a shell
// that starts a job in the background.
func endings() (signals []os.Signal) {
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signals = append(signals, s)
		}
	}
	return signals
}
