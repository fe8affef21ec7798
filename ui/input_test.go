package ui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// TestInput edits a line as a shell does.
func TestInput(t *testing.T) {
	const mark = "|" // where the cursor is
	for _, test := range []struct{ before, keys, want string }{
		{"one two|", "backspace", "one tw|"},
		{"|one", "backspace ctrl+h left", "|one"},
		{"on|e", "delete", "on|"},
		{"one|", "delete ctrl+d right", "one|"},
		{"one  two  |", "ctrl+w", "one  |"},
		{"one two|", "ctrl+w ctrl+w ctrl+w", "|"},
		{"one tw|o", "alt+backspace", "one |o"},
		{"one| two three", "alt+d", "one| three"},
		{"one two| three", "ctrl+u", "| three"},
		{"one two| three", "ctrl+k", "one two|"},
		{"one two|", "home", "|one two"},
		{"|one two", "end", "one two|"},
		{"one t|wo", "ctrl+a right right", "on|e two"},
		{"one two|", "alt+left alt+b", "|one two"},
		{"|one two", "alt+right", "one| two"},
		{"|one two", "alt+f ctrl+right", "one two|"},
		{"ä€|", "left left backspace delete", "|€"},
		{"one|", "up down f1 ctrl+x", "one|"},
	} {
		left, right, _ := strings.Cut(test.before, mark)
		i := input{text: []rune(left + right), at: len([]rune(left)), isTyped: true}
		for _, name := range strings.Fields(test.keys) {
			before := i.Value()
			if changed := i.press(keyNamed(t, name)); changed != (i.Value() != before) {
				t.Errorf("%s at %q: says that it changed the text: %v", name, before, changed)
			}
		}
		if got := string(i.text[:i.at]) + mark + string(i.text[i.at:]); got != test.want {
			t.Errorf("%s on %q: %q, want %q", test.keys, test.before, got, test.want)
		}
	}
}

// TestInputTakes keys only while it is typed into, what can be shown, and no more than has
// room.
func TestInputTakes(t *testing.T) {
	i := newInput(true)
	if i.press(tea.PasteMsg{Content: "x"}) || i.Value() != "" {
		t.Error("takes what is pasted while it is not typed into")
	}
	i.Focus()
	i.press(tea.PasteMsg{Content: "a\x1b[2J\nb\u202eä"})
	if i.Value() != "a[2Jb" {
		t.Errorf("took %q", i.Value())
	}
	i.press(tea.KeyPressMsg{Code: 'c', Text: "c"})
	i.press(tea.PasteMsg{Content: strings.Repeat("x", 200)})
	if len(i.text) != longestInput || !strings.HasPrefix(i.Value(), "a[2Jbcx") || i.press(tea.KeyPressMsg{Code: 'y', Text: "y"}) {
		t.Errorf("%d runes: %q", len(i.text), i.Value())
	}
	i.Reset()
	i.Blur()
	if i.press(tea.KeyPressMsg{Code: 'c', Text: "c"}) || i.Value() != "" {
		t.Errorf("took %q while it is not typed into", i.Value())
	}
}

// keyNamed is the key press that calls itself so.
func keyNamed(t *testing.T, name string) tea.KeyPressMsg {
	t.Helper()
	codes := map[string]rune{
		"left": tea.KeyLeft, "right": tea.KeyRight, "up": tea.KeyUp, "down": tea.KeyDown, "home": tea.KeyHome, "end": tea.KeyEnd,
		"backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "f1": tea.KeyF1,
	}
	var press tea.KeyPressMsg
	parts := strings.Split(name, "+")
	for _, modifier := range parts[:len(parts)-1] {
		press.Mod |= map[string]tea.KeyMod{"ctrl": tea.ModCtrl, "alt": tea.ModAlt}[modifier]
	}
	last := parts[len(parts)-1]
	if press.Code = codes[last]; press.Code == 0 {
		press.Code = []rune(last)[0]
	}
	if press.String() != name {
		t.Fatalf("%s calls itself %s", name, press.String())
	}
	return press
}
