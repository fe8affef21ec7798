package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// pane is one bordered part of the screen, a model of its own. The root model
// hands it messages and room; the pane neither blocks nor computes what could
// be computed before a snapshot arrives.
type pane interface {
	// Name is its name in the tabs of a small screen.
	Name() string
	// Update takes a snapshotMsg at each refresh, and key presses while the pane
	// has the focus.
	Update(msg tea.Msg) tea.Cmd
	// ask puts what the pane wants to see into the query.
	ask(q *snapshot.Query)
	// typing reports whether key presses are text of the filter.
	typing() bool
	// filtered reports whether there is a filter, one is being typed, or the rows are sums.
	filtered() bool
	// back gives that up, and says whether there was any.
	back() bool
	// View draws at most area.Height lines of at most area.Width cells, and
	// what stands in the upper edge of its border.
	View(area area) view
	// Subject is what is selected, for its detail; nothing if no row is.
	Subject() snapshot.Subject
	// Selected is what is selected as far as the row tells, nil if none is.
	Selected() *snapshot.Detail
	// rows are those that can be clicked.
	rows() clickable
	// Keys are those the pane answers to, for the footer.
	Keys() []key.Binding
}

// area is the room a pane draws in, inside its border.
type area struct {
	Width, Height   int
	Focused, Zoomed bool
	styleSet        *styleSet
}

// view is a drawn pane.
type view struct {
	Title string // upper edge, left
	Info  string // upper edge, right: may be painted
	Lines []string
	// Scroll is which of its rows are in sight, for the border.
	Scroll scroll
}

// scroll is which rows of a list are in sight: from one on, so many, of all; and the selected
// one. The zero value is of no list.
type scroll struct{ from, rows, all, at int }

// isNeeded tells whether there are rows out of sight.
func (c scroll) isNeeded() bool { return c.all > c.rows }

// has tells whether line i of so many, along which all rows are spread, has rows that are in
// sight; at least one does.
func (c scroll) has(i, lines int) bool {
	long := max(1, lines*c.rows/c.all)
	first := (lines - long) * c.from / (c.all - c.rows)
	return first <= i && i < first+long
}

// snapshotMsg brings what there is to show.
type snapshotMsg struct{ *snapshot.Snapshot }

// titled is the name of a pane, and what its rows are narrowed to.
func titled(a area, name, narrowed string) string {
	if narrowed != "" {
		name += " of " + a.styleSet.Escape(narrowed)
	}
	return name
}

// empty returns the text of a pane without rows: why it has none, and what would fill it.
func empty(a area, text string) []string {
	lines := wrap(text, max(1, a.Width-2))
	for i := range lines {
		lines[i] = " " + a.styleSet.Faint.Paint(lines[i])
	}
	return lines[:min(len(lines), max(1, a.Height))]
}
