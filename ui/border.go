package ui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// bordered draws a pane with its border, exactly width by height. Lines are cut
// once more here, so that no mistake in a pane can break the screen.
func bordered(v view, a area, width, height int) []string {
	s := a.styleSet
	glyphs, edge, title := s.glyphs.Border, s.Border, s.Title
	if a.Focused {
		glyphs, edge, title = s.glyphs.BorderFocused, s.BorderFocused, s.TitleFocused
	}
	out := make([]string, 0, height)
	out = append(out, topEdge(v, s, glyphs, edge, title, width))
	side := edge.Paint(glyphs[3])
	showsPosition := a.Focused && v.Scroll.isNeeded()
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
		end := side
		if showsPosition && v.Scroll.has(i, height-2) {
			end = edge.Paint(s.glyphs.Thumb)
		}
		out = append(out, side+line+blanks(width-2-n)+end)
	}
	position := ""
	if showsPosition {
		position = " " + count(uint64(v.Scroll.at+1)) + " of " + count(uint64(v.Scroll.all)) + " "
	}
	if len(position)+4 > width {
		position = ""
	}
	rule := strings.Repeat(glyphs[1], width-2-len(position)-min(len(position), 1))
	if position != "" {
		position += glyphs[1]
	}
	return append(out, edge.Paint(glyphs[4]+rule+position+glyphs[5]))
}

// topEdge is "╭ Title ───── info ╮"; info goes first where room is short.
func topEdge(v view, s *styleSet, glyphs [6]string, edge, ink ink, width int) string {
	room := width - 4 // corners and one line beside each
	title := ansi.Truncate(v.Title, room-2, s.glyphs.Ellipsis)
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
