package main

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// prompt is that of jobShells in these tests.
const prompt = "ready> "

// openShell opens a shell with job control on a terminal. There, $SELF is the program.
func openShell(t *testing.T, in *lab.Namespace, shell ...string) *screen {
	t.Helper()
	self := ebpftop(t)
	cmd := exec.CommandContext(t.Context(), shell[0], shell[1:]...)
	cmd.Env = append(self.Env, screenEnvironment...)
	cmd.Env = append(cmd.Env, "SELF="+self.Path, "ENV=", "HISTFILE=")
	s := openScreen(t, in, cmd)
	s.press("exec 2>/dev/tty; PS1='ready''> '; clear\r")
	s.await("the prompt", prompt)
	return s
}

// jobShells are shells with job control: those that Debian has.
var jobShells = [][]string{{"bash", "--norc", "--noprofile", "-i"}, {"dash", "-i"}}

// awaitShell awaits that the shell has no job any more, and reads lines. What is typed before
// that may be the job's.
func (s *screen) awaitShell() {
	s.t.Helper()
	s.awaitText("the shell alone", func(text string) bool {
		return !s.Emulator.IsAltScreen() && strings.Contains(text, prompt) && len(childrenOf(s.t, s.cmd.Process.Pid)) == 0
	})
}

// awaitCooked awaits the terminal as a shell has it.
func (s *screen) awaitCooked() {
	s.t.Helper()
	s.looks++ // what an earlier look has left on the screen is not the answer
	s.press(fmt.Sprintf("clear; stty -a; echo look' '%d.\r", s.looks))
	s.await("a terminal for lines", " icanon", " echo ", fmt.Sprintf("look %d.", s.looks), prompt)
	if s.Emulator.IsAltScreen() || strings.Contains(s.Text(), "hooks") {
		s.t.Errorf("the screen is still there:\n%s", s.Text())
	}
}

// TestSuspend has Ctrl-Z, and each signal that stops and continues, leave the terminal to
// the shell, and come back whole: started by the shell, and by a script of it.
func TestSuspend(t *testing.T) {
	labtest.RequireRoot(t)
	for _, shell := range jobShells {
		t.Run(shell[0], func(t *testing.T) {
			s := openShell(t, labtest.Namespace(t), shell...)
			for _, start := range []string{`"$SELF" --interval 100ms`, `sh -c '"$SELF" --interval 100ms; echo its end'`} {
				s.press("clear; " + start + "\r")
				s.await("the screen", "hooks", "q quit")
				s.press("\x1a")
				s.await("what goes on", "ebpftop: stopped, the kernel counts on", prompt)
				s.awaitCooked()
				s.press("bg\r")
				s.press("clear; echo still' here'\r")
				s.await("a shell that is left alone", "still here")
				s.awaitCooked()
				s.press("fg\r")
				s.await("the screen", "hooks", "q quit")
				s.awaitTick()
				s.press("\x1a")
				s.await("what goes on", "ebpftop: stopped", "Stopped", prompt)
				s.press("fg\r")
				s.await("the screen", "hooks", "q quit")
				s.awaitTick()
				s.press("q")
				s.awaitShell()
				s.awaitCooked()
			}
		})
	}
}

// TestStoppedFromElsewhere has somebody else stop it, by the signal that can be caught and
// by the one that cannot, and continue it.
func TestStoppedFromElsewhere(t *testing.T) {
	labtest.RequireRoot(t)
	for _, stop := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGSTOP} {
		t.Run(stop.String(), func(t *testing.T) {
			s := openShell(t, labtest.Namespace(t), jobShells[0]...)
			s.press("clear; \"$SELF\" --interval 100ms\r")
			s.await("the screen", "hooks", "q quit")
			for range 2 {
				if err := syscall.Kill(s.job(), stop); err != nil {
					t.Fatal(err)
				}
				s.await("the prompt", "Stopped", prompt)
				s.press("fg\r")
				s.awaitNo("Stopped")
				s.await("the screen", "hooks", "q quit")
				s.awaitTick()
			}
			s.press("q")
			s.awaitShell()
			s.awaitCooked()
		})
	}
}

