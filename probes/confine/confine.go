// Package confine gives up, for good, what the process does not need any more:
// capabilities, files, system calls, the execution of programs. If ebpftop is
// compromised, the attacker cannot reach the rest of the host.
package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"
)

// Needs are what the process goes on to need.
type Needs struct {
	// Capabilities to keep, of those that it has.
	Capabilities []libcap.Value
	// StayRoot leaves the process root's. Otherwise it becomes that of a user who owns nothing,
	// if MayLeaveRoot.
	StayRoot bool
	// PassedOn gives the capabilities also to the programs that the process executes, whoever
	// runs it; root's programs have them anyway. System calls are those of all of them.
	PassedOn bool
	// Files it still opens. Nil leaves files to its user and capabilities, for a process that
	// looks at others, or executes programs.
	Files *Files
	// Asks the kernel, by bpf(2), netlink and packet sockets.
	Asks bool
	// Looks at what the kernel has, by bpf(2) and netlink, and makes nothing there.
	Looks bool
	// Pins, and opens what is pinned; by Asks, it does more with it.
	Pins bool
	// Follows files, by inotify.
	Follows bool
	// Serves whoever connects to sockets that are open and listened at.
	Serves bool
	// Tries what the kernel can do, also in a network namespace of its own.
	Tries bool
	// ExecutesOthers leaves most system calls alone, for a process that executes the programs
	// of others. All else of them is left out then.
	ExecutesOthers bool
}

// errCgo: threads that C may have started are confined by signals to each (libcap's psx), and
// the last of these are refused by the filter that comes with them: it never ends.
var errCgo = errors.New("this ebpftop was built with cgo, and so cannot give up its rights: build it with CGO_ENABLED=0")

// Process confines all threads of the process, and all that it may execute. A
// kernel without Landlock confines no files, and one without seccomp no system calls.
func Process(needs Needs) error {
	if builtWithCgo {
		return errCgo
	}
	// The time zone is read from a file, the first time it is asked for.
	_ = time.Local.String()
	if !needs.StayRoot && MayLeaveRoot() {
		if err := leaveRoot(); err != nil {
			return fmt.Errorf("give up being root: %w", err)
		}
	}
	if err := keepCapabilities(needs.Capabilities, needs.PassedOn); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := closeToOthers(); err != nil {
		return fmt.Errorf("close the process to others: %w", err)
	}
	if _, err := libcap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("forgo new privileges: %w", err)
	}
	if needs.Files != nil {
		if err := needs.Files.restrict(); err != nil {
			return fmt.Errorf("restrict to the files needed: %w", err)
		}
	}
	if needs.ExecutesOthers {
		return filterCalls(filterWithout(callsOfNobody()))
	}
	return filterCalls(filterOf(withSocketcall(needs.calls())))
}

// closeToOthers keeps other processes of the same user from looking into this one. Before
// Linux 5.14, it then cannot look at its own descriptors either, whose files in
// /proc/self/fdinfo are root's: there it stays open to who has its user and at least its
// capabilities, which is nobody once root is left (cap_ptrace_access_check() in the kernel's
// security/commoncap.c).
func closeToOthers() error {
	const closed, open = 0, 1
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, closed, 0, 0, 0); err != nil {
		return err
	}
	if _, err := os.ReadFile("/proc/self/fdinfo/0"); !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, open, 0, 0, 0)
}
