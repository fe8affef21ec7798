package ui

import (
	"slices"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// choice is a field of the form with a few values, all in sight.
type choice[T comparable] struct {
	keys    keyMap
	options []option[T]
	at      int
}

type option[T comparable] struct {
	value T
	word  string
	means string // shown while it is chosen and the field in focus
}

// set chooses a value; an unknown one chooses the first.
func (c *choice[T]) set(v T) {
	c.at = max(0, slices.IndexFunc(c.options, func(o option[T]) bool { return o.value == v }))
}

func (c *choice[T]) value() T { return c.options[c.at].value }

func (c *choice[T]) press(msg tea.Msg) {
	press, ok := msg.(tea.KeyPressMsg)
	if !ok || !key.Matches(press, c.keys.Change) {
		return
	}
	step := 1
	if press.Code == tea.KeyLeft {
		step = len(c.options) - 1
	}
	c.at = (c.at + step) % len(c.options)
}

// line shows the value in brackets, so that it stands out without colour, too.
func (c *choice[T]) line(s *styleSet, focused bool, _ int) string {
	out := ""
	for i, o := range c.options {
		switch {
		case i != c.at:
			out += " " + s.Faint.Paint(o.word) + " "
		case focused:
			out += s.Selected.Paint("[" + o.word + "]")
		default:
			out += "[" + s.Strong.Paint(o.word) + "]"
		}
	}
	return out
}

func (c *choice[T]) below(a area) []string {
	return remarks(a, []remark{{text: c.options[c.at].means, ink: a.styleSet.Faint}})
}

func (c *choice[T]) leave() string { return "" }

func (c *choice[T]) bindings() []key.Binding {
	return []key.Binding{c.keys.Change, c.keys.Check}
}
