package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/saver"
	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/inspect"
	"github.com/ebpftop/ebpftop/probes/keeper"
	"github.com/ebpftop/ebpftop/probes/supervise"
)

// beside are the processes at the side of one that gives up its rights. Each keeps the few
// that it works with.
type beside struct {
	inspector  *inspect.Inspector
	keeper     *keeper.Keeper    // nil: this process reaches the pins itself, or not at all
	links      *linksfile.Remote // nil without a file
	stops      *os.File          // where the supervisor is told that the process group is to stop
	saver      *saver.Saver      // nil until it is started, and if noSaver says why not
	noSaver    error
	expedite   *supervise.Expedite
	leavesRoot bool // when it is confined
}

const (
	superviseCommand = "supervise"
	inspectCommand   = "inspect"
	keepCommand      = "keep"
	followCommand    = "follow"
	stopFlag         = "stop"
)

// The descriptors of the sockets that the supervisor hands on.
const (
	firstExtra         = 3 // of exec.Cmd.ExtraFiles
	stopsDescriptor    = firstExtra
	keeperDescriptor   = firstExtra + 1
	linksDescriptor    = firstExtra + 2
	expediteDescriptor = firstExtra + 3
)

// ownCommand runs a subcommand of this very program.
func ownCommand(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", append([]string{name}, args...)...)
	cmd.Args[0] = os.Args[0]
	return cmd
}

// withBeside calls fn with processes at its side, so that this one can give up its rights.
// One of them only starts the others, whenever there is something to ask. A file of links is
// followed unless its path is empty.
func withBeside(ctx context.Context, file linksfile.File, fn func(*beside) error) (err error) {
	b := new(beside)
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.start(ctx, file); err != nil {
		return err
	}
	return fn(b)
}

func (b *beside) start(ctx context.Context, file linksfile.File) error {
	supervisor := ownCommand(superviseCommand, fmt.Sprintf("--%s=%d", stopFlag, syscall.Getpgrp()))
	supervisor.ExtraFiles = make([]*os.File, 4) // nil: none
	// Once it has them, they are its own: this process is told by their end that it has ended.
	defer func() {
		for _, file := range supervisor.ExtraFiles {
			file.Close() // nil closes nothing
		}
	}()
	var err error
	if supervisor.ExtraFiles[stopsDescriptor-firstExtra], b.stops, err = os.Pipe(); err != nil {
		return fmt.Errorf("open a pipe to the supervisor: %w", err)
	}
	if b.expedite, supervisor.ExtraFiles[expediteDescriptor-firstExtra], err = supervise.NewExpedite(); err != nil {
		return err
	}
	b.leavesRoot = confine.MayLeaveRoot()
	if b.leavesRoot && crossconnect.MakePinRoot() == nil {
		if b.keeper, supervisor.ExtraFiles[keeperDescriptor-firstExtra], err = keeper.New(); err != nil {
			return err
		}
		supervisor.Args = append(supervisor.Args, "--"+keepCommand)
	} // else keeping a pair will say why that cannot be
	if file.Path != "" {
		if err := errNoRights(); err != nil {
			return err
		}
		if b.links, supervisor.ExtraFiles[linksDescriptor-firstExtra], err = linksfile.OpenRemote(ctx, file); err != nil {
			return err
		}
		supervisor.Args = append(supervisor.Args, "--"+followCommand+"="+file.Path, trustArgument(file))
	}
	b.inspector, err = inspect.Start(supervisor)
	return err
}

// trustArgument is --trust-file as another process is told it.
func trustArgument(file linksfile.File) string { return fmt.Sprintf("--trust-file=%v", file.Trusted) }

// stopGroup has the process group stop, as Ctrl-Z does. It does not wait for that.
func (b *beside) stopGroup() error {
	if _, err := b.stops.Write([]byte{0}); err != nil {
		return fmt.Errorf("tell the supervisor to stop the process group: %w", err)
	}
	if !b.leavesRoot {
		return nil
	}
	// Because the supervisor is another user's by now, its signal does not reach this process.
	if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGTSTP); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

func (b *beside) close() error {
	var errs []error
	if b.stops != nil {
		errs = append(errs, b.stops.Close())
	}
	if b.keeper != nil {
		errs = append(errs, b.keeper.Close())
	}
	return errors.Join(append(errs, b.expedite.Close(), b.links.Close(), b.saver.Close(), b.inspector.Close())...)
}

