// Package emulated is a terminal for tests and benchmarks: a pty, and an emulator that
// shows what is written to it and answers what programs ask of terminals.
package emulated

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// Terminal is the terminal. Programs run on TTY; what is written to PTMX are keys.
type Terminal struct {
	PTMX, TTY *os.File
	Emulator  *vt.SafeEmulator

	output func(data []byte)
	ended  chan struct{}

	mu      sync.Mutex    // for what the emulator shows, too
	last    time.Time     // of the output
	changed chan struct{} // closed at the next output
}

// Open makes a terminal of that many cells. If output is not nil, it is called with all
// that programs write, one read after the other.
func Open(width, height int, output func(data []byte)) (*Terminal, error) {
	ptmx, tty, err := pty.Open()
	if err != nil {
		return nil, err
	}
	t := &Terminal{
		PTMX: ptmx, TTY: tty, output: output,
		Emulator: vt.NewSafeEmulator(max(width, 1), max(height, 1)),
		ended:    make(chan struct{}), changed: make(chan struct{}),
	}
	if err := t.Resize(width, height); err != nil {
		return nil, errors.Join(err, tty.Close(), ptmx.Close())
	}
	go t.feed()
	go func() { _, _ = io.Copy(ptmx, t.Emulator) }() // its answers
	return t, nil
}

// feed feeds the emulator until nothing more can come.
func (t *Terminal) feed() {
	defer close(t.ended)
	buffer := make([]byte, 64<<10)
	for {
		n, err := t.PTMX.Read(buffer)
		if err != nil {
			return // closed at one end or the other
		}
		t.show(buffer[:n], time.Now())
	}
}

func (t *Terminal) show(data []byte, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.Emulator.Write(data) // never fails
	if t.output != nil {
		t.output(data)
	}
	t.last = at
	close(t.changed)
	t.changed = make(chan struct{})
}

// Attach gives a command that is to be started the terminal, and no other. Once it is
// started, TTY is to be closed, so that output ends with the command.
func (t *Terminal) Attach(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.TTY, t.TTY, t.TTY
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
}

// Resize tells programs of another size. What the emulator shows keeps its size.
func (t *Terminal) Resize(width, height int) error {
	return pty.Setsize(t.PTMX, &pty.Winsize{Cols: uint16(width), Rows: uint16(height)})
}

// Press types keys.
func (t *Terminal) Press(keys ...string) error {
	for _, key := range keys {
		if _, err := t.PTMX.WriteString(key); err != nil {
			return err
		}
	}
	return nil
}

// See returns the text on the screen, without colours, since when it has been there, and
// what is closed at the next output.
func (t *Terminal) See() (text string, since time.Time, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return ansi.Strip(t.Emulator.Render()), t.last, t.changed
}

// Text returns the text on the screen, without colours.
func (t *Terminal) Text() string {
	text, _, _ := t.See()
	return text
}

// Find returns where a text begins on the screen, false if it is not there.
func (t *Terminal) Find(text string) (x, y int, ok bool) {
	for y, line := range strings.Split(t.Text(), "\n") {
		if before, _, found := strings.Cut(line, text); found {
			return ansi.StringWidth(before), y, true
		}
	}
	return 0, 0, false
}

// Click is what a terminal sends for a click on a cell, and for its end.
func Click(x, y int) string { return fmt.Sprintf("\x1b[<0;%d;%dM\x1b[<0;%d;%dm", x+1, y+1, x+1, y+1) }

// Ended is closed when no more output can come.
func (t *Terminal) Ended() <-chan struct{} { return t.ended }

// Close closes the terminal. No program may run on it any more.
func (t *Terminal) Close() error {
	_ = t.TTY.Close() // if Attach's caller has not
	err := t.PTMX.Close()
	<-t.ended
	// Emulator.Close races with Read; the end of what is read does not.
	if pipe, ok := t.Emulator.InputPipe().(io.Closer); ok {
		err = errors.Join(err, pipe.Close())
	}
	return err
}
