package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// pane is one framed part of the screen, a model of its own. The root model
// hands it messages and room; the pane neither blocks nor computes what could
// be computed before a frame arrives.
type pane interface {
	// Name is what the tabs of a small screen call it.
	Name() string
	// Update takes a snapshotMsg at each refresh, and key presses while the pane
	// has the focus.
	Update(msg tea.Msg) tea.Cmd
	// View draws at most area.Height lines of at most area.Width cells, and
	// what stands in the frame's upper edge.
	View(area area) view
	// Keys are those the pane answers to, for the footer.
	Keys() []key.Binding
}

// area is the room a pane draws in, inside its frame.
type area struct {
	Width, Height   int
	Focused, Zoomed bool
	Styles          *Styles
}

// view is a drawn pane.
type view struct {
	Title string // upper edge, left
	Info  string // upper edge, right: may be painted
	Lines []string
}

// snapshotMsg brings what there is to show.
type snapshotMsg struct{ *snapshot.Snapshot }

// framed draws a pane with its frame, exactly width by height. Lines are cut
// once more here, so that no mistake in a pane can break the screen.
func bordered(v view, a area, width, height int) []string {
	s := a.Styles
	glyphs, edge, title := s.Glyphs.Border, s.Border, s.Title
	if a.Focused {
		glyphs, edge, title = s.Glyphs.BorderFocused, s.BorderFocused, s.TitleFocused
	}
	out := make([]string, 0, height)
	out = append(out, topEdge(v, s, glyphs, edge, title, width))
	side := edge.Paint(glyphs[3])
	for i := range height - 2 {
		line := ""
		if i < len(v.Lines) {
			line = v.Lines[i]
		}
		n := ansi.StringWidth(line)
		if n > width-2 {
			line = ansi.Truncate(line, width-2, "")
			n = ansi.StringWidth(line)
		}
		out = append(out, side+line+blanks(width-2-n)+side)
	}
	return append(out, edge.Paint(glyphs[4]+strings.Repeat(glyphs[1], width-2)+glyphs[5]))
}

// topEdge is "╭ Title ───── info ╮"; info goes first where room is short.
func topEdge(v view, s *Styles, glyphs [6]string, edge, ink Ink, width int) string {
	room := width - 4 // corners and one line beside each
	title := ansi.Truncate(v.Title, room-2, s.Glyphs.Ellipsis)
	used := ansi.StringWidth(title) + 2
	info, n := v.Info, ansi.StringWidth(v.Info)
	if n > 0 {
		n += 2
	}
	if used+n > room {
		info, n = "", 0
	}
	var b strings.Builder
	b.WriteString(edge.Paint(glyphs[0] + glyphs[1]))
	b.WriteString(" " + ink.Paint(title) + " ")
	b.WriteString(edge.Paint(strings.Repeat(glyphs[1], max(0, room-used-n))))
	if info != "" {
		b.WriteString(" " + info + " ")
	}
	b.WriteString(edge.Paint(glyphs[1] + glyphs[2]))
	return b.String()
}

// empty is what a pane without rows shows.
func empty(a area, text string) []string {
	return []string{" " + a.Styles.Faint.Paint(fit(text, a.Width-2, false, a.Styles.Glyphs.Ellipsis))}
}

// details draws names and values below a rule, for a zoomed pane.
func details(a area, pairs [][2]string) []string {
	rule := a.Styles.Border.Paint(strings.Repeat(a.Styles.Glyphs.Border[1], max(0, a.Width)))
	return append([]string{rule}, labelled(a, pairs)...)
}

// labelled draws names and values, one below the other, values wrapped.
func labelled(a area, pairs [][2]string) []string {
	wide := 0
	for _, p := range pairs {
		wide = max(wide, cells(p[0]))
	}
	var out []string
	for _, p := range pairs {
		name := p[0]
		for _, part := range wrap(p[1], max(1, a.Width-wide-4)) {
			out = append(out, " "+a.Styles.Faint.Paint(fit(name, wide, false, ""))+"  "+part)
			name = ""
		}
	}
	return out
}

// wrap cuts s into lines of at most width cells, at blanks where it can.
func wrap(s string, width int) []string {
	return strings.Split(ansi.Wrap(s, width, ""), "\n")
}
