package execs

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The test binary runs itself for what Go cannot do in a process it wants to
// keep: become another program, or move to another mount namespace.
const (
	helperVariable = "EBPFTOP_TEST_HELPER"
)

// helper becomes another program, in the given way, and waits for its end.
func helper(t *testing.T, way, path string) (pid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestExecHelper$", path)
	cmd.Env = append(os.Environ(), helperVariable+"="+way)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return cmd.Process.Pid
}

// TestExecHelper is no test, but the helper's process.
func TestExecHelper(t *testing.T) {
	path := os.Args[len(os.Args)-1]
	switch os.Getenv(helperVariable) {
	case "execveat":
		t.Fatal(execveatMemory(path))
	case "thread":
		execInOtherThread(t, path)
	}
}

// execveatMemory executes a copy of the program in memory, by its descriptor.
func execveatMemory(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("ebpftop", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, content); err != nil {
		return err
	}
	empty, err := unix.BytePtrFromString("")
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings([]string{path, "by execveat"})
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(empty)),
		uintptr(unsafe.Pointer(&argv[0])), 0, unix.AT_EMPTY_PATH, 0)
	return errno
}

// execInOtherThread executes the program from a thread that is not the first.
func execInOtherThread(t *testing.T, path string) {
	runtime.LockOSThread() // for good: occupies the first thread, if it is that
	if unix.Gettid() == unix.Getpid() {
		go execInOtherThread(t, path)
		select {}
	}
	panic(syscall.Exec(path, []string{path, "by thread"}, nil))
}
