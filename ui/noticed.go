package ui

import (
	"slices"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
)

// noticedHeight is that of a pane from which on it has room for what one should notice.
const noticedHeight = 12

// noticedLines are the new connections and the failing ones, wherever they are in the list:
// always two lines, so that the rows stay where they are. Nil if there is no room.
func (p *connectionsPane) noticedLines(a area) []string {
	if a.Height < noticedHeight {
		return nil
	}
	s := a.styleSet
	ink := s.Faint
	if len(p.noticed.Failing) > 0 {
		ink = s.Warn
	}
	return []string{
		noticedLine(a, s.Faint, "new", p.noticed.New, func(*probes.Connection) string { return "" }),
		noticedLine(a, ink, "failing", p.noticed.Failing, failure),
	}
}

// failure is how a connection fails.
func failure(c *probes.Connection) string {
	if c.State == probes.StateSynSent {
		return " unanswered"
	}
	return " reset"
}

// noticedLine is as many connections as a line has room for, whole.
func noticedLine(a area, ink ink, name string, conns []probes.Connection, how func(*probes.Connection) string) string {
	s := a.styleSet
	room := a.Width - 2 - len("failing  ")
	text := ""
	var said []string
	for i := range conns {
		c := &conns[i]
		words := s.Escape(briefly(c)) + how(c)
		if slices.Contains(said, words) {
			continue // as by a program that asks for many names
		}
		said = append(said, words)
		if text != "" {
			words = s.glyphs.Separator + words
		}
		if text != "" && cells(text)+cells(words) > room {
			break
		}
		text += words
	}
	if text == "" {
		text = "none"
	}
	return " " + s.Faint.Paint(fit(name, len("failing"), false, "")) + "  " + ink.Paint(fit(text, room, false, s.glyphs.Ellipsis))
}

// briefly is who talks to whom.
func briefly(c *probes.Connection) string {
	who := c.Local.String()
	if c.Owner != nil {
		who = c.Owner.Comm
	}
	return strings.Join([]string{who, "with", c.Remote.String()}, " ")
}
