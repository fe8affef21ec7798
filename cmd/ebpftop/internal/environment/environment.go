// Package environment takes from the environment, before the libraries are initialised,
// what makes them run programs or open files. It is to be imported by package main alone.
//
// Lip Gloss, while it is initialised, runs `tmux` where $TMUX is set, and reads a file of
// $TERMINFO for $TERM; Bubble Tea writes to the file $TEA_TRACE, cobra to
// $BASH_COMP_DEBUG_FILE. Because ebpftop is run by root in environments of others (sudo -E,
// setcap), it keeps the variables that it knows, and no others.
//
// It comes before them because Go initialises, of the packages whose imports are ready, the
// one that is first in the alphabet ("Program initialization" in the specification), and
// this one needs no more than package syscall, which they all need.
package environment

import "syscall"

// known are the variables that ebpftop and its libraries may see. One that ends in _ stands
// for all that begin so.
var known = []string{
	"PATH", "HOME", "TMPDIR", "SUDO_UID",
	"LANG", "LC_", "TZ", "RUNEWIDTH_EASTASIAN",
	"COLORTERM", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM_PROGRAM", "TERM_PROGRAM_VERSION",
	"WT_SESSION", "GOOGLE_CLOUD_SHELL", "SSH_TTY",
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
	"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "GOCOVERDIR", "GORACE",
	"EBPFTOP_",
}

// term is $TERM. It is kept from Lip Gloss, too, which takes the terminal for a dumb one
// then, and looks no further.
var term, hasTerm = clean()

// clean removes what is not known, and $TERM, which it returns.
func clean() (term string, hasTerm bool) {
	term, hasTerm = syscall.Getenv("TERM")
	for _, entry := range syscall.Environ() {
		if name, value := cut(entry); !isKnown(name) || name == "TZ" && isPath(value) {
			// An error is of a name that no Getenv finds either.
			_ = syscall.Unsetenv(name)
		}
	}
	return term, hasTerm
}

// Restore gives back $TERM. It is to be called when the libraries are initialised, first
// thing in main.
func Restore() {
	if hasTerm {
		_ = syscall.Setenv("TERM", term) // it was there before
	}
}

func isKnown(name string) bool {
	for _, k := range known {
		isPrefix := k[len(k)-1] == '_'
		if name == k || isPrefix && len(name) > len(k) && name[:len(k)] == k {
			return true
		}
	}
	return false
}

// isPath tells whether a time zone is a file of the user's choice, and not one of the
// system's by its name.
func isPath(zone string) bool {
	if zone != "" && (zone[0] == '/' || len(zone) > 1 && zone[:2] == ":/") {
		return true
	}
	for i := range len(zone) - 1 {
		if zone[i:i+2] == ".." {
			return true
		}
	}
	return false
}

// cut splits NAME=VALUE.
func cut(entry string) (name, value string) {
	for i := range len(entry) {
		if entry[i] == '=' {
			return entry[:i], entry[i+1:]
		}
	}
	return entry, ""
}
