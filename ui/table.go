package ui

import "strings"

// column describes one column of a table of rows.
type column[R any] struct {
	title string
	cell  func(slot, *R) cell
	width int  // cells it needs
	grow  int  // its share of the cells left over, 0 for none
	limit int  // cells it never exceeds when growing, 0 for no limit
	right bool // numbers
	// isRate adds the unit of rates to the title.
	isRate bool
	order  string // that it sorts by; "": one that is called like the title
	drop   int    // where room is short the highest go first, 0 never
}

// slot is where a cell is drawn.
type slot struct {
	styles   *styleSet
	width    int
	selected bool // the row has one ink
}

// cell is the text of one field and its ink. Safe text is our own, or escaped
// before: to look at characters beyond ASCII anew takes tables of two megabytes.
// What is painted brings its own escape sequences, none in a selected row, and
// has exactly the slot's width.
type cell struct {
	text, safe, painted string
	ink                 ink
}

// table lays columns out in a given width. It is made anew for each View:
// that costs little, and a resize needs no attention.
type table[R any] struct {
	columns []column[R] // widths resolved, 0 where left out
	gap     string
	styles  *styleSet
}

// newTable leaves out what does not fit, then shares out what is left. It
// keeps the columns.
func newTable[R any](styles *styleSet, width int, columns []column[R]) table[R] {
	t := table[R]{columns: columns, gap: " ", styles: styles}
	for t.total() > width {
		worst := 0
		for _, c := range t.columns {
			if c.width > 0 {
				worst = max(worst, c.drop)
			}
		}
		if worst == 0 {
			break
		}
		for i := range t.columns {
			if t.columns[i].drop == worst {
				t.columns[i].width = 0
			}
		}
	}
	t.share(width - t.total())
	// What no column wants goes between them.
	if t.gap = "  "; t.total() > width {
		t.gap = " "
	}
	return t
}

// columnsFit tells whether all columns that are never left out have room.
func columnsFit[R any](columns []column[R], width int) bool {
	sum := 1 // a blank at either side, and between two
	for _, c := range columns {
		if c.drop == 0 {
			sum += c.width + 1
		}
	}
	return sum <= width
}

func (t *table[R]) total() int {
	sum := 2 - len(t.gap) // a blank at either side
	for _, c := range t.columns {
		if c.width > 0 {
			sum += c.width + len(t.gap)
		}
	}
	return sum
}

// share gives each growing column its part of rest, in rounds because a
// column that reaches its limit leaves its part to the others.
func (t *table[R]) share(rest int) {
	for rest > 0 {
		sum := 0
		for _, c := range t.columns {
			if c.width > 0 && (c.limit == 0 || c.width < c.limit) {
				sum += c.grow
			}
		}
		if sum == 0 {
			return
		}
		given := 0
		for i := range t.columns {
			c := &t.columns[i]
			if c.width == 0 || c.grow == 0 || (c.limit > 0 && c.width >= c.limit) {
				continue
			}
			part := max(1, rest*c.grow/sum)
			if c.limit > 0 {
				part = min(part, c.limit-c.width)
			}
			part = min(part, rest-given)
			c.width += part
			given += part
		}
		if rest -= given; given == 0 {
			return
		}
	}
}

func (t *table[R]) heading() string {
	var b strings.Builder
	for _, c := range t.columns {
		if c.width > 0 {
			if b.Len() > 0 {
				b.WriteString(t.gap)
			}
			title := c.title
			if c.isRate {
				title = strings.TrimLeft(title+" "+t.styles.units.perSecond(), " ")
			}
			b.WriteString(fit(title, c.width, c.right, t.styles.glyphs.Ellipsis))
		}
	}
	return " " + t.styles.Column.Paint(b.String())
}

// row is one line. A selected row has one ink from end to end of width.
// Neighbours of the same ink are painted in one go, gap included: each change
// of ink is sent to the terminal.
func (t *table[R]) row(row *R, width int, selected bool) string {
	var b, run strings.Builder
	var ink ink
	flush := func() {
		b.WriteString(ink.Paint(run.String()))
		run.Reset()
	}
	gap := " "
	for i := range t.columns {
		c := &t.columns[i]
		if c.width == 0 {
			continue
		}
		f := c.cell(slot{t.styles, c.width, selected}, row)
		if selected || f.painted != "" {
			f.ink = ""
		}
		if f.ink != ink {
			flush()
			b.WriteString(gap)
			ink = f.ink
		} else {
			run.WriteString(gap)
		}
		gap = t.gap
		if f.painted != "" {
			run.WriteString(f.painted)
		} else {
			// Escaped here, so that no pane can forget to.
			run.WriteString(fit(f.safe+t.styles.Escape(f.text), c.width, c.right, t.styles.glyphs.Ellipsis))
		}
	}
	flush()
	if !selected {
		return b.String()
	}
	return t.styles.Selected.Paint(fit(b.String(), width, false, ""))
}
