package supervise

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestStopper has a group stopped for a byte, and for nothing else.
func TestStopper(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	asked, stops, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	ended := make(chan error)
	go func() { ended <- Supervise(&Stopper{Group: cmd.Process.Pid, In: asked}) }()
	if _, err := stops.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil {
		t.Fatal(err)
	}
	if !status.Stopped() || status.StopSignal() != syscall.SIGTSTP {
		t.Errorf("status %#x, not stopped by SIGTSTP", status)
	}
	stops.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestStopperOfAll is in the group that kill(2) takes for all processes: none is stopped.
func TestStopperOfAll(t *testing.T) {
	const inside = "EBPFTOP_TEST_INSIDE"
	if os.Getenv(inside) != "" {
		stopAll(t)
		return
	}
	labtest.RequireRoot(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestStopperOfAll$")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// stopAll is for the first process of a PID namespace.
func stopAll(t *testing.T) {
	other := exec.CommandContext(t.Context(), "sh", "-c", "trap 'exit 3' TSTP; echo ready; read line; exit 0")
	until, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	asked, stops, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	ended := make(chan error)
	go func() { ended <- Supervise(&Stopper{Group: 1, In: asked}) }()
	if _, err := stops.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	stops.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	until.Close()
	if err := other.Wait(); err != nil {
		t.Errorf("a process that is nobody's business was signalled: %v", err)
	}
}
