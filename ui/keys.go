package ui

import "charm.land/bubbles/v2/key"

// KeyMap is every key the screen knows. It is a value handed to the panes.
type KeyMap struct {
	Next, Previous, Pane             key.Binding
	Up, Down, PageUp, PageDown       key.Binding
	Home, End                        key.Binding
	Zoom, Pause, Slower, Faster      key.Binding
	Interval                         key.Binding // Slower and Faster, for the footer
	Scope, Sort, Filter              key.Binding
	Accept, Clear                    key.Binding // while a filter is typed
	Back, Help, Quit, QuitAtAllTimes key.Binding
}

// DefaultKeyMap names keys as the terminal can show them.
func DefaultKeyMap(ascii bool) KeyMap {
	up, down := "↑/k", "↓/j"
	if ascii {
		up, down = "up/k", "down/j"
	}
	bind := func(help, desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
	}
	return KeyMap{
		Next:     bind("tab", "next", "tab"),
		Previous: bind("shift+tab", "previous", "shift+tab"),
		Pane:     bind("1-5", "go to pane", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
		Up:       bind(up, "up", "up", "k"),
		Down:     bind(down, "down", "down", "j"),
		PageUp:   bind("pgup", "page up", "pgup", "ctrl+b"),
		PageDown: bind("pgdn", "page down", "pgdown", "ctrl+f"),
		Home:     bind("home/g", "first", "home", "g"),
		End:      bind("end/G", "last", "end", "G"),
		Zoom:     bind("z", "zoom", "z"),
		Pause:    bind("space", "pause", "space"),
		Slower:   bind("+", "longer interval", "+", "="),
		Faster:   bind("-", "shorter interval", "-", "_"),
		Interval: bind("+/-", "interval", "+", "-"),
		Scope:    bind("enter", "narrow", "enter"),
		Sort:     bind("s", "sort", "s"),
		Filter:   bind("/", "filter", "/"),
		Accept:   bind("enter", "keep filter", "enter"),
		Clear:    bind("esc", "clear filter", "esc"),
		Back:     bind("esc", "back", "esc"),
		Help:     bind("?", "keys", "?"),
		Quit:     bind("q", "quit", "q", "ctrl+c"),
		// A letter can be part of a filter, Ctrl-C always ends.
		QuitAtAllTimes: bind("ctrl+c", "quit", "ctrl+c"),
	}
}

// groups is all keys for the help screen, by what they are for, with more
// words than the footer has room for.
func (k KeyMap) groups(columns int) [][]key.Binding {
	say := func(b *key.Binding, desc string) { b.SetHelp(b.Help().Key, desc) }
	say(&k.Next, "next pane")
	say(&k.Previous, "previous pane")
	say(&k.Zoom, "zoom pane")
	say(&k.Scope, "this interface only")
	say(&k.Sort, "newest or busiest")
	say(&k.Filter, "filter connections")
	say(&k.Help, "this help")
	if columns < 3 {
		return [][]key.Binding{
			{k.Up, k.Down, k.PageUp, k.PageDown, k.Home, k.End, k.Next, k.Previous, k.Pane},
			{k.Zoom, k.Back, k.Scope, k.Sort, k.Filter, k.Pause, k.Slower, k.Faster, k.Help, k.Quit},
		}
	}
	return [][]key.Binding{
		{k.Up, k.Down, k.PageUp, k.PageDown, k.Home, k.End},
		{k.Next, k.Previous, k.Pane, k.Zoom, k.Back, k.Scope},
		{k.Sort, k.Filter, k.Pause, k.Slower, k.Faster, k.Help, k.Quit},
	}
}
