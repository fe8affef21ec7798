package ui

import (
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// detailPages are the details that are open, in the place of the panes: the one that is shown,
// and below it those from which one came.
type detailPages struct {
	keys   keyMap
	teller teller
	open   []*detailPage
}

// detailPage is the detail of one subject.
type detailPage struct {
	subject snapshot.Subject
	seen    *snapshot.Detail // when it was last found; nil: not yet
	isGone  bool             // since then
	isAhead bool             // it was not there yet at the moment that is shown
	isTold  bool             // there was an answer

	at       int // the link that is selected
	selected snapshot.Subject
	offset   int // first line shown
	height   int // lines shown at the last View
	lines    int // of all
	follows  bool
	links    []linkAt // of the last View
}

// linkAt is a link and the lines that it is drawn on.
type linkAt struct {
	subject  snapshot.Subject
	from, to int
}

// entry is a part of a detail: a fact, or what draws itself.
type entry struct {
	fact
	draw func(a area, isSelected bool) []string // nil: of a fact
}

// mostPages bounds the way back.
const mostPages = 64

// enter opens the detail of a subject, if that is one.
func (d *detailPages) enter(subject snapshot.Subject) {
	if subject.Kind == snapshot.OfNothing || len(d.open) == mostPages {
		return
	}
	d.open = append(d.open, &detailPage{subject: subject})
}

// top is the page that is shown, nil if there is none.
func (d *detailPages) top() *detailPage {
	if len(d.open) == 0 {
		return nil
	}
	return d.open[len(d.open)-1]
}

// back closes the page that is shown, and says whether there was one.
func (d *detailPages) back() bool {
	if len(d.open) == 0 {
		return false
	}
	d.open = d.open[:len(d.open)-1]
	return true
}

// subject is what is shown, nothing if there is no page.
func (d *detailPages) subject() (subject snapshot.Subject) {
	if page := d.top(); page != nil {
		subject = page.subject
	}
	return subject
}

// show takes the answer of a snapshot. What is gone stays as it was last seen.
func (d *detailPages) show(msg snapshotMsg) {
	page := d.top()
	if page == nil || msg.Detail == nil || msg.Detail.Subject != page.subject {
		return
	}
	page.isTold, page.isGone = true, !msg.Detail.Found
	if msg.Detail.Found {
		page.seen = msg.Detail
	}
	page.isAhead = page.isGone && page.seen != nil && page.seen.Time.After(msg.Detail.Time)
}

// press takes a key, and reports whether it was one for the page.
func (d *detailPages) press(msg tea.KeyPressMsg) bool {
	page, k := d.top(), &d.keys
	step := max(1, page.height-1)
	switch {
	case key.Matches(msg, k.Detail):
		d.enter(page.link())
	case key.Matches(msg, k.Down, k.Next):
		page.move(1)
	case key.Matches(msg, k.Up, k.Previous):
		page.move(-1)
	case key.Matches(msg, k.PageDown):
		page.scroll(step)
	case key.Matches(msg, k.PageUp):
		page.scroll(-step)
	case key.Matches(msg, k.Home):
		page.at, page.offset, page.follows = 0, 0, false
		page.note()
	case key.Matches(msg, k.End):
		page.at, page.offset, page.follows = len(page.links)-1, page.lines, false
		page.note()
	default:
		return false
	}
	return true
}

// link is what the selected link names.
func (p *detailPage) link() (subject snapshot.Subject) {
	if p.at >= 0 && p.at < len(p.links) {
		subject = p.links[p.at].subject
	}
	return subject
}

// move selects the next link, or the one before. It scrolls instead if there is none, or none
// so near that no line is passed over.
func (p *detailPage) move(by int) {
	half := max(1, p.height/2)
	isNear := func(i int) bool {
		return i >= 0 && i < len(p.links) && p.links[i].to > p.offset-half && p.links[i].from < p.offset+p.height+half
	}
	next := p.at + by
	if p.at < len(p.links) { // one that is out of sight ahead, as before the first press, is the next
		link := p.links[p.at]
		if by > 0 && link.to > p.offset+p.height || by < 0 && link.from < p.offset {
			next = p.at
		}
	}
	switch {
	case isNear(next):
		p.at, p.follows = next, true
		p.note()
	case next >= 0 && next < len(p.links):
		p.offset, p.follows = p.offset+by*half, false
	default:
		p.offset, p.follows = p.offset+by, false
	}
}

// inSight tells whether a link was drawn.
func (p *detailPage) inSight(i int) bool {
	return i < len(p.links) && p.links[i].from >= p.offset && p.links[i].to <= p.offset+p.height
}

// scroll moves on by lines, and selects a link that is in sight.
func (p *detailPage) scroll(lines int) {
	p.offset, p.follows = max(0, min(p.offset+lines, p.lines-p.height)), false
	for i := range p.links {
		if p.inSight(i) {
			p.at = i
			break
		}
	}
	p.note()
}

// note remembers the selected link, to find it again.
func (p *detailPage) note() { p.selected = p.link() }

// settle finds the selected link again among those there are now: where it was, or else the
// first one that is of the same.
func (p *detailPage) settle(entries []entry) (selected int) {
	var links []int
	for i := range entries {
		if entries[i].link.Kind != snapshot.OfNothing {
			links = append(links, i)
		}
	}
	if len(links) == 0 {
		p.at = 0
		return -1
	}
	is := func(at int) bool { return at >= 0 && at < len(links) && entries[links[at]].link == p.selected }
	if p.selected.Kind != snapshot.OfNothing && !is(p.at) {
		if at := slices.IndexFunc(links, func(i int) bool { return entries[i].link == p.selected }); at >= 0 {
			p.at = at
		}
	}
	p.at = max(0, min(p.at, len(links)-1))
	p.selected = entries[links[p.at]].link
	return links[p.at]
}

// View draws the page that is shown.
func (d *detailPages) View(a area) view {
	page := d.top()
	v := view{Title: d.trail(a)}
	if page.seen == nil {
		text := "looking ..."
		if page.isTold {
			text = "not known: " + a.styleSet.Escape(absent(page.subject))
		}
		v.Lines = empty(a, text)
		page.links, page.lines = nil, 0
		return v
	}
	switch at := page.seen.Time.In(d.teller.zone).Format(time.TimeOnly); {
	case page.isAhead:
		v.Info = a.styleSet.Warn.Paint("not there then, as seen at " + at)
	case page.isGone:
		v.Info = a.styleSet.Warn.Paint("gone, as last seen at " + at)
	}
	entries := d.teller.entries(a, page.seen)
	v.Lines = page.draw(a, entries)
	v.Scroll = scroll{page.offset, min(a.Height, page.lines), page.lines, page.offset}
	return v
}

// draw draws the lines in sight, and keeps where the links are.
func (p *detailPage) draw(a area, entries []entry) []string {
	selected, wide := p.settle(entries), 0
	for i := range entries {
		wide = max(wide, cells(entries[i].name))
	}
	wide = min(wide, max(4, a.Width/3))
	var lines []string
	p.links = p.links[:0]
	for i := range entries {
		e := &entries[i]
		from := len(lines)
		if e.draw != nil {
			lines = append(lines, e.draw(a, i == selected)...)
		} else {
			lines = append(lines, e.lines(a, wide, i == selected)...)
		}
		if e.link.Kind != snapshot.OfNothing {
			p.links = append(p.links, linkAt{e.link, from, len(lines)})
		}
	}
	p.lines, p.height = len(lines), a.Height
	if p.follows && p.at < len(p.links) {
		link := p.links[p.at]
		if p.at == 0 && link.to <= a.Height {
			p.offset = 0 // what stands above it can be read, too
		}
		p.offset = min(p.offset, link.from)
		p.offset = max(p.offset, link.to-a.Height)
	}
	p.offset = max(0, min(p.offset, len(lines)-a.Height))
	return lines[p.offset:min(len(lines), p.offset+a.Height)]
}

// lines draws a fact: its name, a mark if it is a link, its value wrapped.
func (f *fact) lines(a area, wide int, isSelected bool) (out []string) {
	s := a.styleSet
	name, mark := f.name, " "
	if f.link.Kind != snapshot.OfNothing {
		mark = s.glyphs.Folded
	}
	for _, part := range wrap(f.value, max(1, a.Width-wide-6)) {
		line := " " + s.Faint.Paint(fit(name, wide, false, s.glyphs.Ellipsis)) + "  " + mark + " " + part
		if isSelected {
			line = s.Selected.Paint(fit(ansi.Strip(line), a.Width, false, ""))
		}
		out = append(out, line)
		name, mark = "", " "
	}
	return out
}

// trail is the way that led here, the end of it where there is no room for all.
func (d *detailPages) trail(a area) string {
	titles := make([]string, len(d.open))
	for i, page := range d.open {
		titles[i] = a.styleSet.Escape(page.title())
	}
	for len(titles) > 1 && cells(strings.Join(titles, " > "))+4 > a.Width-8 {
		titles = append([]string{a.styleSet.glyphs.Ellipsis}, titles[min(len(titles)-1, 2):]...)
		if titles[0] == a.styleSet.glyphs.Ellipsis && len(titles) == 2 {
			break
		}
	}
	return strings.Join(titles, " > ")
}

// Keys are those that work on the page.
func (d *detailPages) Keys() []key.Binding {
	page, k := d.top(), &d.keys
	var now []key.Binding
	if len(page.links) > 0 {
		choose := k.Up
		choose.SetHelp(k.More.Help().Key, "choose")
		now = append(now, choose, k.Detail)
	}
	back := k.Back
	back.SetHelp(back.Help().Key, "back")
	return append(now, back)
}

// copy is the page as text, and its subject.
func (d *detailPages) copy(s *styleSet) copied {
	page := d.top()
	if page.seen == nil {
		return copied{}
	}
	a := area{Width: copyWidth, Height: relatedShown, styleSet: s}
	copyOf := *page
	lines := copyOf.draw(a, d.teller.entries(a, page.seen))
	return copied{plainText(lines), page.seen.Value()}
}
