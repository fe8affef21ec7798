package supervise

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
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
