package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ebpftop/ebpftop/probes/confine"
)

// saversOf returns the processes that make files for a dashboard.
func saversOf(t *testing.T, pid int) (savers []int) {
	for _, child := range childrenOf(t, pid) {
		if args := argumentsOf(child); len(args) > 1 && args[1] == saveCommand {
			savers = append(savers, child)
		}
	}
	return savers
}

// TestSave saves the screen for the user who called sudo, where only that user may.
func TestSave(t *testing.T) {
	b := newBench(t, 2)
	folder := t.TempDir()
	b.check(os.Chmod(filepath.Dir(folder), 0o711))
	b.check(os.Chown(folder, nobody, nobody))
	b.check(os.Chmod(folder, 0o700))
	cmd := ebpftop(t)
	cmd.Dir = folder
	cmd.Env = append(append(cmd.Env, screenEnvironment...), fmt.Sprint("SUDO_UID=", nobody))
	s := openScreen(t, b.hub, cmd)
	awaitLeftRoot(t, s.cmd.Process.Pid, confine.Watching...)
	savers := saversOf(t, s.cmd.Process.Pid)
	if len(savers) != 1 {
		t.Fatalf("the savers %v, want one", savers)
	}
	awaitConfined(t, savers[0])
	s.awaitLine("hooks")
	s.press("w")
	s.awaitLine("saved to", folder)
	files, err := filepath.Glob(folder + "/*")
	b.check(err)
	if len(files) != 1 {
		t.Fatalf("the files %v, want one", files)
	}
	info, err := os.Stat(files[0])
	b.check(err)
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != nobody || info.Mode() != 0o600 {
		t.Errorf("%s is of user %d with mode %v", files[0], stat.Uid, info.Mode())
	}
	text, err := os.ReadFile(files[0])
	b.check(err)
	screen, line, _ := strings.Cut(string(text), "\n\n{")
	if !strings.Contains(screen, "Interfaces") || strings.Contains(screen, "\x1b") {
		t.Errorf("saved another screen: %q", screen)
	}
	var sample struct {
		Interfaces []struct{ Name string }
	}
	if err := json.Unmarshal([]byte("{"+line), &sample); err != nil || len(sample.Interfaces) == 0 {
		t.Errorf("%v in %s", err, line)
	}

	b.check(os.Chmod(folder, 0o500))
	s.press("w")
	s.awaitLine("not saved", "permission denied")
	b.check(syscall.Kill(savers[0], syscall.SIGKILL))
	s.press("w")
	s.awaitLine("not saved", "start ebpftop again")
	s.press("q")
	s.ended(0)
}

// TestSaverStopped quits though the process that makes files was stopped by its user.
func TestSaverStopped(t *testing.T) {
	b := newBench(t, 2)
	cmd := ebpftop(t)
	cmd.Env = append(cmd.Env, screenEnvironment...)
	s := openScreen(t, b.hub, cmd)
	s.awaitLine("hooks")
	savers := saversOf(t, s.cmd.Process.Pid)
	if len(savers) != 1 {
		t.Fatalf("the savers %v, want one", savers)
	}
	awaitConfined(t, savers[0])
	b.check(syscall.Kill(savers[0], syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(savers[0], syscall.SIGKILL) }) // it may have ended
	s.press("q")
	b.await(func() error { // it has ended, though standard error has not, which the other one has, too
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		if err == nil && !strings.Contains(string(stat), ") Z ") {
			return errors.New("it goes on")
		}
		return nil // it is gone, or nobody has waited for it yet
	})
	b.check(syscall.Kill(savers[0], syscall.SIGKILL))
	s.ended(0)
}
