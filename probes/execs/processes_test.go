package execs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

func TestCompleteExec(t *testing.T) {
	cat := labtest.Program(t, "/bin/cat")
	cmd := exec.Command(cat, "-", "/dev/null")
	end := begin(t, cmd)
	seen := probes.Exec{PID: uint32(cmd.Process.Pid), Comm: "ebpftop-cat", ArgsTruncated: true}
	other := probes.Exec{PID: seen.PID, Comm: "another", ArgsTruncated: true}
	c := newCompleter(true)
	c.complete(&seen)
	c.complete(&other)
	end()
	if seen.PPID != uint32(os.Getpid()) || seen.Filename != cat || seen.ArgsTruncated ||
		!slices.Equal(seen.Args, []string{cat, "-", "/dev/null"}) {
		t.Errorf("%+v", seen)
	}
	if other.PPID != 0 || other.Filename != "" || other.Args != nil || !other.ArgsTruncated {
		t.Errorf("took another program's: %+v", other)
	}
}

// TestCompleteExecEnds has a command line whose reading does not end: that of no other process is
// waited for, and once it ends they are read again.
func TestCompleteExecEnds(t *testing.T) {
	c := newCompleter(true)
	dir := t.TempDir()
	endless, other := filepath.Join(dir, "endless"), filepath.Join(dir, "other")
	if err := errors.Join(unix.Mkfifo(endless, 0o600), os.WriteFile(other, []byte("sh\x00"), 0o600)); err != nil {
		t.Fatal(err)
	}
	seen := probes.Exec{ArgsTruncated: true}
	c.completeArgs(&seen, endless)
	c.completeArgs(&seen, other)
	if seen.Args != nil || !seen.ArgsTruncated {
		t.Errorf("%+v", seen)
	}
	writer, err := os.OpenFile(endless, os.O_WRONLY, 0)
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.reading <- struct{}{} // once nothing is read
	<-c.reading
	if c.completeArgs(&seen, other); !slices.Equal(seen.Args, []string{"sh"}) {
		t.Errorf("after that: %+v", seen)
	}
}
