package terminal

import (
	"io"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes/latest"
)

// healEvery is how often all cells are drawn, because others write on a terminal, too:
// the kernel to its console, wall, jobs in the background.
const healEvery = time.Minute

// Frame is what the terminal is to show, a line for each of its rows; rows
// without one are blank.
type Frame struct {
	Width, Height int
	Lines         []string
}

// Screen draws frames on the terminal: the latest one, and of it the cells
// that differ from the one before. The renderer of Bubble Tea looks for
// something to do at fixed times, which costs a quiet screen more than all
// else, and sends of a line whatever is between the first difference and the
// last.
type Screen struct {
	output  io.Writer
	heal    time.Duration
	frames  latest.Box[Frame]
	copied  latest.Box[string]
	mouse   latest.Box[bool]
	unknown atomic.Bool // what is shown cannot be relied on, as after a resize
	atOnce  atomic.Bool // the terminal can take a frame before it shows it

	shown  Frame
	cells  []uv.Line       // of shown
	next   uv.ScreenBuffer // one line
	writer cellWriter
}

// NewScreen makes a screen. What the terminal shows is not known yet.
func NewScreen(output io.Writer, profile colorprofile.Profile) *Screen {
	return &Screen{output: output, heal: healEvery, frames: latest.NewBox[Frame](), copied: latest.NewBox[string](), mouse: latest.NewBox[bool](), writer: cellWriter{profile: profile, modes: screenModes}}
}

// Show leaves a frame to be drawn. It does not wait for that.
func (s *Screen) Show(f Frame) { s.frames.Put(f) }

// Copy leaves a text for the terminal to put into the clipboard (OSC 52). It does not wait for
// that, and a terminal says nothing to it.
func (s *Screen) Copy(text string) { s.copied.Put(text) }

// SetMouse has the terminal report the mouse, or not any more. It does not wait for that.
func (s *Screen) SetMouse(on bool) { s.mouse.Put(on) }

// Forget makes the next frame be drawn as a whole.
func (s *Screen) Forget() { s.unknown.Store(true) }

// SetAtOnce tells whether the terminal can take a frame before it shows it.
func (s *Screen) SetAtOnce(can bool) { s.atOnce.Store(can) }

// Run draws until over.
func (s *Screen) Run(over <-chan struct{}) {
	heal := time.NewTicker(s.heal)
	defer heal.Stop()
	for {
		select {
		case f := <-s.frames:
			s.draw(f)
		case text := <-s.copied:
			_, _ = io.WriteString(s.output, ansi.SetSystemClipboard(text)) // as in flush
		case on := <-s.mouse:
			mode := mouseOff
			if s.writer.modes = screenModes + mouseMode(on); on {
				mode = mouseOn
			}
			_, _ = io.WriteString(s.output, mode)
		case <-heal.C:
			s.repaint()
		case <-over:
			return
		}
	}
}

func (s *Screen) draw(f Frame) {
	if s.unknown.Swap(false) || f.Width != s.shown.Width || f.Height != s.shown.Height {
		s.clear(f.Width, f.Height)
	}
	for y := range s.cells {
		line := ""
		if y < len(f.Lines) {
			line = f.Lines[y]
		}
		if line != s.shown.Lines[y] {
			uv.NewStyledString(line).Draw(s.next, s.next.Bounds())
			s.line(y, s.cells[y], s.next.Line(0))
			s.shown.Lines[y] = line
			copy(s.cells[y], s.next.Line(0))
		}
	}
	s.flush()
}

// repaint draws all cells over what there is.
func (s *Screen) repaint() {
	s.writer.regain()
	for y, line := range s.cells {
		if certain(line) {
			s.writer.overwrite(y, line) // a line that is erased first is seen to flicker
		} else {
			s.writer.repaint(y, line)
		}
	}
	s.flush()
}

// clear makes the whole terminal blank.
func (s *Screen) clear(width, height int) {
	s.writer.clear()
	s.next = uv.NewScreenBuffer(width, 1)
	s.next.Method = ansi.GraphemeWidth // as the panes count: the other way fills tables of two megabytes
	s.shown = Frame{Width: width, Height: height, Lines: make([]string, height)}
	s.cells = make([]uv.Line, height)
	for y := range s.cells {
		s.cells[y] = uv.NewBuffer(width, 1).Line(0)
	}
}

// line turns the line shown at y from before into after.
func (s *Screen) line(y int, before, after uv.Line) {
	if !certain(before) || !certain(after) {
		s.writer.repaint(y, after)
		return
	}
	for x := range after {
		if !alike(&before[x], &after[x]) {
			s.writer.reach(x, y, after)
			s.writer.put(&after[x])
		}
	}
	s.writer.leave(len(after))
}

// alike reports whether two cells look the same.
func alike(a, b *uv.Cell) bool {
	return a.Equal(b) || (bare(a, &a.Style) && bare(b, &b.Style))
}

// certain reports whether every terminal has the cells of line at the same
// places: they differ in how wide they think some characters are.
func certain(line uv.Line) bool {
	for i := range line {
		if line[i].Width != 1 || (len(line[i].Content) > 1 && utf8.RuneCountInString(line[i].Content) > 1) {
			return false
		}
	}
	return true
}

// flush sends what the writer has written. Because somebody else may write next, it
// does not rely on where the cursor is after that.
func (s *Screen) flush() {
	out := s.writer.take()
	s.writer.lost = true
	if len(out) == 0 {
		return
	}
	if s.atOnce.Load() {
		out = ansi.SetModeSynchronizedOutput + out + ansi.ResetModeSynchronizedOutput
	}
	_, _ = s.output.Write([]byte(out)) // a terminal that is gone ends the program
}
