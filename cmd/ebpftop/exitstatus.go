package main

import (
	"errors"
	"path"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/packets"
)

// exitStatus ends the command with this status where all has been said.
type exitStatus int

func (exitStatus) Error() string { return "see above" }

// What the exit status means.
const (
	exitFailed   exitStatus = 1
	exitWrongUse exitStatus = 2
)

const exitStatusHelp = "Exit status: 0 done, 1 failed, 2 wrong use"

// wrongUse marks an error as a mistake in how the command was called. Errors that cobra
// finds need no mark.
func wrongUse(err error) error {
	if err == nil {
		return nil
	}
	return wrongUseError{err}
}

type wrongUseError struct{ error }

func (e wrongUseError) Unwrap() error { return e.error }

// noteStart makes all commands note that they were started. What goes wrong before (flags
// and arguments) is wrong use.
func noteStart(cmd *cobra.Command, started *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		noteStart(sub, started)
	}
}

// exitStatusOf returns the exit status after an error.
func exitStatusOf(err error, started bool) exitStatus {
	if err == nil {
		return 0
	}
	if status, ok := errors.AsType[exitStatus](err); ok {
		return status
	}
	if isOver(err) {
		return exitOver
	}
	_, marked := errors.AsType[wrongUseError](err)
	// Of -i, where no interface has that name.
	isNoName := errors.Is(err, path.ErrBadPattern) || errors.Is(err, packets.ErrEmptyName)
	if marked || !started || isNoName {
		return exitWrongUse
	}
	return exitFailed
}
