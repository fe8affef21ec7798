package labtest

import (
	"flag"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// mountsVariable is set in a process whose mounts are its own.
const mountsVariable = "EBPFTOP_TEST_MOUNTS"

// InOwnMounts says whether the mounts of the process are its own.
func InOwnMounts() bool { return os.Getenv(mountsVariable) != "" }

// RerunInOwnMounts runs the test once more, in a process with a mount
// namespace of its own: what it mounts ends with it.
func RerunInOwnMounts(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v",
		"-test.skip="+flag.Lookup("test.skip").Value.String())
	cmd.Env = append(os.Environ(), mountsVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	output, err := cmd.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
}
