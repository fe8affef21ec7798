package ui

import (
	"strings"

	"charm.land/bubbles/v2/help"
	"charm.land/lipgloss/v2"

	"github.com/ebpftop/ebpftop/ui/terminal"
)

// ink paints text. It is a style reduced to the sequence that turns it on:
// hundreds of cells are painted at each refresh, each in one go.
type ink string

// newInk takes colours and attributes from a style; its sizes, margins and
// borders have no meaning for single cells.
func newInk(style lipgloss.Style) ink {
	painted := style.Render("x")
	return ink(painted[:strings.IndexByte(painted, 'x')])
}

// Paint returns s in this ink.
func (i ink) Paint(s string) string {
	if i == "" || s == "" {
		return s
	}
	return string(i) + s + "\x1b[m"
}

// inText paints what no other ink has painted: a theme decides on all text.
func (s *styleSet) inText(lines []string) []string {
	if s.Text == "" {
		return lines
	}
	for i, line := range lines {
		lines[i] = s.Text.Paint(strings.ReplaceAll(line, "\x1b[m", "\x1b[m"+string(s.Text)))
	}
	return lines
}

// glyphs are the characters that borders, bars and sparklines are drawn with.
type glyphs struct {
	// Border is top left, top, top right, side, bottom left, bottom right.
	Border, BorderFocused [6]string
	Bar, BarHalf, BarRest string
	// Spark goes from almost nothing to nearly full: lines in neighbouring
	// rows must not touch. Full is for charts of several rows.
	Spark             []rune
	Full              rune
	Ellipsis          string
	Separator         string
	Up, Down, Unknown string // the state of an interface
	Folded, Open      string // a group of interfaces
	Thumb             string // of a scroll bar
}

// styleSet is all that decides how the screen looks. It is a value handed to
// every pane, so that tests and themes can bring their own.
type styleSet struct {
	Text, Faint, Strong   ink
	Brand, Paused         ink
	Title, TitleFocused   ink
	Border, BorderFocused ink
	Column                ink // table headings
	Selected              ink
	Good, Warn, Bad       ink
	Bar, BarRest, Spark   ink
	Help                  help.Styles // keys, in the footer and the help
	glyphs                glyphs
	units                 Units
	Escape                func(string) string // for text of others
	Command               func(filename string, args []string, truncated bool, limit int) string
}

// newStyles are those of a theme. What matters can also be told apart without colour.
func newStyles(theme Theme, ascii bool) styleSet {
	p := theme.palette()
	esc := terminal.Escaper{ASCII: ascii}
	s := styleSet{
		Text:          newInk(p.text),
		Faint:         newInk(p.faint),
		Strong:        newInk(p.text.Bold(true)),
		Brand:         newInk(p.accent.Bold(true)),
		Paused:        newInk(p.warn.Bold(true).Reverse(true)),
		Title:         newInk(p.text.Bold(true)),
		TitleFocused:  newInk(p.accent.Bold(true)),
		Border:        newInk(p.faint),
		BorderFocused: newInk(p.accent),
		Column:        newInk(p.faint),
		Selected:      newInk(p.text.Reverse(true)),
		Good:          newInk(p.good),
		Warn:          newInk(p.warn),
		Bad:           newInk(p.bad.Bold(true)),
		Bar:           newInk(p.accent),
		BarRest:       newInk(p.faint),
		Spark:         newInk(p.good),
		Help: help.Styles{
			Ellipsis: p.faint,
			ShortKey: p.text.Bold(true), ShortDesc: p.faint,
			FullKey: p.text.Bold(true), FullDesc: p.text,
		},
		glyphs:  unicodeGlyphs(),
		Escape:  esc.Text,
		Command: esc.Command,
	}
	if ascii {
		s.glyphs = asciiGlyphs()
	}
	return s
}

func unicodeGlyphs() glyphs {
	return glyphs{
		Border:        [6]string{"╭", "─", "╮", "│", "╰", "╯"},
		BorderFocused: [6]string{"┏", "━", "┓", "┃", "┗", "┛"},
		Bar:           "━", BarHalf: "╸", BarRest: "─",
		Spark:     []rune("▁▂▃▄▅▆▇"),
		Full:      '█',
		Ellipsis:  "…",
		Separator: " · ",
		Up:        "●", Down: "○", Unknown: "◌",
		Folded: "▸", Open: "▾",
		Thumb: "█",
	}
}

func asciiGlyphs() glyphs {
	return glyphs{
		Border:        [6]string{"+", "-", "+", "|", "+", "+"},
		BorderFocused: [6]string{"#", "=", "#", "#", "#", "#"},
		Bar:           "#", BarHalf: "=", BarRest: ".",
		Spark:     []rune("_.-:=+*"),
		Full:      '#',
		Ellipsis:  "~",
		Separator: " | ",
		Up:        "+", Down: "-", Unknown: "?",
		Folded: ">", Open: "v",
		Thumb: "H",
	}
}
