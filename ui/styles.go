package ui

import (
	"strings"

	"charm.land/bubbles/v2/help"
	"charm.land/lipgloss/v2"

	"github.com/ebpftop/ebpftop/ui/terminal"
)

// Ink paints text. It is a style reduced to the sequence that turns it on:
// hundreds of cells are painted at each refresh, each in one go.
type Ink string

// NewInk takes colours and attributes from a style; its sizes, margins and
// borders have no meaning for single cells.
func NewInk(style lipgloss.Style) Ink {
	painted := style.Render("x")
	return Ink(painted[:strings.IndexByte(painted, 'x')])
}

// Paint returns s in this ink.
func (i Ink) Paint(s string) string {
	if i == "" || s == "" {
		return s
	}
	return string(i) + s + "\x1b[m"
}

// Glyphs are the characters that borders, bars and sparklines are drawn with.
type Glyphs struct {
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
}

// Styles is all that decides how the screen looks. It is a value handed to
// every pane, so that tests and themes can bring their own.
type Styles struct {
	Text, Faint, Strong   Ink
	Brand, Paused         Ink
	Title, TitleFocused   Ink
	Border, BorderFocused Ink
	Column                Ink // table headings
	Selected              Ink
	Good, Warn, Bad       Ink
	Bar, BarRest, Spark   Ink
	Help                  help.Styles // keys, in the footer and the help
	Glyphs                Glyphs
	Escape                func(string) string // for text of others
	Command               func(filename string, args []string, truncated bool, limit int) string
}

// DefaultStyles uses the terminal's own sixteen colours, which the user has
// chosen and which are the shortest to send. Secondary text is faint, not
// grey: bright black is the background of some themes. What matters can also
// be told apart without colour.
func DefaultStyles(ascii bool) Styles {
	plain := lipgloss.NewStyle()
	fg := func(c string) lipgloss.Style { return plain.Foreground(lipgloss.Color(c)) }
	esc := terminal.Escaper{ASCII: ascii}
	s := Styles{
		Text:          NewInk(plain),
		Faint:         NewInk(plain.Faint(true)),
		Strong:        NewInk(plain.Bold(true)),
		Brand:         NewInk(fg("6").Bold(true)),
		Paused:        NewInk(fg("3").Bold(true).Reverse(true)),
		Title:         NewInk(plain.Bold(true)),
		TitleFocused:  NewInk(fg("6").Bold(true)),
		Border:        NewInk(plain.Faint(true)),
		BorderFocused: NewInk(fg("6")),
		Column:        NewInk(plain.Faint(true)),
		Selected:      NewInk(plain.Reverse(true)),
		Good:          NewInk(fg("2")),
		Warn:          NewInk(fg("3")),
		Bad:           NewInk(fg("1").Bold(true)),
		Bar:           NewInk(fg("6")),
		BarRest:       NewInk(plain.Faint(true)),
		Spark:         NewInk(fg("2")),
		Help: help.Styles{
			Ellipsis: plain.Faint(true),
			ShortKey: plain.Bold(true), ShortDesc: plain.Faint(true),
			FullKey: plain.Bold(true), FullDesc: plain,
		},
		Glyphs:  unicodeGlyphs(),
		Escape:  esc.Text,
		Command: esc.Command,
	}
	if ascii {
		s.Glyphs = asciiGlyphs()
	}
	return s
}

func unicodeGlyphs() Glyphs {
	return Glyphs{
		Border:        [6]string{"╭", "─", "╮", "│", "╰", "╯"},
		BorderFocused: [6]string{"┏", "━", "┓", "┃", "┗", "┛"},
		Bar:           "━", BarHalf: "╸", BarRest: "─",
		Spark:     []rune("▁▂▃▄▅▆▇"),
		Full:      '█',
		Ellipsis:  "…",
		Separator: " · ",
		Up:        "●", Down: "○", Unknown: "◌",
	}
}

func asciiGlyphs() Glyphs {
	return Glyphs{
		Border:        [6]string{"+", "-", "+", "|", "+", "+"},
		BorderFocused: [6]string{"#", "=", "#", "#", "#", "#"},
		Bar:           "#", BarHalf: "=", BarRest: ".",
		Spark:     []rune("_.-:=+*"),
		Full:      '#',
		Ellipsis:  "~",
		Separator: " | ",
		Up:        "+", Down: "-", Unknown: "?",
	}
}
