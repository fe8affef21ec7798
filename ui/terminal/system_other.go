//go:build !linux

package terminal

import "golang.org/x/sys/unix"

// dropBacklog and writeAtOnce do nothing, because only Linux opens a descriptor
// once more by its number: a terminal that is stuck has its settings restored.

func dropBacklog(int) {}

func writeAtOnce(int, string) {}

// raise sends a signal to this process.
func raise(s unix.Signal) { _ = unix.Kill(unix.Getpid(), s) }

// byDefault leaves the signal to Go, which ignores it: nothing is stopped.
func byDefault(unix.Signal) (restore func(), err error) { return func() {}, nil }
