package ui

import "strings"

// details draws names and values below a rule, for a zoomed pane.
func details(a area, pairs [][2]string) []string {
	rule := a.styleSet.Border.Paint(strings.Repeat(a.styleSet.glyphs.Border[1], max(0, a.Width)))
	return append([]string{rule}, labelled(a, pairs)...)
}

// labelled draws names and values, one below the other, values wrapped.
func labelled(a area, pairs [][2]string) []string {
	wide := 0
	for _, p := range pairs {
		wide = max(wide, cells(p[0]))
	}
	var out []string
	for _, p := range pairs {
		name := p[0]
		for _, part := range wrap(p[1], max(1, a.Width-wide-4)) {
			out = append(out, " "+a.styleSet.Faint.Paint(fit(name, wide, false, ""))+"  "+part)
			name = ""
		}
	}
	return out
}
