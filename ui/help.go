package ui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/help"
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// footer shows what must be seen now, if anything, and the keys that work now.
func footer(s *styleSet, banner string, keys []key.Binding, width int) string {
	m := helpModel(s)
	if banner != "" {
		banner += "  "
	}
	m.SetWidth(max(1, width-1-ansi.StringWidth(banner)))
	return fitPainted(" "+banner+m.ShortHelpView(keys), width)
}

// helpGap is between two keys on a line.
const helpGap = "  "

// helpModel is the help of bubbles in our styles.
func helpModel(s *styleSet) help.Model {
	m := help.New()
	m.ShortSeparator, m.FullSeparator, m.Ellipsis = helpGap, "   ", s.glyphs.Ellipsis
	m.Styles = s.Help
	return m
}

// helpScreen is all keys and words, in the place of the panes: those of the pane that has the
// focus first. What is typed searches them.
type helpScreen struct {
	keys   keyMap
	isOpen bool
	search *input

	offset, height, lines int // as drawn last
}

// toggle opens the help, with nothing searched, or closes it.
func (h *helpScreen) toggle() {
	h.isOpen, h.offset = !h.isOpen, 0
	h.search.Reset()
	h.search.Focus()
}

// back leaves the search, or else the help.
func (h *helpScreen) back() {
	if h.offset = 0; h.search.Value() != "" {
		h.search.Reset()
		return
	}
	h.isOpen = false
}

// press takes all keys but those that work also while text is typed.
func (h *helpScreen) press(msg tea.KeyPressMsg) {
	k := h.keys.arrowsOnly()
	switch {
	case key.Matches(msg, k.CloseHelp):
		h.toggle()
	case key.Matches(msg, k.Back):
		h.back()
	case key.Matches(msg, k.Filter) && h.search.Value() == "": // whoever is used to it
	case key.Matches(msg, k.Up):
		h.offset--
	case key.Matches(msg, k.Down):
		h.offset++
	case key.Matches(msg, k.PageUp):
		h.offset -= max(1, h.height-1)
	case key.Matches(msg, k.PageDown):
		h.offset += max(1, h.height-1)
	default:
		h.typed(msg)
	}
}

// typed edits what is searched.
func (h *helpScreen) typed(msg tea.Msg) {
	if h.search.press(msg) {
		h.offset = 0
	}
}

// Keys are those that work in the help.
func (h *helpScreen) Keys() []key.Binding {
	back := h.keys.Back
	if h.search.Value() != "" {
		back.SetHelp(back.Help().Key, "all keys")
	}
	search := key.NewBinding(key.WithKeys("/"), key.WithHelp("type", "to search"))
	more := h.keys.More
	keys := []key.Binding{search, back, h.keys.CloseHelp, h.keys.Interrupt}
	if h.lines > h.height {
		keys = slices.Insert(keys, 1, more)
	}
	return keys
}

// draw draws the help; pane is the one in focus, now are its keys.
func (h *helpScreen) draw(s *styleSet, pane string, now []key.Binding, width, height int) []string {
	a := area{Width: width - 2, Height: height - 2, Focused: true, styleSet: s}
	v := view{Title: "Keys", Info: s.Faint.Paint("esc or ? to go back")}
	line := " " + s.Faint.Paint("type to search: ") + h.search.line(s)
	body := h.all(a, pane, now)
	if h.search.Value() != "" {
		body = h.found(a, pane, now)
	}
	h.lines, h.height = len(body), max(0, a.Height-1)
	h.offset = max(0, min(h.offset, h.lines-h.height))
	v.Lines = append([]string{line}, body[h.offset:min(h.lines, h.offset+h.height)]...)
	v.Scroll = scroll{h.offset, min(h.height, h.lines), h.lines, h.offset}
	return bordered(v, a, width, height)
}

// all is the keys of the pane, then all in columns, then the words.
func (h *helpScreen) all(a area, pane string, now []key.Binding) []string {
	s := a.styleSet
	out := []string{" " + s.Title.Paint(pane)}
	m := helpModel(s)
	for len(now) > 0 { // as many on a line as have room
		n, wide := 0, 0
		for n < len(now) {
			wide += cells(now[n].Help().Key) + 1 + cells(now[n].Help().Desc) + len(m.ShortSeparator)
			if n > 0 && wide > a.Width-1 {
				break
			}
			n++
		}
		m.SetWidth(a.Width - 1)
		out = append(out, " "+m.ShortHelpView(now[:n]))
		now = now[n:]
	}
	out = append(out, " "+s.Title.Paint("All keys"))
	m.SetWidth(a.Width - 1)
	for line := range strings.SplitSeq(m.FullHelpView(h.keys.groups(a.Width >= 76)), "\n") {
		out = append(out, " "+line)
	}
	out = append(out, " "+s.Title.Paint("Words"))
	return append(out, labelled(a, legend(s))...)
}

// found is the keys and words that hold each word that is searched.
func (h *helpScreen) found(a area, pane string, now []key.Binding) []string {
	s := a.styleSet
	has := func(texts ...string) bool {
		text := strings.ToLower(strings.Join(texts, " "))
		return !slices.ContainsFunc(strings.Fields(strings.ToLower(h.search.Value())), func(word string) bool { return !strings.Contains(text, word) })
	}
	var found [][2]string
	add := func(b key.Binding, more string) {
		pair := [2]string{b.Help().Key, b.Help().Desc}
		isThere := func(p [2]string) bool { return p[0] == pair[0] && strings.HasPrefix(p[1], pair[1]) }
		if b.Enabled() && has(pair[0], pair[1], more) && !slices.ContainsFunc(found, isThere) {
			found = append(found, pair)
		}
	}
	for _, b := range now {
		add(named(b, b.Help().Desc+"  ("+pane+")"), "")
	}
	short, wide := slices.Concat(h.keys.groups(false)...), slices.Concat(h.keys.groups(true)...)
	for _, b := range append(wide, short...) {
		more := "" // what the other form says of the key is searched, too
		for _, other := range append(short, wide...) {
			if other.Help().Key == b.Help().Key {
				more += " " + other.Help().Desc
			}
		}
		isSaid := slices.ContainsFunc(found, func(p [2]string) bool { return p[0] == b.Help().Key })
		if !isSaid {
			add(b, more)
		}
	}
	for _, word := range legend(s) {
		if has(word[0], word[1]) {
			found = append(found, word)
		}
	}
	if found == nil {
		return empty(a, "no key and no word here is about that")
	}
	return labelled(a, found)
}

// legend explains the words on the screen, where the keys leave room.
func legend(s *styleSet) [][2]string {
	g := &s.glyphs
	return [][2]string{
		{"interfaces", g.Up + " up  " + g.Down + " down  " + g.Unknown + " unknown. A frame that passes two of them counts on both, in Protocols once."},
		{"hook", "where received frames are counted: by a tracepoint of the kernel, or on the interface."},
		{"owner", "command and pid of who has the socket, and its unit or container. ? not known, -  has none."},
		{"unseen", "frames that took a way past the hook, by the driver's word."},
		{"narrowed", "panes whose title ends in \"of ...\" show only what is of that; the others all."},
		{"lost", "events the kernel or ebpftop had no room for. Totals are right all the same."},
		{"evicted", "connections pushed out of the full table, the least recently used first."},
		{"pairs", g.Up + " active or on trial  " + g.Unknown + " waiting  " + g.Down + " removed on trial  ! frames get lost."},
	}
}
