package ui

import "charm.land/bubbles/v2/key"

// keyMap is every key the screen knows. It is a value handed to the panes.
type keyMap struct {
	Next, Previous, Pane        key.Binding
	Up, Down, PageUp, PageDown  key.Binding
	Home, End                   key.Binding
	Zoom, Pause, Slower, Faster key.Binding
	Earlier, Later              key.Binding // in time
	MuchEarlier, MuchLater      key.Binding
	Interval                    key.Binding // Slower and Faster, for the footer
	Detail, Narrow              key.Binding
	Sort, Reverse, Filter       key.Binding
	Fold, Open                  key.Binding // interfaces
	Group                       key.Binding // connections
	Accept, Clear               key.Binding // while a filter is typed
	Complete                    key.Binding
	Older, Newer                key.Binding // filters
	Back, Help, CloseHelp, Quit key.Binding
	Save, CopyText, CopyJSON    key.Binding
	Units, Reset, FromStart     key.Binding
	Mouse                       key.Binding
	Interrupt, Stop, Redraw     key.Binding // also while text is typed

	Connect, Disconnect, Edit key.Binding // cross-connects
	Undo, Confirm             key.Binding
	NextField, PreviousField  key.Binding // in the form
	Choose, Change            key.Binding
	Check, Apply, More        key.Binding
	Cancel                    key.Binding
	Yes, OnTrial              key.Binding // answers
	RemoveAll, KeepAll, Stay  key.Binding
}

