package ui

import (
	"strings"

	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// fact is something that is known of a row, or why it is not. The value is escaped.
type fact struct {
	name, value string
	// link is what it names, of which there is a detail, too; nothing for most.
	link snapshot.Subject
}

// details draws facts below a rule, for a zoomed pane.
func details(a area, facts []fact) []string {
	pairs := make([][2]string, len(facts))
	for i := range facts {
		pairs[i] = [2]string{facts[i].name, facts[i].value}
	}
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
