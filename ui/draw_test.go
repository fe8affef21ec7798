package ui

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/vt"
)

// paints are what lines are made of here. The wide ones are where terminals
// differ.
var paints = []string{
	"a", "b", "1", "2", " ", "    ", "━", "▇", "\x1b[2m0\x1b[m", "\x1b[2m    \x1b[m", "\x1b[36m━━\x1b[m",
	"\x1b[7m b \x1b[m", "\x1b[1;31mlost\x1b[m", "\x1b[4m \x1b[m", "192.0.2.1:80", "表", "e\u0301",
}

// What is drawn over another picture looks like what is drawn on nothing.
func TestDraw(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, wide := range []bool{false, true} {
		shown, screen, out := newCanvas(40, 8)
		p := picture{width: 40, height: 8}
		for n := range 200 {
			p.lines = redrawn(random, p, wide)
			screen.draw(p)
			_, _ = shown.Write(out.Bytes())
			out.Reset()
			fresh, once, all := newCanvas(40, 8)
			once.draw(p)
			_, _ = fresh.Write(all.Bytes())
			if !lookAlike(shown, fresh) {
				t.Fatalf("picture %d:\n%s\nwant:\n%s", n, shown.Render(), fresh.Render())
			}
		}
	}
}

func lookAlike(a, b *vt.Emulator) bool {
	for y := range a.Height() {
		for x := range a.Width() {
			if !alike(a.CellAt(x, y), b.CellAt(x, y)) {
				return false
			}
		}
	}
	return true
}

func newCanvas(w, h int) (*vt.Emulator, *screen, *bytes.Buffer) {
	var out bytes.Buffer
	emu := vt.NewEmulator(w, h)
	_, _ = emu.Write([]byte(enterScreen))
	return emu, newScreen(&out, colorprofile.TrueColor), &out
}

// redrawn changes some lines of p.
func redrawn(random *rand.Rand, p picture, wide bool) []string {
	lines := make([]string, random.IntN(p.height+1))
	copy(lines, p.lines)
	for y := range lines {
		if random.IntN(3) > 0 {
			continue
		}
		choice := paints
		if !wide {
			choice = paints[:len(paints)-2]
		}
		var line strings.Builder
		for range random.IntN(2 * p.width / 3) {
			line.WriteString(choice[random.IntN(len(choice))])
		}
		lines[y] = line.String()
	}
	return lines
}

// Of a line, what stays is not sent.
func TestDrawLittle(t *testing.T) {
	const width = 120
	_, screen, out := newCanvas(width, 3)
	line := func(a, b int) string {
		return fmt.Sprintf("\x1b[2meth0\x1b[m %7d%s%7d", a, strings.Repeat("━", 80), b)
	}
	p := picture{width: width, height: 3, lines: []string{line(1, 2), line(3, 4)}}
	screen.draw(p)
	out.Reset()
	screen.draw(p)
	if out.Len() > 0 {
		t.Errorf("the same again: sent %q", out)
	}
	p.lines = []string{line(5, 6), line(3, 4)}
	screen.draw(p)
	if want := "\x1b[1;12H5\x1b[86C6"; out.String() != want {
		t.Errorf("sent %q, want %q", out, want)
	}
}
