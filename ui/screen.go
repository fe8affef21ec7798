package ui

import (
	"io"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// pictureGap bounds how often the terminal is written to.
const pictureGap = time.Second / 30

// picture is what the terminal is to show, a line for each of its rows; rows
// without one are blank.
type picture struct {
	width, height int
	lines         []string
}

// screen draws pictures on the terminal: the latest one, and of it the cells
// that differ from the one before. The renderer of Bubble Tea looks for
// something to do at fixed times, which costs a quiet screen more than all
// else, and sends of a line whatever is between the first difference and the
// last.
type screen struct {
	output   io.Writer
	pictures latest[picture]
	unknown  atomic.Bool // what is shown cannot be relied on, as after a resize
	atOnce   atomic.Bool // the terminal can take a picture before it shows it

	shown picture
	cells []uv.Line       // of shown
	next  uv.ScreenBuffer // one line
	pen   pen
}

func newScreen(output io.Writer, profile colorprofile.Profile) *screen {
	return &screen{output: output, pictures: newLatest[picture](), pen: pen{profile: profile}}
}

// run draws until over. The first picture after a pause is drawn at once.
func (s *screen) run(over <-chan struct{}) {
	var drawn time.Time
	for {
		var p picture
		select {
		case p = <-s.pictures:
		case <-over:
			return
		}
		time.Sleep(pictureGap - time.Since(drawn))
		select {
		case p = <-s.pictures:
		default:
		}
		s.draw(p)
		drawn = time.Now()
	}
}

func (s *screen) draw(p picture) {
	if s.unknown.Swap(false) || p.width != s.shown.width || p.height != s.shown.height {
		s.clear(p.width, p.height)
	}
	for y := range s.cells {
		line := ""
		if y < len(p.lines) {
			line = p.lines[y]
		}
		if line != s.shown.lines[y] {
			uv.NewStyledString(line).Draw(s.next, s.next.Bounds())
			s.line(y, s.cells[y], s.next.Line(0))
			s.shown.lines[y] = line
			copy(s.cells[y], s.next.Line(0))
		}
	}
	s.flush()
}

// clear makes the whole terminal blank.
func (s *screen) clear(width, height int) {
	s.pen.clear()
	s.next = uv.NewScreenBuffer(width, 1)
	s.next.Method = ansi.GraphemeWidth // as the panes count: the other way fills tables of two megabytes
	s.shown = picture{width: width, height: height, lines: make([]string, height)}
	s.cells = make([]uv.Line, height)
	for y := range s.cells {
		s.cells[y] = uv.NewBuffer(width, 1).Line(0)
	}
}

// line turns the line shown at y from old into new.
func (s *screen) line(y int, old, new uv.Line) {
	if !certain(old) || !certain(new) {
		s.pen.repaint(y, new)
		return
	}
	for x := range new {
		if !alike(&old[x], &new[x]) {
			s.pen.reach(x, y, new)
			s.pen.put(&new[x])
		}
	}
	s.pen.leave(len(new))
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

// flush sends what the pen has written.
func (s *screen) flush() {
	out := s.pen.take()
	if len(out) == 0 {
		return
	}
	if s.atOnce.Load() {
		out = ansi.SetModeSynchronizedOutput + out + ansi.ResetModeSynchronizedOutput
	}
	_, _ = s.output.Write([]byte(out)) // a terminal that is gone ends the program
}
