package lab

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolatedVariable tells the program that Isolate executes where it is.
const isolatedVariable = "EBPFTOP_ISOLATED"

// Isolate moves the whole process into an empty network namespace of its own,
// by executing the program anew in one: it returns there, in a process with
// the same id, arguments and open files, after all that came before it ran
// again. It returns in the old namespace only with an error.
func Isolate() error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("look up own program: %w", err)
	}
	here, err := os.Readlink(threadNamespace)
	if err != nil {
		return fmt.Errorf("look up own network namespace: %w", err)
	}
	// By name, so that a variable left over from elsewhere means nothing here.
	if os.Getenv(isolatedVariable) == here {
		return os.Unsetenv(isolatedVariable)
	}
	// Only this thread moves, and it is the one that survives exec. Where that
	// fails, no other goroutine may run on it.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	there, err := os.Readlink(threadNamespace)
	if err != nil {
		return fmt.Errorf("look up new network namespace: %w", err)
	}
	if err := os.Setenv(isolatedVariable, there); err != nil {
		return fmt.Errorf("name new network namespace: %w", err)
	}
	err = syscall.Exec(program, os.Args, os.Environ()) // returns only to fail
	return fmt.Errorf("execute %s in its network namespace: %w", program, err)
}
