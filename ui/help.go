package ui

import (
	"strings"

	"charm.land/bubbles/v2/help"
	"charm.land/bubbles/v2/key"
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

// helpModel is the help of bubbles in our styles.
func helpModel(s *styleSet) help.Model {
	m := help.New()
	m.ShortSeparator, m.FullSeparator, m.Ellipsis = "  ", "   ", s.glyphs.Ellipsis
	m.Styles = s.Help
	return m
}

// helpPane is all keys, drawn in the place of the panes.
func helpPane(s *styleSet, keys keyMap, width, height int) []string {
	a := area{Width: width - 2, Height: height - 2, Focused: true, styleSet: s}
	m := helpModel(s)
	m.SetWidth(a.Width - 1)
	v := view{Title: "Keys", Info: s.Faint.Paint("esc or ? to go back")}
	if a.Height > 12 {
		v.Lines = append(v.Lines, "")
	}
	for line := range strings.SplitSeq(m.FullHelpView(keys.groups(width >= 78)), "\n") {
		v.Lines = append(v.Lines, " "+line)
	}
	// Below the keys, as many words as there is room for.
	for words := legend(s); len(words) > 0; words = words[:len(words)-1] {
		if lines := labelled(a, words); len(v.Lines)+1+len(lines) <= a.Height {
			v.Lines = append(append(v.Lines, ""), lines...)
			break
		}
	}
	return bordered(v, a, width, height)
}

// legend explains the words on the screen, where the keys leave room.
func legend(s *styleSet) [][2]string {
	g := &s.glyphs
	return [][2]string{
		{"interfaces", g.Up + " up  " + g.Down + " down  " + g.Unknown + " unknown. A frame that passes two of them counts on both, in Protocols once."},
		{"hook", "where received frames are counted: by a tracepoint of the kernel, or on the interface."},
		{"owner", "command and pid of who has the socket, and its unit or container. ? not known, -  has none."},
		{"lost", "events the kernel or ebpftop had no room for. Totals are right all the same."},
		{"evicted", "connections pushed out of the full table, the least recently used first."},
		{"pairs", g.Up + " active or on trial  " + g.Unknown + " waiting  " + g.Down + " removed on trial  ! frames get lost."},
	}
}
