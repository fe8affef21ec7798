// Package confine gives up, for good, what the process does not need any more:
// capabilities, files, system calls, the execution of programs. If ebpftop is
// compromised, the attacker cannot reach the rest of the host.
package confine

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"
)

// Needs are what the process goes on to need.
type Needs struct {
	// Capabilities to keep, of those that it has.
	Capabilities []libcap.Value
	// PassedOn gives them also to the programs that the process executes, whoever runs
	// it; root's programs have them anyway.
	PassedOn bool
	// Files it still opens. Nil leaves files to its capabilities, for a process that looks
	// at others, or executes programs.
	Files *Files
	// AnyCall leaves system calls alone, for a process that executes the programs of others.
	AnyCall bool
}

// Process confines all threads of the process, and all that it may execute. A
// kernel without Landlock confines no files, and one without seccomp no system calls.
func Process(needs Needs) error {
	// The time zone is read from a file, the first time it is asked for.
	_ = time.Local.String()
	if err := keepCapabilities(needs.Capabilities, needs.PassedOn); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if _, err := libcap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("forgo new privileges: %w", err)
	}
	if needs.Files != nil {
		if err := needs.Files.restrict(); err != nil {
			return fmt.Errorf("restrict to the files needed: %w", err)
		}
	}
	if needs.AnyCall {
		return nil
	}
	return restrictCalls(needs.calls())
}
