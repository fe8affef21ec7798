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

// defaultStyles uses the terminal's own sixteen colours, which the user has
// chosen and which are the shortest to send. Secondary text is faint, not
// grey: bright black is the background of some themes. What matters can also
// be told apart without colour.
func defaultStyles(ascii bool) styleSet {
	plain := lipgloss.NewStyle()
	fg := func(c string) lipgloss.Style { return plain.Foreground(lipgloss.Color(c)) }
	esc := terminal.Escaper{ASCII: ascii}
	s := styleSet{
		Text:          newInk(plain),
		Faint:         newInk(plain.Faint(true)),
		Strong:        newInk(plain.Bold(true)),
		Brand:         newInk(fg("6").Bold(true)),
		Paused:        newInk(fg("3").Bold(true).Reverse(true)),
		Title:         newInk(plain.Bold(true)),
		TitleFocused:  newInk(fg("6").Bold(true)),
		Border:        newInk(plain.Faint(true)),
		BorderFocused: newInk(fg("6")),
		Column:        newInk(plain.Faint(true)),
		Selected:      newInk(plain.Reverse(true)),
		Good:          newInk(fg("2")),
		Warn:          newInk(fg("3")),
		Bad:           newInk(fg("1").Bold(true)),
		Bar:           newInk(fg("6")),
		BarRest:       newInk(plain.Faint(true)),
		Spark:         newInk(fg("2")),
		Help: help.Styles{
			Ellipsis: plain.Faint(true),
			ShortKey: plain.Bold(true), ShortDesc: plain.Faint(true),
			FullKey: plain.Bold(true), FullDesc: plain,
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
