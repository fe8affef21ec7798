package terminal

import (
	"strings"

	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// cellWriter writes cells in few bytes: it knows where the cursor is and which
// style is on. It relies on nothing but what every terminal has had since the
// VT100.
type cellWriter struct {
	profile colorprofile.Profile
	out     strings.Builder
	x, y    int
	lost    bool // x and y are not known
	style   uv.Style
	modes   string // that the terminal has to be in
}

// clear makes the terminal blank.
func (w *cellWriter) clear() {
	w.set(uv.Style{})
	w.out.WriteString(ansi.EraseEntireScreen)
	w.lost = true
}

// reach moves the cursor to a cell of line y.
func (w *cellWriter) reach(x, y int, line uv.Line) {
	switch {
	case w.lost || y != w.y || x < w.x:
		w.move(x, y)
	case w.cheap(line[w.x:x]):
		for w.x < x {
			w.put(&line[w.x])
		}
	default:
		w.move(x, y)
	}
}

// cheap reports whether cells are as short as any way around them.
func (w *cellWriter) cheap(cells uv.Line) bool {
	if len(cells) > len("\x1b[4C") {
		return false
	}
	for i := range cells {
		if len(cells[i].Content) > 1 || !w.suits(&cells[i]) {
			return false
		}
	}
	return true
}

// move takes the shortest way there is.
func (w *cellWriter) move(x, y int) {
	way := ansi.CursorPosition(x+1, y+1)
	if !w.lost {
		if relative := vertical(y-w.y) + horizontal(x-w.x); len(relative) < len(way) {
			way = relative
		}
	}
	w.out.WriteString(way)
	w.x, w.y, w.lost = x, y, false
}

func vertical(n int) string {
	switch {
	case n < 0:
		return ansi.CursorUp(-n)
	case n > 0:
		return ansi.CursorDown(n)
	}
	return ""
}

func horizontal(n int) string {
	switch {
	case n > 0:
		return ansi.CursorForward(n)
	case n < -3:
		return ansi.CursorBackward(-n)
	}
	return "\b\b\b"[:-min(n, 0)]
}

// put writes a cell where the cursor is.
func (w *cellWriter) put(c *uv.Cell) {
	if !w.suits(c) {
		w.set(uv.ConvertStyle(c.Style, w.profile))
	}
	w.out.WriteString(c.Content)
	w.x += c.Width
}

// suits reports whether a cell needs no other style than that which is on.
func (w *cellWriter) suits(c *uv.Cell) bool {
	style := uv.ConvertStyle(c.Style, w.profile)
	return style.Equal(&w.style) || (bare(c, &style) && bare(c, &w.style))
}

// bare reports whether a cell in this style is nothing but blank.
func bare(c *uv.Cell, s *uv.Style) bool {
	const unseen = uv.AttrBold | uv.AttrFaint | uv.AttrItalic
	return c.Content == " " && s.Bg == nil && s.Underline == uv.UnderlineNone && s.Attrs&^unseen == 0
}

func (w *cellWriter) set(style uv.Style) {
	way := style.Diff(&w.style)
	if style.IsZero() && len(way) > len(ansi.ResetStyle) {
		way = ansi.ResetStyle
	}
	w.out.WriteString(way)
	w.style = style
}

// leave ends a line of so many cells: past the last one, terminals differ in
// where they are.
func (w *cellWriter) leave(width int) {
	if w.x >= width {
		w.lost = true
	}
}

// repaint writes a line as a whole, on nothing.
func (w *cellWriter) repaint(y int, line uv.Line) {
	w.move(0, y)
	w.set(uv.Style{})
	w.out.WriteString(ansi.EraseEntireLine)
	w.overwrite(y, line)
}

// overwrite writes a line as a whole, over what is there.
func (w *cellWriter) overwrite(y int, line uv.Line) {
	w.move(0, y)
	for i := range line {
		if line[i].Width > 0 {
			w.put(&line[i])
		}
	}
	w.lost = true
}

// regain makes the terminal as it has to be, whatever somebody else has done to it: the
// style, the character set, the scrolling region and the modes.
func (w *cellWriter) regain() {
	w.style = uv.Style{}
	w.out.WriteString(ansi.ResetStyle + "\x0f\x1b(B\x1b[r" + w.modes)
	w.lost = true
}

// take returns what was written since the last time.
func (w *cellWriter) take() string {
	w.set(uv.Style{})
	out := w.out.String()
	w.out.Reset()
	return out
}
