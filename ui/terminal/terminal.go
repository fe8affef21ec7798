// Package terminal is all that talks to the tty: the terminal as it was found,
// the screen that is drawn on it, and the text that may reach it.
package terminal

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	uv "github.com/charmbracelet/ultraviolet"
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
// must not wrap: a terminal can think that one is wider than we do. Where there is no
// alternate screen (GNU screen, mosh, a serial line) what is left is an empty one.
const (
	enterScreen = ansi.SetModeAltScreenSaveCursor + screenModes
	screenModes = ansi.ResetModeTextCursorEnable + ansi.ResetModeAutoWrap + ansi.SetModeBracketedPaste
	leaveScreen = mouseOff + ansi.ResetStyle + ansi.EraseEntireScreen + ansi.CursorHomePosition +
		ansi.ResetModeBracketedPaste + ansi.SetModeAutoWrap +
		ansi.ResetModeAltScreenSaveCursor + ansi.SetModeTextCursorEnable
)

// Terminal is the terminal as it was found, and the way back there. It is ours while we
// are in the foreground of it, as job control has it; else it is left alone, and what is
// written to it is dropped.
type Terminal struct {
	Input  io.Reader
	Output io.Writer

	environ environment
	color   Color
	gone    func()
	opened  *os.File // the controlling terminal, if we had to open it
	tty     *os.File // what state was taken from, nil if nothing is a terminal
	state   *term.State
	group   int // our process group
	stops   chan string

	stopGroup func() error

	question question
	remote   bool
	keys     keyReader

	mouse atomic.Bool // is wanted

	mu     sync.Mutex // held while the terminal is written to
	isOurs bool       // ready for a screen
	isRaw  bool       // has our settings, unless a shell took it from us
}

// Options say where the terminal is.
type Options struct {
	// Input is where keys come from. Nil is standard input, or the controlling terminal
	// where that is none.
	Input io.Reader
	// Output is what is drawn on. Nil is standard output.
	Output io.Writer
	// Environ is the environment as os.Environ has it.
	Environ []string
	// Remote: a network is between us and the terminal.
	Remote bool
	// Color is whether to draw in colour. Empty is ColorAuto.
	Color Color
	// StopGroup stops our process group, as Ctrl-Z does, and does not wait for that. Nil is by
	// a signal of our own, which processes of other users in that group do not get.
	StopGroup func() error
}

// Open refuses what cannot show a screen. It calls gone when the terminal has gone away.
func Open(opts Options, gone func()) (*Terminal, error) {
	t := &Terminal{
		Input: opts.Input, Output: opts.Output, environ: opts.Environ, gone: gone,
		group: unix.Getpgrp(), stops: make(chan string, 1), remote: opts.Remote, color: opts.Color,
		stopGroup: opts.StopGroup,
	}
	if t.stopGroup == nil {
		t.stopGroup = func() error { return unix.Kill(0, unix.SIGTSTP) }
	}
	t.question.answered = make(chan struct{})
	t.keys = keyReader{events: make(chan uv.Event), answered: t.question.noteAnswer}
	// Because the library would look for what the terminal can do in any file
	// of the user's choice, the name has no slash.
	if name := t.environ.get("TERM"); name == "" || name == "dumb" || strings.Contains(name, "/") {
		return nil, ErrDumb
	}
	if t.Output == nil {
		t.Output = os.Stdout
	}
	out, isFile := t.Output.(*os.File)
	if isFile && !term.IsTerminal(out.Fd()) {
		return nil, ErrNotTerminal
	}
	if err := t.openInput(); err != nil {
		return nil, err
	}
	if in, ok := t.Input.(*os.File); ok {
		t.Input = &watchedFile{File: in, terminal: t}
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

// Enter makes the terminal ready, or ready again, unless we are in the background: then
// it is for Follow to do that later.
func (t *Terminal) Enter() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.InForeground() {
		t.standAside()
		return nil
	}
	if in, ok := t.Input.(*watchedFile); ok && term.IsTerminal(in.Fd()) {
		if !t.isRaw {
			t.remember(in.File) // a shell may have changed it meanwhile
		}
		if _, err := term.MakeRaw(in.Fd()); err != nil {
			return err
		}
	}
	t.isRaw, t.isOurs = true, true
	if err := t.keys.listen(t.Input, t.environ.get("TERM")); err != nil {
		return err
	}
	return t.write(enterScreen + mouseMode(t.mouse.Load()) + t.question.ask(t))
}

// Leave makes the terminal what it was, if it is ours.
func (t *Terminal) Leave() { t.leaveSaying("") }

// leaveSaying is Leave, and prints a text.
func (t *Terminal) leaveSaying(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isOurs || !t.InForeground() {
		t.standAside()
		return
	}
	t.question.awaitAnswer()
	t.keys.ignore()
	_ = t.write(leaveScreen + text) // a terminal that is gone needs no restoring
	t.isOurs = false
	if t.tty == nil {
		return
	}
	_ = term.Restore(t.tty.Fd(), t.state)
	t.isRaw = false
}

// standAside leaves the terminal to who has it. It is called with mu held.
func (t *Terminal) standAside() {
	t.isOurs = false
	t.keys.ignore()
}

// Force makes the terminal what it was although it takes no output: its
// settings for sure, its contents if it takes a few bytes once the backlog is
// dropped.
func (t *Terminal) Force() {
	if t.tty == nil || !t.InForeground() {
		return
	}
	fd := t.tty.Fd()
	dropBacklog(int(fd))
	_ = term.Restore(fd, t.state)
	// CAN ends a sequence that was cut off.
	writeAtOnce(int(fd), "\x18"+leaveScreen)
}

// Write writes to the terminal, if it is ours. What somebody else has on it now is not
// written over: who draws has to draw all of it when it is ours again.
func (t *Terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isOurs || !t.InForeground() {
		return len(p), nil
	}
	return len(p), t.write(string(p))
}

// write writes, whosever the terminal is. It is called with mu held.
func (t *Terminal) write(text string) error {
	_, err := t.Output.Write([]byte(text))
	if err != nil {
		t.gone()
	}
	return err
}

// Size is 0 by 0 if the terminal does not know it.
func (t *Terminal) Size() (width, height int) {
	if out, ok := t.Output.(term.File); ok {
		width, height, _ = term.GetSize(out.Fd())
	}
	return width, height
}

// Close closes what Open has opened.
func (t *Terminal) Close() {
	if t.opened != nil {
		_ = t.opened.Close()
	}
}