// besideCommand is for ebpftop itself, as a process at the side of another.
func besideCommand(name string, run func(*cobra.Command) error) *cobra.Command {
	return &cobra.Command{
		Use:    name,
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			const kinds = os.ModeNamedPipe | os.ModeSocket
			if stat, err := os.Stdin.Stat(); err != nil || stat.Mode()&kinds == 0 || !isAskedByRoot() {
				return wrongUse(fmt.Errorf("%s is for ebpftop itself, which starts it when there is something to ask", name))
			}
			return run(cmd)
		},
	}
}

// isAskedByRoot tells whether a process of root's made the pipe or socket on standard input, which
// is then root's, too. Others could have root's process open files for them, whom sudo lets run
// ebpftop and nothing else. A process that is not root's opens nothing that its user may not.
func isAskedByRoot() bool {
	if os.Geteuid() != 0 {
		return true
	}
	var input unix.Stat_t
	return unix.Fstat(int(os.Stdin.Fd()), &input) == nil && input.Uid == 0
}

func newSuperviseCommand() *cobra.Command {
	var keeps bool
	var file linksfile.File
	var group int
	cmd := besideCommand(superviseCommand, func(*cobra.Command) error {
		expediter := supervise.OpenExpediter(handedOn(expediteDescriptor))
		if err := confine.Process(confine.Needs{Capabilities: confine.Supervising, StayRoot: true, PassedOn: true}); err != nil {
			return err
		}
		tasks := []supervise.Task{
			&supervise.Stopper{Group: group, In: handedOn(stopsDescriptor)},
			&supervise.Server{
				Command: func() *exec.Cmd { return ownCommand(inspectCommand) },
				In:      os.Stdin,
				Out:     os.Stdout,
				AtStart: true,
				Killed:  func() error { return inspect.WriteKilled(os.Stdout) },
			},
		}
		if expediter != nil {
			tasks = append(tasks, expediter)
		}
		if keeps {
			socket := handedOn(keeperDescriptor)
			tasks = append(tasks, &supervise.Server{
				Command: func() *exec.Cmd { return ownCommand(keepCommand) },
				In:      socket,
				Killed:  func() error { return keeper.WriteKilled(socket) },
			})
		}
		if file.Path != "" {
			tasks = append(tasks, &supervise.Server{
				Command: func() *exec.Cmd {
					return ownCommand(followCommand, "--file="+file.Path, trustArgument(file))
				},
				In:     handedOn(linksDescriptor),
				Always: true,
			})
		}
		return supervise.Supervise(tasks...)
	})
	cmd.Flags().IntVar(&group, stopFlag, 0, "stop `GROUP` of processes when told to")
	cmd.Flags().BoolVar(&keeps, keepCommand, false, "have a process for pins")
	cmd.Flags().StringVar(&file.Path, followCommand, "", "have a process that follows `FILE`")
	trustFlag(cmd, &file)
	return cmd
}

// handedOn is a descriptor that the supervisor was started with. Of the processes that it
// starts, one gets it, and no other.
func handedOn(descriptor int) *os.File {
	syscall.CloseOnExec(descriptor)
	return os.NewFile(uintptr(descriptor), fmt.Sprint("descriptor ", descriptor))
}

func newInspectCommand() *cobra.Command {
	return besideCommand(inspectCommand, func(*cobra.Command) error {
		// No Landlock: it would close the processes of others to us.
		if err := confine.Process(confine.Needs{Capabilities: confine.Inspecting, StayRoot: true, Looks: true}); err != nil {
			return err
		}
		return inspect.Serve(os.Stdin, os.Stdout)
	})
}

func newKeepCommand() *cobra.Command {
	return besideCommand(keepCommand, func(*cobra.Command) error {
		pins, err := crossconnect.NewPinKeeper()
		if err != nil {
			return err
		}
		needs := confine.Needs{
			Capabilities: confine.Keeping,
			StayRoot:     true,
			Pins:         true,
			Files:        &confine.Files{Change: []string{crossconnect.PinRoot}},
		}
		if err := confine.Process(needs); err != nil {
			return err
		}
		return keeper.Serve(os.Stdin, pins)
	})
}

func newFollowCommand() *cobra.Command {
	var file linksfile.File
	cmd := besideCommand(followCommand, func(cmd *cobra.Command) error {
		// No Landlock: where a link on the way leads, only the day will tell.
		if err := confine.Process(confine.Needs{Capabilities: confine.Following, StayRoot: true, Follows: true}); err != nil {
			return err
		}
		// It ends with the process that it works for, and not by a signal to all of a service.
		return linksfile.Serve(context.WithoutCancel(cmd.Context()), file, os.Stdin)
	})
	fileFlags(cmd, &file)
	return cmd
}
