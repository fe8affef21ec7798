package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDropsLeftOut: with --no-drops none of our programs sees drops, and nothing says that
// there were none.
func TestDropsLeftOut(t *testing.T) {
	host, _ := pair(t)
	wantInOutput(t, host, nil, []string{" packets dropped, "}, []string{"drops left out"})
	wantInOutput(t, host, []string{"--no-drops"}, []string{"; drops left out"}, []string{"packets dropped"})
	wantInOutput(t, host, []string{"--json", "--no-drops"}, []string{`"drops":null,"drops_unknown"`, `"drops":null}`}, nil)
	for _, isLeftOut := range []bool{false, true} {
		s := openStats(t, host, fmt.Sprintf("--no-drops=%v", isLeftOut))
		if found := dropPrograms(t, s.cmd.Process.Pid); (found == 0) != isLeftOut {
			t.Errorf("drops left out: %v, %d programs loaded", isLeftOut, found)
		}
		s.stop(syscall.SIGTERM)
	}
	t.Run("screen", func(t *testing.T) {
		s := openDashboard(t, host, "--no-drops", "--interval", "100ms")
		s.press("6")
		s.await("that drops are left out", "not watched, because of --no-drops")
		s.press("q")
		s.ended(0)
	})
}

// dropPrograms returns how many of the drop programs a process holds.
func dropPrograms(t *testing.T, pid int) (found int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d descriptors: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && strings.HasPrefix(programName(t, string(text)), "drop_") { // as bpf/drops.bpf.c calls them
			found++
		}
	}
	return found
}