// defaultKeyMap names keys as the terminal can show them.
func defaultKeyMap(ascii bool) keyMap {
	up, down, along := "↑/k", "↓/j", "↑/↓"
	if ascii {
		up, down, along = "up/k", "down/j", "up/down"
	}
	k := keyMap{
		Next:      bind("tab", "next", "tab"),
		Previous:  bind("shift+tab", "previous", "shift+tab"),
		Pane:      bind("1-6", "go to pane", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
		Up:        bind(up, "up", "up", "k"),
		Down:      bind(down, "down", "down", "j"),
		PageUp:    bind("pgup", "page up", "pgup", "ctrl+b"),
		PageDown:  bind("pgdn", "page down", "pgdown", "ctrl+f"),
		Home:      bind("home/g", "first", "home", "g"),
		End:       bind("end/G", "last", "end", "G"),
		Zoom:      bind("z", "zoom", "z"),
		Pause:     bind("space", "pause", "space"),
		Earlier:   bind("[/]", "back in time", "["),
		Later:     bind("]", "on to now", "]"),
		Slower:    bind("+", "longer interval", "+", "="),
		Faster:    bind("-", "shorter interval", "-", "_"),
		Interval:  bind("+/-", "interval", "+", "-"),
		Detail:    bind("enter", "open", "enter"),
		Narrow:    bind("n", "narrow", "n"),
		Sort:      bind("s", "sort", "s"),
		Reverse:   bind("S", "reverse", "S"),
		Filter:    bind("/", "filter", "/"),
		Fold:      bind("f", "fold", "f"),
		Open:      bind("o", "open group", "o"),
		Group:     bind("o", "by owner", "o"),
		Accept:    bind("enter", "keep filter", "enter"),
		Clear:     bind("esc", "clear filter", "esc"),
		Complete:  bind("tab", "complete", "tab"),
		Older:     bind(along, "filters before", "up", "ctrl+p"),
		Newer:     bind("down", "later filter", "down", "ctrl+n"),
		Back:      bind("esc", "back", "esc"),
		Help:      bind("?", "keys", "?", "h", "f1"),
		CloseHelp: bind("?", "close", "?", "f1"), // h is a letter to search by
		Quit:      bind("q", "quit", "q"),

		Save:      bind("w", "save to a file", "w"),
		CopyText:  bind("y/Y", "copy row/as JSON", "y"),
		Reset:     bind("x/X", "reset totals/undo", "x"),
		FromStart: bind("X", "totals from the start", "X"),
		Mouse:     bind("m", "mouse on/off", "m"),
		Units:     bind("b", "bits, bytes", "b"),
		CopyJSON:  bind("Y", "copy row as JSON", "Y"),

		MuchEarlier: bind("{/}", "by a minute", "{"),
		MuchLater:   bind("}", "on by a minute", "}"),

		Interrupt: bind("ctrl+c", "quit", "ctrl+c"),
		Stop:      bind("ctrl+z", "suspend", "ctrl+z"),
		Redraw:    bind("ctrl+l", "redraw", "ctrl+l"),
	}
	k.bindPairs(ascii)
	return k
}

func bind(help, desc string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
}

// bindPairs names the keys of cross-connects, and of questions about them.
func (k *keyMap) bindPairs(ascii bool) {
	across, along := "←/→", "↑/↓"
	if ascii {
		across, along = "left/right", "up/down"
	}
	k.Connect = bind("a", "connect", "a")
	k.Disconnect = bind("d", "remove", "d")
	k.Edit = bind("e", "edit", "e")
	k.Undo = bind("u", "undo", "u")
	k.Confirm = bind("c", "confirm", "c")
	k.NextField = bind("tab", "next field", "tab")
	k.PreviousField = bind("shift+tab", "previous field", "shift+tab")
	k.Choose = bind("enter", "choose", "enter")
	k.Change = bind(across, "change", "left", "right", "space")
	k.Check = bind("enter", "what will happen", "enter")
	k.Apply = bind("enter", "apply", "enter")
	k.More = bind(along, "more", "up", "down")
	k.Cancel = bind("esc", "back", "esc")
	k.Yes = bind("y", "yes", "y")
	k.OnTrial = bind("t", "on trial", "t")
	k.RemoveAll = bind("r", "remove", "r")
	k.KeepAll = bind("k", "keep after exit", "k")
	k.Stay = bind("esc", "stay", "esc", "n")
}

// readOnly returns the keys of a screen that can change nothing.
func (k keyMap) readOnly() keyMap {
	for _, b := range []*key.Binding{&k.Connect, &k.Disconnect, &k.Edit, &k.Undo, &k.Confirm} {
		b.SetEnabled(false)
	}
	return k
}

// arrowsOnly is for lists beside a line where letters are text.
func (k keyMap) arrowsOnly() keyMap {
	k.Up.SetKeys("up")
	k.Down.SetKeys("down")
	k.PageUp.SetKeys("pgup")
	k.PageDown.SetKeys("pgdown")
	k.Home.SetEnabled(false)
	k.End.SetEnabled(false)
	return k
}

// groups is all keys for the help screen, by what they are for. Where there is
// room they have more words than in the footer.
func (k keyMap) groups(wide bool) [][]key.Binding {
	describe := func(b *key.Binding, desc string) { b.SetHelp(b.Help().Key, desc) }
	// Open and Group are one key, and there is one line for them.
	if !wide {
		describe(&k.Open, "group/sums")
		describe(&k.Earlier, "in time")
		describe(&k.MuchEarlier, "minute")
		return [][]key.Binding{
			{k.Up, k.Down, k.PageUp, k.PageDown, k.Home, k.End, k.Pane, k.Interval, k.Earlier, k.MuchEarlier},
			{k.Next, k.Previous, k.Zoom, k.Back, k.Sort, k.Reverse, k.Filter, k.Pause},
			{k.Detail, k.Narrow, k.Fold, k.Open, k.Connect, k.Edit, k.Disconnect, k.Undo, k.Confirm},
			{k.Save, k.CopyText, k.Units, k.Mouse, k.Reset, k.Help, k.Quit},
		}
	}
	describe(&k.Next, "next pane")
	describe(&k.Previous, "previous pane")
	describe(&k.Zoom, "zoom pane")
	describe(&k.Detail, "all about it")
	describe(&k.Narrow, "only this owner, ...")
	describe(&k.Sort, "next order of rows")
	describe(&k.Reverse, "reverse the order")
	describe(&k.Filter, "filter rows")
	describe(&k.Fold, "fold interfaces")
	describe(&k.Open, "open group, or sums")
	describe(&k.Save, "save screen")
	describe(&k.Reset, "reset totals, undo")
	describe(&k.CopyText, "copy row, as JSON")
	describe(&k.Help, "this help")
	describe(&k.Connect, "connect interfaces")
	describe(&k.Edit, "edit the pair")
	describe(&k.Disconnect, "remove the pair")
	describe(&k.Undo, "undo the last change")
	describe(&k.Confirm, "confirm a trial")
	return [][]key.Binding{
		{k.Up, k.Down, k.PageUp, k.PageDown, k.Home, k.End, k.Next, k.Previous, k.Pane, k.Save, k.Earlier, k.MuchEarlier},
		{k.Zoom, k.Back, k.Sort, k.Reverse, k.Filter, k.Detail, k.Narrow, k.Fold, k.Open, k.Pause, k.CopyText, k.Reset},
		{k.Slower, k.Faster, k.Units, k.Mouse, k.Connect, k.Edit, k.Disconnect, k.Undo, k.Confirm, k.Help, k.Quit},
	}
}
