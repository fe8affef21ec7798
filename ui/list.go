package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// list holds the rows of a pane, of which one is selected. It draws those in sight as a
// table, and below it the details of the selected one.
type list[K comparable, R any] struct {
	key         func(*R) K                   // by which a row is found again
	find        func(K) (int, bool)          // where a row is now; nil goes through the rows
	newestFirst bool                         // rows are the oldest first, and shown the other way round
	describe    func(area, *R) []fact        // all that is known of a row
	detailsRoom func(height int) (lines int) // what describe may take of a zoomed pane
	headingFrom int                          // height from which there is room for a heading
	orders      []string                     // what the orders of its rows are called; nil: there is one
	filter      *input                       // nil: its rows cannot be filtered
	language    snapshot.Filter[R]           // in which it is said
	offered     []string                     // how it can go on, once asked for
	isAsked     bool                         // how it can go on, for which there are no rows yet
	past        pastFilters

	rows   []R // from the first on
	total  int // rows there are; a long table brings only some
	fresh  bool
	cursor cursor[K]
	drawn  drawn[K]
	by     snapshot.Rows // without the filter
}

// show takes rows of a snapshot, and finds the selected one among them.
func (l *list[K, R]) show(rows []R, total int) {
	l.rows, l.total, l.fresh = rows, total, true
	find := l.find
	if find == nil {
		find = l.search
	}
	l.cursor.follow(total, find, l.keyAt)
	if l.isAsked {
		l.offered = l.ways()
		l.isAsked = len(l.offered) == 0
	}
}

// at is the row in place i.
func (l *list[K, R]) at(i int) *R {
	if l.newestFirst {
		i = len(l.rows) - 1 - i
	}
	return &l.rows[i]
}

func (l *list[K, R]) keyAt(i int) (k K, ok bool) {
	if i < 0 || i >= len(l.rows) {
		return k, false
	}
	return l.key(l.at(i)), true
}

// search finds a row by going through those there are.
func (l *list[K, R]) search(k K) (int, bool) {
	for i := range l.rows {
		if l.key(l.at(i)) == k {
			return i, true
		}
	}
	return 0, false
}

// selected is the row under the cursor, nil if there is none or a long table
// has not brought it yet.
func (l *list[K, R]) selected() *R {
	if l.cursor.index >= len(l.rows) {
		return nil
	}
	return l.at(l.cursor.index)
}

// press takes a key that is for all lists: to move the cursor, to choose an order, to type a
// filter. It reports whether the key was one.
func (l *list[K, R]) press(msg tea.KeyPressMsg, keys *keyMap) bool {
	l.offered, l.isAsked = nil, false
	switch {
	case l.typing() && key.Matches(msg, keys.Complete):
		l.complete()
	case l.typing() && key.Matches(msg, keys.Accept):
		l.filter.Blur()
		l.past.add(l.filter.Value())
	case l.typing() && key.Matches(msg, keys.Older, keys.Newer):
		l.filter.set(l.past.step(l.filter.Value(), key.Matches(msg, keys.Older)))
		l.top()
	case l.typing():
		l.typed(msg)
	case l.filter != nil && key.Matches(msg, keys.Filter):
		l.filter.Focus()
	case l.orders != nil && key.Matches(msg, keys.Sort):
		l.by = snapshot.Rows{By: (l.by.By + 1) % len(l.orders)}
		l.top()
	case l.orders != nil && key.Matches(msg, keys.Reverse):
		l.by.Reversed = !l.by.Reversed
		l.top()
	default:
		return l.cursor.update(msg, keys, l.total, l.keyAt)
	}
	return true
}

// complete goes on with the last word of the filter as far as there is one way, and else offers
// the ways. While there are no rows to tell, as before those of what was just typed, the ways are
// offered once there are.
func (l *list[K, R]) complete() {
	said, ways := l.filter.Value(), l.ways()
	if len(ways) == 0 {
		l.isAsked = true
		return
	}
	word := said[strings.LastIndexByte(said, ' ')+1:]
	if common := commonStart(ways); len(common) > len(word) {
		l.filter.set(strings.TrimSuffix(said, word) + common)
		l.top()
	}
	if len(ways) > 1 {
		l.offered = ways
	}
}

// ways are how the last word of the filter can go on.
func (l *list[K, R]) ways() []string {
	return l.language.Complete(l.filter.Value(), l.rows[:min(len(l.rows), completedRows)])
}

// completedRows bounds the rows whose values are offered, because a key has no time for more.
const completedRows = 1000

// commonStart is what all texts begin with.
func commonStart(texts []string) string {
	start := texts[0]
	for _, text := range texts[1:] {
		for !strings.HasPrefix(text, start) {
			start = start[:len(start)-1]
		}
	}
	return strings.ToValidUTF8(start, "")
}

