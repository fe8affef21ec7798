package ui

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"
)

// NeedsASCII reports whether the terminal is better off without UTF-8: the
// locale does not promise it, or it is the Linux console, whose fonts lack
// most of the characters bars and frames are drawn with.
func NeedsASCII(getenv func(string) string) bool {
	if getenv("TERM") == "linux" {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := getenv(name); locale != "" {
			locale = strings.ToLower(locale)
			return !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8")
		}
	}
	return true
}

// getenv looks names up in an environment; the last of several counts.
func getenv(environ []string) func(string) string {
	return func(name string) (value string) {
		for _, entry := range environ {
			if v, ok := strings.CutPrefix(entry, name+"="); ok {
				value = v
			}
		}
		return value
	}
}

// What makes a terminal ready for a screen, and what makes it what it was. Lines
// must not wrap: a terminal can think that one is wider than we do.
const (
	enterScreen = ansi.SetModeAltScreenSaveCursor + ansi.ResetModeTextCursorEnable +
		ansi.ResetModeAutoWrap + ansi.SetModeBracketedPaste
	leaveScreen = ansi.ResetStyle + ansi.ResetModeBracketedPaste + ansi.SetModeAutoWrap +
		ansi.ResetModeAltScreenSaveCursor + ansi.SetModeTextCursorEnable
)

// terminal is the terminal as it was found, and the way back there.
type terminal struct {
	input  io.Reader
	output io.Writer
	opened *os.File // the controlling terminal, if we had to open it
	tty    *os.File // what state was taken from, nil if nothing is a terminal
	state  *term.State
	closed func() // called when the terminal is gone
}

// openTerminal refuses what cannot show a screen.
func openTerminal(opts *Options) (*terminal, error) {
	// With a slash, the library would look for what the terminal can do in any
	// file of the user's choice.
	if name := getenv(opts.Environ)("TERM"); name == "" || name == "dumb" || strings.Contains(name, "/") {
		return nil, ErrDumbTerminal
	}
	t := &terminal{input: opts.Input, output: opts.Output, closed: func() {}}
	if t.output == nil {
		t.output = os.Stdout
	}
	out, isFile := t.output.(*os.File)
	if isFile {
		if !term.IsTerminal(out.Fd()) {
			return nil, ErrNotTerminal
		}
		t.output = &watchedFile{File: out, t: t}
	}
	if t.input == nil {
		t.input = os.Stdin
		if !term.IsTerminal(os.Stdin.Fd()) {
			tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
			if err != nil {
				return nil, errors.New("standard input is not a terminal, and there is no controlling terminal to read keys from")
			}
			t.input, t.opened = tty, tty
		}
	}
	if in, ok := t.input.(*os.File); ok {
		t.input = &watchedFile{File: in, t: t}
		t.remember(in)
	}
	if t.tty == nil && isFile {
		t.remember(out)
	}
	return t, nil
}

func (t *terminal) remember(f *os.File) {
	if state, err := term.GetState(f.Fd()); err == nil {
		t.tty, t.state = f, state
	}
}

// enter makes the terminal ready, and asks whether it can take a picture before
// it shows it. Over a network the answer could come when nobody waits for it any
// more but a shell; Apple's prints the question.
func (t *terminal) enter(getenv func(string) string) error {
	if in, ok := t.input.(*watchedFile); ok && term.IsTerminal(in.Fd()) {
		if _, err := term.MakeRaw(in.Fd()); err != nil {
			return err
		}
	}
	modes := enterScreen
	if getenv("SSH_TTY") == "" && getenv("TERM_PROGRAM") != "Apple_Terminal" {
		modes += ansi.RequestModeSynchronizedOutput
	}
	_, err := t.output.Write([]byte(modes))
	return err
}

// leave makes the terminal what it was.
func (t *terminal) leave() {
	_, _ = t.output.Write([]byte(leaveScreen))
	if t.tty != nil {
		_ = term.Restore(t.tty.Fd(), t.state)
	}
}

// size is 0 by 0 if the terminal does not know it.
func (t *terminal) size() (width, height int) {
	if out, ok := t.output.(term.File); ok {
		width, height, _ = term.GetSize(out.Fd())
	}
	return width, height
}

// follow calls resized whenever the terminal was, until over.
func (t *terminal) follow(over <-chan struct{}, resized func(width, height int)) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGWINCH)
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			resized(t.size())
		case <-over:
			return
		}
	}
}

func (t *terminal) close() {
	if t.opened != nil {
		_ = t.opened.Close()
	}
}

// await waits for the program's end. Once that is due, by stop or leaving, it
// has only so long: a terminal that takes no bytes would hold it for ever.
func (t *terminal) await(ended <-chan error, stop, leaving <-chan struct{}) error {
	select {
	case err := <-ended:
		return err
	case <-stop:
	case <-leaving:
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		t.force()
		return ErrTerminalStuck
	}
}

// force restores the terminal without the program's help: its settings for
// sure, its contents if it takes a few bytes once the backlog is dropped.
func (t *terminal) force() {
	if t.tty == nil {
		return
	}
	fd := int(t.tty.Fd())
	_ = unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH)
	_ = term.Restore(uintptr(fd), t.state)
	// Opened once more to get a descriptor that never waits, without changing
	// the one others share. CAN ends a sequence that was cut off.
	name := "/proc/self/fd/" + strconv.Itoa(fd)
	if tty, err := unix.Open(name, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err == nil {
		_, _ = unix.Write(tty, []byte("\x18"+leaveScreen))
		_ = unix.Close(tty)
	}
}

// watchedFile notices that a terminal is gone. The library would go on with a
// screen that nobody sees and keys that never come.
type watchedFile struct {
	*os.File
	t *terminal
}

func (w *watchedFile) Read(p []byte) (int, error) {
	n, err := w.File.Read(p)
	if err != nil {
		w.t.closed()
	}
	return n, err
}

func (w *watchedFile) Write(p []byte) (int, error) {
	n, err := w.File.Write(p)
	if err != nil {
		w.t.closed()
	}
	return n, err
}
