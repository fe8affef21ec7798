package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/inspect"
)

// demoNeeds: besides watching, the demo goes on to enter its namespaces and to
// execute programs in them.
var demoNeeds = confine.Needs{Capabilities: append(slices.Clone(confine.Watching), libcap.SYS_ADMIN), AnyCall: true}

// watchingNeeds are those of the commands that watch, and follow a file of
// links unless that is empty.
func watchingNeeds(links string) (confine.Needs, error) {
	needs, err := followingNeeds(links)
	if dir, err := crossconnect.MakePinRoot(); err == nil {
		needs.Files.Change = []string{dir}
	} // else keeping a pair will say why that cannot be
	needs.Files.Terminals = []*os.File{os.Stdin, os.Stdout}
	return needs, err
}

// followingNeeds are those of following a file of links unless that is empty.
// Its directory may be closed to us but for CAP_DAC_READ_SEARCH, as that of the
// user is who called sudo.
func followingNeeds(links string) (needs confine.Needs, err error) {
	needs = confine.Needs{Capabilities: confine.Watching, Files: &confine.Files{}}
	if links == "" {
		return needs, nil
	}
	needs.Capabilities = append(slices.Clone(needs.Capabilities), libcap.DAC_READ_SEARCH)
	needs.Files.Read, err = linksfile.Directories(links)
	return needs, err
}

const (
	superviseCommand = "supervise"
	inspectCommand   = "inspect"
)

// ownCommand runs a subcommand of this very program.
func ownCommand(name string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", name)
	cmd.Args[0] = os.Args[0]
	return cmd
}

// withInspector calls fn beside a process that keeps the rights to look at what is not
// ours, so that this process can give them up. That one starts a third process to answer
// whenever there is a question.
func withInspector(fn func(*inspect.Inspector) error) (err error) {
	inspector, err := inspect.Start(ownCommand(superviseCommand))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inspector.Close()) }()
	return fn(inspector)
}

// errNotStartedByUs returns an error if somebody calls a command that is asked through a
// pipe.
func errNotStartedByUs(name string) error {
	if stat, err := os.Stdin.Stat(); err != nil || stat.Mode()&os.ModeNamedPipe == 0 {
		return wrongUse(fmt.Errorf("%s is for ebpftop itself, which starts it when there is something to ask", name))
	}
	return nil
}

// newSuperviseCommand is the command that withInspector starts.
func newSuperviseCommand() *cobra.Command {
	return &cobra.Command{
		Use:    superviseCommand,
		Hidden: true,
		Args:   noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := errNotStartedByUs(superviseCommand); err != nil {
				return err
			}
			if err := confine.Process(confine.Needs{Capabilities: confine.Inspecting, PassedOn: true}); err != nil {
				return err
			}
			return inspect.Supervise(func() *exec.Cmd { return ownCommand(inspectCommand) })
		},
	}
}

// newInspectCommand is the command that newSuperviseCommand starts.
func newInspectCommand() *cobra.Command {
	return &cobra.Command{
		Use:    inspectCommand,
		Hidden: true,
		Args:   noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := errNotStartedByUs(inspectCommand); err != nil {
				return err
			}
			// No Landlock: it would close the processes of others to us.
			if err := confine.Process(confine.Needs{Capabilities: confine.Inspecting}); err != nil {
				return err
			}
			return inspect.Serve(os.Stdin, os.Stdout)
		},
	}
}