// typing reports whether key presses are text of the filter.
func (l *list[K, R]) typing() bool { return l.filter != nil && l.filter.Focused() }

// typed edits the filter. What it selects anew is seen from the top.
func (l *list[K, R]) typed(msg tea.Msg) {
	if l.filter.press(msg) {
		l.top()
	}
}

// back gives the filter up, and says whether there was any.
func (l *list[K, R]) back() bool {
	if !l.filtered() {
		return false
	}
	l.filter.Reset()
	l.filter.Blur()
	return true
}

// filtered reports whether there is a filter, or one is being typed.
func (l *list[K, R]) filtered() bool {
	return l.filter != nil && (l.filter.Focused() || l.filter.Value() != "")
}

// wish is how the rows are to come.
func (l *list[K, R]) wish() snapshot.Rows {
	by := l.by
	if l.filter != nil {
		by.Filter = l.filter.Value()
	}
	return by
}

// order says how the rows come.
func (l *list[K, R]) order() string {
	if l.by.Reversed {
		return l.orders[l.by.By] + ", reversed"
	}
	return l.orders[l.by.By]
}

// keysNow are the keys for all lists that work on this one now.
func (l *list[K, R]) keysNow(keys *keyMap) (now []key.Binding) {
	if l.typing() {
		return []key.Binding{keys.Accept, keys.Clear, keys.Complete, keys.Older}
	}
	if l.orders != nil {
		now = append(now, keys.Sort)
	}
	if l.filter != nil {
		now = append(now, keys.Filter)
	}
	return now
}

// filterLine shows the filter, and behind it, or below where there is no room, what is wrong
// with it or how it can go on; nothing if there is none.
func (l *list[K, R]) filterLine(a area) []string {
	if !l.filtered() {
		return nil
	}
	s := a.styleSet
	line := " " + s.Brand.Paint("/") + " " + l.filter.line(s)
	text, ink := strings.Join(l.offered, "  "), s.Faint
	if err := l.language.Check(l.filter.Value()); err != nil {
		text, ink = probes.OneLine(err), s.Warn
	}
	text = s.Escape(text)
	if text == "" || ansi.StringWidth(line)+2+cells(text) <= a.Width {
		return []string{line + "  " + ink.Paint(text)}
	}
	out := []string{line}
	for _, part := range wrap(text, max(1, a.Width-2)) {
		if len(out) <= max(2, a.Height/3) {
			out = append(out, " "+ink.Paint(part))
		}
	}
	return out
}

// choose moves the cursor to row i.
func (l *list[K, R]) choose(i int) {
	l.cursor = cursor[K]{index: i, page: l.cursor.page}
	l.cursor.pin(l.keyAt)
}

// top moves the cursor to whatever row will be the first.
func (l *list[K, R]) top() { l.cursor = cursor[K]{page: l.cursor.page} }

// lines draws the rows in sight, between what stands above and below them.
func (l *list[K, R]) lines(a area, columns []column[R], above, below []string) []string {
	t := newTable(a.styleSet, a.Width, columns)
	out := above
	l.drawn = drawn[K]{heading: -1, rows: l.drawn.rows[:0]}
	if a.Height >= l.headingFrom {
		l.drawn.heading, l.drawn.titles = len(out), t.titles()
		out = append(out, t.heading())
	}
	l.drawn.first = len(out)
	end := a.Height - len(below)
	from, to := l.cursor.window(end-len(out), l.total)
	// Rows not here yet come with the next snapshot, in an instant.
	for i := from; i < min(to, len(l.rows)); i++ {
		out = append(out, t.row(l.at(i), a.Width, a.Focused && i == l.cursor.index))
		l.drawn.rows = append(l.drawn.rows, l.key(l.at(i)))
	}
	if len(below) > 0 {
		for len(out) < end {
			out = append(out, "")
		}
	}
	return append(out, below...)
}

// scroll is which rows were drawn last.
func (l *list[K, R]) scroll() scroll {
	c := &l.cursor
	return scroll{c.offset, min(c.page, l.total-c.offset), l.total, c.index}
}

// details is all that is known of the selected row, for a zoomed pane, after
// what else there is to say.
func (l *list[K, R]) details(a area, said []string) []string {
	row := l.selected()
	if !a.Zoomed || row == nil {
		return nil
	}
	lines := append(said, details(a, l.describe(a, row))...)
	return lines[:min(len(lines), l.detailsRoom(a.Height))]
}

// halfOf leaves the rows half of a pane, because what is known of one can be
// long.
func halfOf(height int) int { return height / 2 }

// mostOf leaves a heading and three rows of a pane.
func mostOf(height int) int { return max(0, height-4) }
