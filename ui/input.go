package ui

import (
	"slices"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/ui/terminal"
)

// input is one line of text that the user types: a filter, a name. It is not that of
// package bubbles, because that brings a library which runs clipboard programs, and looks
// for them in $PATH as soon as ebpftop starts, as root.
type input struct {
	text    []rune
	at      int  // where the cursor is: before the rune of this index
	isTyped bool // it takes keys
	ascii   bool // takes nothing that the terminal cannot show
}

// longestInput bounds the text, in runes.
const longestInput = 80

func newInput(ascii bool) *input { return &input{ascii: ascii} }

// Value returns the text.
func (i *input) Value() string { return string(i.text) }

// Focus has the input take keys.
func (i *input) Focus() { i.isTyped = true }

// Blur ends that.
func (i *input) Blur() { i.isTyped = false }

// Focused tells whether the input takes keys.
func (i *input) Focused() bool { return i.isTyped }

// Reset empties the input.
func (i *input) Reset() { i.text, i.at = nil, 0 }

// set replaces the text.
func (i *input) set(text string) {
	i.text = []rune(text)
	i.at = len(i.text)
}

// press edits the text by a key press or a paste, and reports whether that changed it. The
// keys are those of a shell.
func (i *input) press(msg tea.Msg) (changed bool) {
	if !i.isTyped {
		return false
	}
	before := string(i.text)
	switch m := msg.(type) {
	case tea.PasteMsg:
		i.insert(m.Content)
	case tea.KeyPressMsg:
		if m.Text != "" {
			i.insert(m.Text)
			break
		}
		i.edit(m.String())
	}
	return string(i.text) != before
}

func (i *input) edit(key string) {
	switch key {
	case "left", "ctrl+b":
		i.at = max(0, i.at-1)
	case "right", "ctrl+f":
		i.at = min(len(i.text), i.at+1)
	case "home", "ctrl+a":
		i.at = 0
	case "end", "ctrl+e":
		i.at = len(i.text)
	case "alt+left", "ctrl+left", "alt+b":
		i.at = i.wordBefore()
	case "alt+right", "ctrl+right", "alt+f":
		i.at = i.wordAfter()
	case "backspace", "ctrl+h":
		i.remove(i.at-1, i.at)
	case "delete", "ctrl+d":
		i.remove(i.at, i.at+1)
	case "ctrl+w", "alt+backspace":
		i.remove(i.wordBefore(), i.at)
	case "alt+d", "alt+delete":
		i.remove(i.at, i.wordAfter())
	case "ctrl+u":
		i.remove(0, i.at)
	case "ctrl+k":
		i.remove(i.at, len(i.text))
	}
}

// insert puts what the line can show of s where the cursor is, as far as there is room.
func (i *input) insert(s string) {
	added := []rune(i.accepted(s))
	added = added[:min(len(added), longestInput-len(i.text))]
	i.text = slices.Insert(i.text, i.at, added...)
	i.at += len(added)
}

// remove takes the runes from one index up to another, as far as they are there.
func (i *input) remove(from, to int) {
	from, to = max(0, from), min(len(i.text), to)
	if from < to {
		i.text = slices.Delete(i.text, from, to)
		i.at = from
	}
}

// wordBefore is where the word begins that ends before the cursor.
func (i *input) wordBefore() int {
	at := i.at
	for at > 0 && unicode.IsSpace(i.text[at-1]) {
		at--
	}
	for at > 0 && !unicode.IsSpace(i.text[at-1]) {
		at--
	}
	return at
}

// wordAfter is where the word ends that begins after the cursor.
func (i *input) wordAfter() int {
	at := i.at
	for at < len(i.text) && unicode.IsSpace(i.text[at]) {
		at++
	}
	for at < len(i.text) && !unicode.IsSpace(i.text[at]) {
		at++
	}
	return at
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
	if !i.isTyped {
		return s.Escape(i.Value())
	}
	under, after := " ", ""
	if i.at < len(i.text) {
		under, after = string(i.text[i.at]), string(i.text[i.at+1:])
	}
	return s.Escape(string(i.text[:i.at])) + s.Selected.Paint(s.Escape(under)) + s.Escape(after)
}
