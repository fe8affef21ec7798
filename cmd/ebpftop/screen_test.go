package main

import (
	"bytes"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/ui/terminal/emulated"
)

// The keys that are no letters.
const (
	enter     = "\r"
	escape    = "\x1b"
	tab       = "\t"
	backspace = "\x7f"
	right     = "\x1b[C"
)

const (
	screenWidth, screenHeight = 200, 50
	shortTrial                = 10 * time.Second // the shortest of the form
)

var screenEnvironment = []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8"}

// screen is a terminal with a command on it.
type screen struct {
	*emulated.Terminal
	t      *testing.T
	cmd    *exec.Cmd
	errOut bytes.Buffer
	mouse  mouseMode
	exited chan struct{} // with err
	err    error
	looks  int // at a terminal that a shell has
}

func openScreen(t *testing.T, in *lab.Namespace, cmd *exec.Cmd) *screen {
	t.Helper()
	s := &screen{t: t, cmd: cmd, exited: make(chan struct{})}
	var err error
	if s.Terminal, err = emulated.Open(screenWidth, screenHeight, s.mouse.follow); err != nil {
		t.Fatal(err)
	}
	s.Attach(cmd)
	cmd.Stderr = &s.errOut
	if err := in.Start(cmd); err != nil {
		t.Fatal(errors.Join(err, s.Close()))
	}
	s.TTY.Close()
	go func() {
		defer close(s.exited)
		s.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails if it ended, as it should
		<-s.exited
		_ = s.Close() // done already where the terminal vanishes
	})
	return s
}

func (s *screen) lastOutput() time.Time {
	_, at, _ := s.See()
	return at
}

func (s *screen) shows(words string) bool { return strings.Contains(s.Text(), words) }

func (s *screen) press(keys ...string) {
	s.t.Helper()
	if err := s.Press(keys...); err != nil {
		s.t.Fatal(err)
	}
}

// awaitText looks at the screen after every output until it is as it should.
func (s *screen) awaitText(what string, fits func(text string) bool) string {
	s.t.Helper()
	timeout := time.After(patience)
	for {
		text, _, changed := s.See()
		if fits(text) {
			return text
		}
		select {
		case <-changed:
		case <-s.exited:
			s.t.Fatalf("%s: ended with %v, said %q. The screen:\n%s", what, s.err, s.errOut.String(), s.Text())
		case <-timeout:
			text := s.Text()
			s.t.Fatalf("%s: not seen. %s\nThe screen:\n%s", what, s.whereItIs(), text)
		}
	}
}

// whereItIs ends a command that does not go on, and says where its goroutines were, a line
// each: what they wait for, and the innermost functions of ours.
func (s *screen) whereItIs() string {
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return err.Error()
	}
	select {
	case <-s.exited:
	case <-time.After(patience):
		return "SIGQUIT does not end it."
	}
	var where strings.Builder
	for goroutine := range strings.SplitSeq(s.errOut.String(), "\n\n") {
		state, stack, _ := strings.Cut(goroutine, "\n")
		if ours := ourFunction.FindAllStringSubmatch(stack, 3); ours != nil {
			where.WriteString("\n" + state)
			for _, function := range ours {
				where.WriteString(" " + function[1])
			}
		}
	}
	if where.Len() == 0 {
		return s.errOut.String()
	}
	return where.String()
}

// ourFunction is one of ebpftop in the trace of a goroutine.
var ourFunction = regexp.MustCompile(`(?m)^github\.com/ebpftop/ebpftop/(\S+)\(`)

// await waits until the screen shows all the words.
func (s *screen) await(what string, words ...string) string {
	s.t.Helper()
	return s.awaitText(what, func(text string) bool { return containsAll(text, words) })
}

func (s *screen) awaitNo(words string) {
	s.t.Helper()
	s.awaitText("no "+words, func(text string) bool { return !strings.Contains(text, words) })
}

// awaitLine waits until one line of the screen shows all the words.
func (s *screen) awaitLine(words ...string) {
	s.t.Helper()
	s.awaitText("a line with "+strings.Join(words, ", "), func(text string) bool {
		return slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool { return containsAll(line, words) })
	})
}

func containsAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}

var clock = regexp.MustCompile(`\d\d:\d\d:\d\d`)

// awaitTick waits until the clock in the first line goes on.
func (s *screen) awaitTick() {
	s.t.Helper()
	now := func(text string) string {
		line, _, _ := strings.Cut(text, "\n")
		return clock.FindString(line)
	}
	before := now(s.Text())
	s.awaitText("the next second", func(text string) bool { return now(text) != "" && now(text) != before })
}

// ended waits for the end of the command.
func (s *screen) ended(want int) {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		text := s.Text()
		s.t.Fatalf("does not end. %s\nThe screen:\n%s", s.whereItIs(), text)
	}
	if got := status(s.t, s.err); got != want || s.errOut.Len() > 0 {
		s.t.Fatalf("ended with status %d, want %d, said %q. The screen:\n%s", got, want, s.errOut.String(), s.Text())
	}
}

// form is what to fill in to connect two interfaces.
type form struct {
	a, b     string
	datapath crossconnect.Datapath // both ways, empty is auto
	keep     bool
	trial    time.Duration
}

// fill opens the form and fills it in, up to what would happen.
func (s *screen) fill(f form) {
	s.t.Helper()
	s.press("a")
	s.refill(f)
}

// refill fills in the form that is open.
func (s *screen) refill(f form) {
	s.t.Helper()
	s.await("the form", "step 1 of 2")
	s.press(f.a, enter, f.b, enter)
	way := strings.Repeat(right, max(0, slices.Index([]crossconnect.Datapath{
		crossconnect.Auto, crossconnect.XDP, crossconnect.XDPGeneric, crossconnect.TC,
	}, f.datapath)))
	s.press(way, tab, way, tab)
	if f.keep {
		s.press(right)
	}
	s.press(tab)
	if f.trial == shortTrial {
		s.press(right)
	}
	s.press(enter)
	s.await("the review", "step 2 of 2")
}

// dashboard opens the dashboard in the switch, and waits until it knows the
// interfaces.
func (b *bench) dashboard(args ...string) *screen {
	b.t.Helper()
	cmd := ebpftop(b.t, append([]string{"--interval", "100ms"}, args...)...)
	cmd.Env = append(cmd.Env, screenEnvironment...)
	s := openScreen(b.t, b.hub, cmd)
	var ports []string
	for i := range b.hosts {
		ports = append(ports, port(i))
	}
	s.await("the interfaces", ports...)
	return s
}

// connect connects two ports of the switch from the keyboard.
func (s *screen) connect(f form) {
	s.t.Helper()
	s.fill(f)
	s.press(enter)
	s.awaitNo("step 2 of 2")
}