// job is the process that the shell has started.
func (s *screen) job() int {
	s.t.Helper()
	children := childrenOf(s.t, s.cmd.Process.Pid)
	if len(children) != 1 {
		s.t.Fatalf("the shell has %d children", len(children))
	}
	return children[0]
}

// TestNoShell: without one that could continue it, it does not stop.
func TestNoShell(t *testing.T) {
	labtest.RequireRoot(t)
	cmd := ebpftop(t, "--interval", "100ms")
	cmd.Env = append(cmd.Env, screenEnvironment...)
	s := openScreen(t, labtest.Namespace(t), cmd)
	s.await("the screen", "hooks", "q quit")
	s.press("\x1a")
	s.await("why not", "not stopped: there is no shell here that could continue it")
	s.awaitTick()
	s.press("q")
	s.ended(0)
}

// TestSuspendOnTrial has the countdown go on while it is stopped, and says so.
func TestSuspendOnTrial(t *testing.T) {
	b := newBench(t, 2)
	s := openShell(t, b.hub, jobShells[0]...)
	s.press("clear; \"$SELF\" --interval 100ms\r")
	s.await("the interfaces", port(0), port(1))
	s.connect(form{a: port(0), b: port(1), trial: shortTrial})
	s.await("the countdown", "s left, c confirms, u takes back")
	s.awaitNo("press a to add") // a sample has the pair
	s.press("\x1a")
	s.await("the countdown", "ebpftop: the trial is over in ", " s all the same", prompt)
	b.awaitLost(0, 1) // the kernel ends it
	s.press("fg\r")
	s.await("no pair any more", "press a to add")
	s.press("q")
	s.awaitShell()
	b.awaitBare(b.hub, port(0), port(1))
}

// TestBackgroundJob is left alone by the terminal, and ends when it is terminated.
func TestBackgroundJob(t *testing.T) {
	labtest.RequireRoot(t)
	s := openShell(t, labtest.Namespace(t), jobShells[0]...)
	s.press("clear; \"$SELF\" --interval 100ms &\r")
	s.await("the prompt", prompt)
	time.Sleep(500 * time.Millisecond) // nothing tells that it has begun: it writes nothing
	s.awaitCooked()
	s.press("clear; kill %1; wait %1; echo ended=$?\r")
	s.await("its end", "ended=0")
	s.awaitCooked()
	// And one that was stopped before.
	s.press("clear; \"$SELF\" --interval 100ms\r")
	s.await("the screen", "hooks", "q quit")
	s.press("\x1a")
	s.await("the prompt", "ebpftop: stopped", prompt)
	pid := s.job()
	s.press("clear; kill %1\r") // bash continues it, too
	for deadline := time.Now().Add(patience); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not end")
		}
	}
	s.awaitCooked()
}

// TestTraceOnTerminalAsItWas: a signal that ends it with a trace finds the terminal as it
// was.
func TestTraceOnTerminalAsItWas(t *testing.T) {
	labtest.RequireRoot(t)
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV} {
		t.Run(signal.String(), func(t *testing.T) {
			s := openShell(t, labtest.Namespace(t), jobShells[0]...)
			s.press("clear; \"$SELF\" --interval 100ms\r")
			s.await("the screen", "hooks", "q quit")
			if err := syscall.Kill(s.job(), signal); err != nil {
				t.Fatal(err)
			}
			s.await("a trace", "goroutine", prompt)
			if s.Emulator.IsAltScreen() {
				t.Error("on the alternate screen")
			}
			if text := s.Text(); strings.Contains(ansi.Strip(text), "╭") {
				t.Errorf("beside our screen:\n%s", text)
			}
			s.awaitCooked()
		})
	}
}
