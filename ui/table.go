package ui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/ui/terminal"
)

// fit makes s exactly width cells wide: cut with an ellipsis or padded. s
// holds no escape sequences.
func fit(s string, width int, right bool, ellipsis string) string {
	if width <= 0 {
		return ""
	}
	if terminal.PrintableASCII(s) && len(s) > width && width > cells(ellipsis) {
		return s[:width-cells(ellipsis)] + ellipsis // most text there is
	}
	n := cells(s)
	if n > width {
		s = ansi.Truncate(s, width, ellipsis)
		n = cells(s)
	}
	if n >= width {
		return s
	}
	if right {
		return blanks(width-n) + s
	}
	return s + blanks(width-n)
}

// fitMiddle cuts s in its middle: the end of an address, its port, tells more
// than what stands before it.
func fitMiddle(s string, width int, ellipsis string) string {
	n := cells(s)
	if n <= width || width < 8 {
		return fit(s, width, false, ellipsis)
	}
	tail := width / 2
	head := width - tail - cells(ellipsis)
	return fit(ansi.Cut(s, 0, head)+ellipsis+ansi.Cut(s, n-tail, n), width, false, ellipsis)
}

// cells is the width of s on the screen.
func cells(s string) int {
	if terminal.PrintableASCII(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

const manyBlanks = "                                                                "

func blanks(n int) string {
	if n <= 0 {
		return ""
	}
	if n <= len(manyBlanks) {
		return manyBlanks[:n]
	}
	return strings.Repeat(" ", n)
}

// column describes one column of a table.
type column struct {
	title string
	width int  // cells it needs
	grow  int  // its share of the cells left over, 0 for none
	limit int  // cells it never exceeds when growing, 0 for no limit
	right bool // numbers
	drop  int  // where room is short the highest go first, 0 never
}

// table lays columns out in a given width. It is made anew for each View:
// that costs little, and a resize needs no attention.
type table struct {
	columns []column // widths resolved, 0 where left out
	gap     string
	styles  *Styles
}

// cell is the text of one field and its ink. Safe text is our own, or escaped
// before: to look at characters beyond ASCII anew takes tables of two megabytes. A
// raw cell brings its own escape sequences and has exactly the column's width.
type cell struct {
	text, safe string
	ink        Ink
	raw        func(width int, plain bool) string
}

// newTable leaves out what does not fit, then shares out what is left.
func newTable(styles *Styles, width int, columns []column) table {
	t := table{columns: append([]column(nil), columns...), gap: " ", styles: styles}
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

func (t *table) total() int {
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
func (t *table) share(rest int) {
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

func (t *table) heading() string {
	var b strings.Builder
	for _, c := range t.columns {
		if c.width > 0 {
			if b.Len() > 0 {
				b.WriteString(t.gap)
			}
			b.WriteString(fit(c.title, c.width, c.right, t.styles.Glyphs.Ellipsis))
		}
	}
	return " " + t.styles.Column.Paint(b.String())
}

// row is one line. A selected row has one ink from end to end of width.
// Neighbours of the same ink are painted in one go, gap included: each change
// of ink is sent to the terminal.
func (t *table) row(row []cell, width int, selected bool) string {
	var b, run strings.Builder
	var ink Ink
	flush := func() {
		b.WriteString(ink.Paint(run.String()))
		run.Reset()
	}
	gap := " "
	for i, c := range t.columns {
		if c.width == 0 {
			continue
		}
		f := row[i]
		if selected || f.raw != nil {
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
		if f.raw != nil {
			run.WriteString(f.raw(c.width, selected))
		} else {
			// Escaped here, so that no pane can forget to.
			run.WriteString(fit(f.safe+t.styles.Escape(f.text), c.width, c.right, t.styles.Glyphs.Ellipsis))
		}
	}
	flush()
	if !selected {
		return b.String()
	}
	return t.styles.Selected.Paint(fit(b.String(), width, false, ""))
}
