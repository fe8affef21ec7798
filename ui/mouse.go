package ui

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

const (
	wheelLines  = 3
	doubleClick = 500 * time.Millisecond // between two clicks on one cell, at most
)

// mouse is what it takes to make something of clicks.
type mouse struct {
	isOn bool
	set  func(on bool) // has the terminal report it, or not any more; nil without a terminal

	last tea.Mouse // click
	at   time.Time
}

// toggle leaves the mouse to the terminal, or takes it back.
func (m *mouse) toggle() (news string) {
	if m.isOn = !m.isOn; m.set != nil {
		m.set(m.isOn)
	}
	if m.isOn {
		return "mouse on; with shift, the terminal selects text"
	}
	return "mouse off: the terminal selects text"
}

// isDouble tells whether a click is the second one in its place.
func (m *mouse) isDouble(click tea.Mouse, now time.Time) bool {
	is := click == m.last && now.Sub(m.at) <= doubleClick
	if m.last, m.at = click, now; is {
		m.at = time.Time{} // a third one is the first again
	}
	return is
}

// click routes a click as press routes a key. It does nothing that cannot be taken back: what a
// dialog asks is applied by Enter.
func (m *model) click(at tea.Mouse) tea.Cmd {
	if at.Button != tea.MouseLeft || at.Mod != 0 {
		return nil
	}
	m.dialogs.notice, m.dialogs.news, m.dialogs.interrupted, m.narrowed.choices = "", "", false, nil
	isDouble, y := m.mouse.isDouble(at, time.Now()), at.Y-m.headLines()
	switch page := m.details.top(); {
	case m.dialogs.open != nil:
		return m.dialogs.click(at.X, y, isDouble)
	case m.help.isOpen:
	case page != nil:
		if page.click(y-1) && isDouble {
			m.details.enter(page.link())
		}
	default:
		m.clickPane(at.X, y, isDouble)
	}
	return nil
}

// clickPane gives the pane at a cell of the body the focus, and selects its row there.
func (m *model) clickPane(x, y int, isDouble bool) {
	at, ok := m.placeAt(x, y)
	if !ok {
		return
	}
	if m.typing() && at.pane != m.focus {
		m.panes[m.focus].Update(tea.KeyPressMsg{Code: tea.KeyEnter}) // keeps the filter
	}
	m.focus = at.pane
	if m.panes[at.pane].rows().click(x-at.x-1, y-at.y-1) && isDouble {
		m.details.enter(m.panes[at.pane].Subject())
	}
}

// wheel scrolls what is under the pointer.
func (m *model) wheel(at tea.Mouse) {
	lines := wheelLines
	switch at.Button {
	case tea.MouseWheelUp:
		lines = -lines
	case tea.MouseWheelDown:
	default:
		return
	}
	switch page := m.details.top(); {
	case m.dialogs.open != nil:
		m.dialogs.open.Wheel(lines)
	case m.help.isOpen:
		m.help.offset += lines
	case page != nil:
		page.scroll(lines)
	default:
		if place, ok := m.placeAt(at.X, at.Y-m.headLines()); ok {
			m.panes[place.pane].rows().wheel(lines)
		}
	}
}

// placeAt is the pane at a cell of the body.
func (m *model) placeAt(x, y int) (place, bool) {
	places := m.places(m.width, m.height-m.headLines()-footerLines)
	at := slices.IndexFunc(places, func(p place) bool { return x >= p.x && x < p.x+p.w && y >= p.y && y < p.y+p.h })
	if at < 0 {
		return place{}, false
	}
	return places[at], true
}

// clickable are the rows of a pane, as they were drawn last.
type clickable interface {
	// click selects the row at a cell inside the border, and reports whether there is one. On
	// a title, it sorts.
	click(x, y int) bool
	// wheel scrolls, and selects a row that is in sight.
	wheel(lines int)
}

// drawn is where a list was drawn last.
type drawn[K any] struct {
	heading int // line of the titles, -1 for none
	first   int // line of the first row in sight
	rows    []K // those in sight
	titles  []title
}

// title is the cells that the title of a column has.
type title struct {
	from, to int
	order    string // that it sorts by
}

