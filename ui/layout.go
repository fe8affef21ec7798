package ui

import "strings"

// The panes, by their place in the order of Tab.
const (
	interfacesAt = iota
	protocolsAt
	connectionsAt
	execsAt
	crossConnectsAt
	dropsAt
	paneCount
)

// Below minWidth by minHeight nothing is drawn but that there is too little room.
const (
	minWidth, minHeight   = 40, 10
	headWidth, headHeight = 60, 15 // from here on the header has both lines
	fullWidth, fullHeight = 80, 24 // from here on all panes are shown, drops in the place of programs
	wideWidth             = 160    // two columns
	widestWidth           = 240    // three columns
	headerLines           = 2
	footerLines           = 1
)

// place is where a pane is drawn, in cells of the body.
type place struct{ pane, x, y, w, h int }

// arrange tiles a body of w by h cells. One pane alone gets it all when
// zoomed, and when there is no room for more. rows and pairs are how many
// interfaces and cross-connects there are to show.
func arrange(w, h, focus int, zoomed bool, rows, pairs int) []place {
	switch full := fullHeight - headerLines - footerLines; {
	case zoomed, h < full, w < fullWidth && h < 2*full-6:
		return []place{{focus, 0, 0, w, h}}
	case w < fullWidth:
		return stack(w, h, pairs)
	case w >= widestWidth:
		left, right := w*28/100, w*32/100
		return append(sidebar(left, h, rows, pairs),
			place{connectionsAt, left, 0, w - left - right, h},
			place{execsAt, w - right, 0, right, h - h/3},
			place{dropsAt, w - right, h - h/3, right, h / 3})
	case w >= wideWidth:
		left, high, low := w*42/100, h/2, h/4
		return append(sidebar(left, h, rows, pairs),
			place{connectionsAt, left, 0, w - left, high},
			place{execsAt, left, high, w - left, h - high - low},
			place{dropsAt, left, h - low, w - left, low})
	}
	return bands(w, h, focus, pairs)
}

// leastHeight is a pane of one line.
const leastHeight = 3

// pairsHeight returns the height of the cross-connects pane: a border, a heading, a line
// for each pair and two for problems; at most most. It returns least if there are no pairs.
func pairsHeight(pairs, least, most int) int {
	if pairs == 0 {
		return least
	}
	return max(least, min(pairs+5, most))
}

// sidebar is the left column of a wide screen: as many interfaces as there
// are, up to half of it, and the protocols with their chart below.
func sidebar(w, h, rows, pairs int) []place {
	top := min(max(rows+3, 8), h/2)
	bottom := pairsHeight(pairs, max(leastHeight, (h-top)/4), (h-top)/2)
	return []place{
		{interfacesAt, 0, 0, w, top},
		{protocolsAt, 0, top, w, h - top - bottom},
		{crossConnectsAt, 0, h - bottom, w, bottom},
	}
}

// stack is the layout of a narrow, tall terminal: everything in one column.
func stack(w, h, pairs int) []place {
	rest := h - pairsHeight(pairs, leastHeight, h/5)
	share := rest / 6
	return []place{
		{interfacesAt, 0, 0, w, share},
		{protocolsAt, 0, share, w, share},
		{connectionsAt, 0, 2 * share, w, 2 * share},
		{execsAt, 0, 4 * share, w, share},
		{dropsAt, 0, 5 * share, w, rest - 5*share},
		{crossConnectsAt, 0, rest, w, h - rest},
	}
}

// bands is the layout of an ordinary terminal: two panes above, connections
// across the middle, two panes below, of which one is programs, or drops while they have the
// focus.
func bands(w, h, focus, pairs int) []place {
	top, bottom := h/3, h*2/7
	half, most := w/2, w*7/10
	if pairs > 0 { // more to say than programs have
		most = w * 4 / 10
	}
	events := execsAt
	if focus == dropsAt {
		events, most = dropsAt, w*7/10
	}
	return []place{
		{interfacesAt, 0, 0, half, top},
		{protocolsAt, half, 0, w - half, top},
		{connectionsAt, 0, top, w, h - top - bottom},
		{events, 0, h - bottom, most, bottom},
		{crossConnectsAt, most, h - bottom, w - most, bottom},
	}
}

// compose joins drawn panes to lines. The places tile the body: on each line
// the pieces stand side by side.
func compose(places []place, drawn [][]string, h int) []string {
	lines := make([]strings.Builder, h)
	// Pieces are written from left to right where places are sorted by x.
	for x, done := 0, 0; done < len(places); x++ {
		for i, p := range places {
			if p.x != x {
				continue
			}
			done++
			for n, line := range drawn[i] {
				if p.y+n < h {
					lines[p.y+n].WriteString(line)
				}
			}
		}
	}
	out := make([]string, h)
	for i := range lines {
		out[i] = lines[i].String()
	}
	return out
}
