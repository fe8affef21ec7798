package ui

import (
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
	"github.com/ebpftop/ebpftop/ui/terminal"
)

// FuzzFit fits what others chose into a column: it is as wide as that.
func FuzzFit(f *testing.F) {
	for _, piece := range fake.WildTexts {
		f.Add(piece)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, ascii := range []bool{false, true} {
			out := terminal.Escaper{ASCII: ascii}.Text(in)
			if got := ansi.StringWidth(fit(out, 7, false, "…")); got != 7 {
				t.Fatalf("%q fitted to %d cells", out, got)
			}
		}
	})
}
