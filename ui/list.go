package ui

import tea "charm.land/bubbletea/v2"

// list holds the rows of a pane, of which one is selected. It draws those in sight as a
// table, and below it the details of the selected one.
type list[K comparable, R any] struct {
	key         func(*R) K                   // by which a row is found again
	find        func(K) (int, bool)          // where a row is now; nil goes through the rows
	newestFirst bool                         // rows are the oldest first, and shown the other way round
	describe    func(area, *R) [][2]string   // names and values of all that is known of a row
	detailsRoom func(height int) (lines int) // what describe may take of a zoomed pane
	headingFrom int                          // height from which there is room for a heading

	rows   []R // from the first on
	total  int // rows there are; a long table brings only some
	fresh  bool
	cursor cursor[K]
}

// show takes rows of a snapshot, and finds the selected one among them.
func (l *list[K, R]) show(rows []R, total int) {
	l.rows, l.total, l.fresh = rows, total, true
	find := l.find
	if find == nil {
		find = l.search
	}
	l.cursor.follow(total, find, l.keyAt)
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

// press moves the cursor, and reports whether the key was one to move by.
func (l *list[K, R]) press(msg tea.KeyPressMsg, keys *keyMap) bool {
	return l.cursor.update(msg, keys, l.total, l.keyAt)
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
	if a.Height >= l.headingFrom {
		out = append(out, t.heading())
	}
	end := a.Height - len(below)
	from, to := l.cursor.window(end-len(out), l.total)
	// Rows not here yet come with the next snapshot, in an instant.
	for i := from; i < min(to, len(l.rows)); i++ {
		out = append(out, t.row(l.at(i), a.Width, a.Focused && i == l.cursor.index))
	}
	if len(below) > 0 {
		for len(out) < end {
			out = append(out, "")
		}
	}
	return append(out, below...)
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
