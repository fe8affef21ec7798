// Package terminal is all that talks to the tty: the terminal as it was found,
// the screen that is drawn on it, and the text that may reach it.
package terminal

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"
)

var (
	// ErrDumb: TERM names a terminal without a movable cursor.
	ErrDumb = errors.New("this terminal cannot show a dashboard (TERM is dumb, not set or no name): use ebpftop stats, or set TERM")
	// ErrNotTerminal: output goes to a file or a pipe.
	ErrNotTerminal = errors.New("standard output is not a terminal: use ebpftop stats")
)

// What makes a terminal ready for a screen, and what makes it what it was. Lines
// must not wrap: a terminal can think that one is wider than we do.
const (
	enterScreen = ansi.SetModeAltScreenSaveCursor + ansi.ResetModeTextCursorEnable +
		ansi.ResetModeAutoWrap + ansi.SetModeBracketedPaste
	leaveScreen = ansi.ResetStyle + ansi.ResetModeBracketedPaste + ansi.SetModeAutoWrap +
		ansi.ResetModeAltScreenSaveCursor + ansi.SetModeTextCursorEnable
)

// Terminal is the terminal as it was found, and the way back there.
type Terminal struct {
	Input  io.Reader
	Output io.Writer

	environ environment
	opened  *os.File // the controlling terminal, if we had to open it
	tty     *os.File // what state was taken from, nil if nothing is a terminal
	state   *term.State
}

// Open refuses what cannot show a screen. Without an input it takes standard
// input, or the controlling terminal where that is none, without an output
// standard output. It calls gone when the terminal has gone away.
func Open(input io.Reader, output io.Writer, environ []string, gone func()) (*Terminal, error) {
	t := &Terminal{Input: input, Output: output, environ: environ}
	// Because the library would look for what the terminal can do in any file
	// of the user's choice, the name has no slash.
	if name := t.environ.get("TERM"); name == "" || name == "dumb" || strings.Contains(name, "/") {
		return nil, ErrDumb
	}
	if t.Output == nil {
		t.Output = os.Stdout
	}
	out, isFile := t.Output.(*os.File)
	if isFile {
		if !term.IsTerminal(out.Fd()) {
			return nil, ErrNotTerminal
		}
		t.Output = &hangupFile{File: out, gone: gone}
	}
	if err := t.openInput(); err != nil {
		return nil, err
	}
	if in, ok := t.Input.(*os.File); ok {
		t.Input = &hangupFile{File: in, gone: gone}
		t.remember(in)
	}
	if t.tty == nil && isFile {
		t.remember(out)
	}
	return t, nil
}

// openInput finds where keys come from, where that was left open.
func (t *Terminal) openInput() error {
	if t.Input != nil {
		return nil
	}
	t.Input = os.Stdin
	if term.IsTerminal(os.Stdin.Fd()) {
		return nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return errors.New("standard input is not a terminal, and there is no controlling terminal to read keys from")
	}
	t.Input, t.opened = tty, tty
	return nil
}

func (t *Terminal) remember(f *os.File) {
	if state, err := term.GetState(f.Fd()); err == nil {
		t.tty, t.state = f, state
	}
}

// Enter makes the terminal ready, and asks whether it can take a frame before
// it shows it. Over a network the answer could come when nobody waits for it any
// more but a shell; Apple's prints the question.
func (t *Terminal) Enter() error {
	if in, ok := t.Input.(*hangupFile); ok && term.IsTerminal(in.Fd()) {
		if _, err := term.MakeRaw(in.Fd()); err != nil {
			return err
		}
	}
	modes := enterScreen
	if t.environ.get("SSH_TTY") == "" && t.environ.get("TERM_PROGRAM") != "Apple_Terminal" {
		modes += ansi.RequestModeSynchronizedOutput
	}
	_, err := t.Output.Write([]byte(modes))
	return err
}

// Leave makes the terminal what it was.
func (t *Terminal) Leave() {
	_, _ = t.Output.Write([]byte(leaveScreen))
	if t.tty != nil {
		_ = term.Restore(t.tty.Fd(), t.state)
	}
}

// Force makes the terminal what it was although it takes no output: its
// settings for sure, its contents if it takes a few bytes once the backlog is
// dropped.
func (t *Terminal) Force() {
	if t.tty == nil {
		return
	}
	fd := t.tty.Fd()
	dropBacklog(int(fd))
	_ = term.Restore(fd, t.state)
	// CAN ends a sequence that was cut off.
	writeAtOnce(int(fd), "\x18"+leaveScreen)
}

// Size is 0 by 0 if the terminal does not know it.
func (t *Terminal) Size() (width, height int) {
	if out, ok := t.Output.(term.File); ok {
		width, height, _ = term.GetSize(out.Fd())
	}
	return width, height
}

// Follow calls resized whenever the terminal was, until over.
func (t *Terminal) Follow(over <-chan struct{}, resized func(width, height int)) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGWINCH)
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			resized(t.Size())
		case <-over:
			return
		}
	}
}

// Close closes what Open has opened.
func (t *Terminal) Close() {
	if t.opened != nil {
		_ = t.opened.Close()
	}
}

// hangupFile notices that a terminal is gone. The library would go on with a
// screen that nobody sees and keys that never come.
type hangupFile struct {
	*os.File
	gone func()
}

func (w *hangupFile) Read(p []byte) (int, error) {
	n, err := w.File.Read(p)
	if err != nil {
		w.gone()
	}
	return n, err
}

func (w *hangupFile) Write(p []byte) (int, error) {
	n, err := w.File.Write(p)
	if err != nil {
		w.gone()
	}
	return n, err
}
