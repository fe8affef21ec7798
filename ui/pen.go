package ui

import (
	"strings"

	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// pen writes cells in few bytes: it knows where the cursor is and which style
// is on. It relies on nothing but what every terminal has had since the VT100.
type pen struct {
	profile colorprofile.Profile
	out     strings.Builder
	x, y    int
	lost    bool // x and y are not known
	style   uv.Style
}

// clear makes the terminal blank.
func (p *pen) clear() {
	p.set(uv.Style{})
	p.out.WriteString(ansi.EraseEntireScreen)
	p.lost = true
}

// reach moves the cursor to a cell of line y.
func (p *pen) reach(x, y int, line uv.Line) {
	switch {
	case p.lost || y != p.y || x < p.x:
		p.move(x, y)
	case p.cheap(line[p.x:x]):
		for p.x < x {
			p.put(&line[p.x])
		}
	default:
		p.move(x, y)
	}
}

// cheap reports whether cells are as short as any way around them.
func (p *pen) cheap(cells uv.Line) bool {
	if len(cells) > len("\x1b[4C") {
		return false
	}
	for i := range cells {
		if len(cells[i].Content) > 1 || !p.suits(&cells[i]) {
			return false
		}
	}
	return true
}

// move takes the shortest way there is.
func (p *pen) move(x, y int) {
	way := ansi.CursorPosition(x+1, y+1)
	if !p.lost {
		if relative := vertical(y-p.y) + horizontal(x-p.x); len(relative) < len(way) {
			way = relative
		}
	}
	p.out.WriteString(way)
	p.x, p.y, p.lost = x, y, false
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
func (p *pen) put(c *uv.Cell) {
	if !p.suits(c) {
		p.set(uv.ConvertStyle(c.Style, p.profile))
	}
	p.out.WriteString(c.Content)
	p.x += c.Width
}

// suits reports whether a cell needs no other style than that which is on.
func (p *pen) suits(c *uv.Cell) bool {
	style := uv.ConvertStyle(c.Style, p.profile)
	return style.Equal(&p.style) || (bare(c, &style) && bare(c, &p.style))
}

// bare reports whether a cell in this style is nothing but blank.
func bare(c *uv.Cell, s *uv.Style) bool {
	const unseen = uv.AttrBold | uv.AttrFaint | uv.AttrItalic
	return c.Content == " " && s.Bg == nil && s.Underline == uv.UnderlineNone && s.Attrs&^unseen == 0
}

func (p *pen) set(style uv.Style) {
	way := style.Diff(&p.style)
	if style.IsZero() && len(way) > len(ansi.ResetStyle) {
		way = ansi.ResetStyle
	}
	p.out.WriteString(way)
	p.style = style
}

// leave ends a line of so many cells: past the last one, terminals differ in
// where they are.
func (p *pen) leave(width int) {
	if p.x >= width {
		p.lost = true
	}
}

// repaint writes a line as a whole.
func (p *pen) repaint(y int, line uv.Line) {
	p.move(0, y)
	p.set(uv.Style{})
	p.out.WriteString(ansi.EraseEntireLine)
	for i := range line {
		if line[i].Width > 0 {
			p.put(&line[i])
		}
	}
	p.lost = true
}

// take returns what was written since the last time.
func (p *pen) take() string {
	p.set(uv.Style{})
	out := p.out.String()
	p.out.Reset()
	return out
}
