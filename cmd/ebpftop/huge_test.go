package main

import (
	"testing"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestHugeTerminal has a terminal say that it is of the largest size there is.
func TestHugeTerminal(t *testing.T) {
	cmd := ebpftop(t)
	cmd.Env = append(cmd.Env, screenEnvironment...)
	s := openScreen(t, labtest.Namespace(t), cmd)
	s.await("the screen", "ebpftop")
	if err := s.Resize(65535, 65535); err != nil {
		t.Fatal(err)
	}
	for range 3 { // pictures, of which the emulator shows a part
		before := s.lastOutput()
		s.awaitText("another picture", func(string) bool { return s.lastOutput().After(before) })
	}
	if kib := statusOf(t, cmd.Process.Pid, "VmHWM"); kib > 300<<10 {
		t.Errorf("%d KiB of memory", kib)
	}
	s.press("q")
	s.ended(0)
}