func (l *list[K, R]) click(x, y int) bool {
	if y == l.drawn.heading {
		l.sortAt(x)
		return false
	}
	row := y - l.drawn.first
	if row < 0 || row >= len(l.drawn.rows) {
		return false
	}
	// It may be elsewhere since.
	at := slices.IndexFunc(l.rows, func(r R) bool { return l.key(&r) == l.drawn.rows[row] })
	if at < 0 {
		return false
	}
	if l.newestFirst {
		at = len(l.rows) - 1 - at
	}
	l.cursor.index = at
	l.cursor.pin(l.keyAt)
	return true
}

// sortAt sorts by the column that has its title there, or reverses that.
func (l *list[K, R]) sortAt(x int) {
	at := slices.IndexFunc(l.drawn.titles, func(t title) bool { return x >= t.from && x < t.to })
	if at < 0 {
		return
	}
	switch by := slices.Index(l.orders, l.drawn.titles[at].order); {
	case by < 0:
		return
	case by == l.by.By:
		l.by.Reversed = !l.by.Reversed
	default:
		l.by.By, l.by.Reversed = by, false
	}
	l.top()
}

func (l *list[K, R]) wheel(lines int) {
	c := &l.cursor
	if before := c.offset; before+lines < 0 {
		c.index += before + lines // at the top, the first row is reached at last
	}
	c.offset = max(0, min(c.offset+lines, l.total-c.page))
	c.index = max(0, min(max(c.index, c.offset), c.offset+c.page-1, l.total-1))
	c.pin(l.keyAt)
}

// titles are the cells that titles have in the heading.
func (t *table[R]) titles() (out []title) {
	x := 1
	for _, c := range t.columns {
		if c.width == 0 {
			continue
		}
		order := c.order
		if order == "" {
			if order = c.title; c.isRate {
				order += " rate"
			}
		}
		out = append(out, title{x, x + c.width, order})
		x += c.width + len(t.gap)
	}
	return out
}

// click selects the link that is on a line, and reports whether there is one.
func (p *detailPage) click(y int) bool {
	line := p.offset + y
	at := slices.IndexFunc(p.links, func(l linkAt) bool { return line >= l.from && line < l.to })
	if at < 0 || y < 0 || y >= p.height {
		return false
	}
	p.at, p.follows = at, false
	p.note()
	return true
}

// click hands a click to the dialog, unless a call is under way.
func (d *pairDialogs) click(x, y int, isDouble bool) tea.Cmd {
	if d.call != nil {
		return nil
	}
	return d.open.Click(x-d.at.x-1, y-d.at.y-1, isDouble)
}

// Click chooses the answer whose key is there.
func (q *question) Click(x, y int, _ bool) tea.Cmd {
	if y != q.answersAt {
		return nil
	}
	from := 1
	for i, b := range q.Keys() {
		to := from + ansi.StringWidth(b.Help().Key+" "+b.Help().Desc)
		switch {
		case x < from || x >= to:
			from = to + len(helpGap)
		case i < len(q.answers):
			return q.answers[i].do()
		default:
			q.close()
			return nil
		}
	}
	return nil
}

// Wheel does nothing: a question has a few lines.
func (q *question) Wheel(int) {}

// Click goes to the field on a line, chooses a value there, or an interface in the list below.
func (f *connectForm) Click(x, y int, isDouble bool) tea.Cmd {
	if f.review != nil || y < 0 {
		return nil
	}
	fields := f.fields()
	p, isPicking := fields[f.focus].field.(*picker)
	switch {
	case y < f.drawn.rows:
		f.move(f.drawn.first + y - f.focus)
		fields[f.focus].click(x - fieldLabel - 2)
	case isPicking && p.list.click(x, y-f.drawn.below):
		if p.meant = true; isDouble {
			f.move(1)
		}
	}
	return nil
}

// Wheel scrolls the list below the fields, or the review.
func (f *connectForm) Wheel(lines int) {
	if f.review != nil {
		f.review.offset = max(0, min(f.review.offset+lines, f.review.last))
	} else if p, ok := f.fields()[f.focus].field.(*picker); ok {
		p.list.wheel(lines)
		p.meant = true
	}
}

// click chooses the value at a cell of the line.
func (c *choice[T]) click(x int) {
	from := 0
	for i, o := range c.options {
		to := from + ansi.StringWidth(o.word) + 2
		if x >= from && x < to {
			c.at = i
		}
		from = to
	}
}

// click does nothing more than to go to the field.
func (p *picker) click(int) {}
