package ui

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/ui/terminal"
)

// input is one line of text that the user types: a filter, a name.
type input struct {
	textinput.Model
	ascii bool // takes nothing that the terminal cannot show
}

func newInput(ascii bool) input {
	m := textinput.New()
	m.Prompt = ""
	m.CharLimit = 80
	// Pasting by key would run a clipboard program, as root.
	m.KeyMap.Paste.Unbind()
	return input{Model: m, ascii: ascii}
}

// press edits the text by a key press or a paste, and reports whether that
// changed it.
func (i *input) press(msg tea.Msg) (changed bool, cmd tea.Cmd) {
	switch m := msg.(type) {
	case tea.PasteMsg:
		m.Content = i.accepted(m.Content)
		msg = m
	case tea.KeyPressMsg:
		m.Text = i.accepted(m.Text)
		msg = m
	}
	before := i.Value()
	i.Model, cmd = i.Update(msg)
	return i.Value() != before, cmd
}

// accepted is the part of s that the line can show as it is.
func (i *input) accepted(s string) string {
	return strings.Map(func(r rune) rune {
		if !terminal.Visible(r) || (i.ascii && r > 0x7e) {
			return -1
		}
		return r
	}, s)
}

// line is the text, with the cursor while it is being typed.
func (i *input) line(s *styleSet) string {
	value := s.Escape(i.Value())
	if !i.Focused() {
		return value
	}
	at := len(s.Escape(string([]rune(i.Value())[:i.Position()])))
	under, rest := " ", ""
	if at < len(value) {
		r := []rune(value[at:])
		under, rest = string(r[0]), string(r[1:])
	}
	return value[:at] + s.Selected.Paint(under) + rest
}
