package main

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
	"github.com/ebpftop/ebpftop/ui/terminal/emulated"
)

// mouseMode follows whether a terminal is to report the mouse.
type mouseMode struct {
	mu   sync.Mutex
	tail string // of the output, a sequence may be torn
	isOn bool
}

func (m *mouseMode) follow(output []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := m.tail + string(output)
	if on, off := strings.LastIndex(text, "\x1b[?1000h"), strings.LastIndex(text, "\x1b[?1000l"); on != off {
		m.isOn = on > off
	}
	m.tail = text[max(0, len(text)-len("\x1b[?1000h")+1):]
}

func (s *screen) awaitMouse(on bool) {
	s.t.Helper()
	s.awaitText(fmt.Sprint("the mouse reported: ", on), func(string) bool {
		s.mouse.mu.Lock()
		defer s.mouse.mu.Unlock()
		return s.mouse.isOn == on
	})
}

// TestMouse has it reported while the screen is there, and not one moment longer, however that
// ends or is left.
func TestMouse(t *testing.T) {
	labtest.RequireRoot(t)
	s := openShell(t, labtest.Namespace(t), jobShells[0]...)
	start := func(args string) {
		t.Helper()
		s.press("clear; \"$SELF\" --interval 100ms " + args + "\r")
		s.await("the screen", "hooks", "q quit")
	}
	start("")
	s.awaitMouse(true)
	x, y, ok := s.Find("Protocols")
	if !ok {
		t.Fatalf("no such pane:\n%s", s.Text())
	}
	s.press(emulated.Click(x, y))
	s.await("the focus", "━ Protocols")
	s.press("\x1a")
	s.await("the prompt", "ebpftop: stopped", prompt)
	s.awaitMouse(false)
	s.awaitCooked()
	s.press("fg\r")
	s.await("the screen", "hooks", "q quit")
	s.awaitMouse(true)
	s.press("m")
	s.await("what m did", "mouse off: the terminal selects text")
	s.awaitMouse(false)
	s.press("\x1a")
	s.await("the prompt", "ebpftop: stopped", prompt)
	s.press("fg\r")
	s.await("the screen", "hooks", "q quit")
	s.awaitTick()
	s.awaitMouse(false) // as it was
	s.press("m")
	s.awaitMouse(true)
	s.press("q")
	s.awaitShell()
	s.awaitMouse(false)
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGTERM, syscall.SIGHUP} {
		start("")
		s.awaitMouse(true)
		if err := syscall.Kill(s.job(), signal); err != nil {
			t.Fatal(err)
		}
		s.awaitMouse(false)
		s.awaitShell()
		s.awaitCooked()
	}
	start("--mouse=false")
	s.awaitTick()
	s.awaitMouse(false)
	s.press("q")
	s.awaitShell()
}
