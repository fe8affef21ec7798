package terminal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/vt"
)

// paints are what lines are made of here. The wide ones are where terminals
// differ.
var paints = []string{
	"a", "b", "1", "2", " ", "    ", "━", "▇", "\x1b[2m0\x1b[m", "\x1b[2m    \x1b[m", "\x1b[36m━━\x1b[m",
	"\x1b[7m b \x1b[m", "\x1b[1;31mlost\x1b[m", "\x1b[4m \x1b[m", "192.0.2.1:80", "表", "e\u0301",
}

// What is drawn over another frame looks like what is drawn on nothing.
func TestDraw(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, wide := range []bool{false, true} {
		shown, screen, out := newCanvas(40, 8)
		f := Frame{Width: 40, Height: 8}
		for n := range 200 {
			f.Lines = redrawn(random, f, wide)
			screen.draw(f)
			_, _ = shown.Write(out.Bytes())
			out.Reset()
			fresh, once, all := newCanvas(40, 8)
			once.draw(f)
			_, _ = fresh.Write(all.Bytes())
			if !lookAlike(shown, fresh) {
				t.Fatalf("frame %d:\n%s\nwant:\n%s", n, shown.Render(), fresh.Render())
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

func newCanvas(w, h int) (*vt.Emulator, *Screen, *bytes.Buffer) {
	var out bytes.Buffer
	emu := vt.NewEmulator(w, h)
	_, _ = emu.Write([]byte(enterScreen))
	return emu, NewScreen(&out, colorprofile.TrueColor), &out
}

// redrawn changes some lines of f.
func redrawn(random *rand.Rand, f Frame, wide bool) []string {
	lines := make([]string, random.IntN(f.Height+1))
	copy(lines, f.Lines)
	for y := range lines {
		if random.IntN(3) > 0 {
			continue
		}
		choice := paints
		if !wide {
			choice = paints[:len(paints)-2]
		}
		var line strings.Builder
		for range random.IntN(2 * f.Width / 3) {
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
	f := Frame{Width: width, Height: 3, Lines: []string{line(1, 2), line(3, 4)}}
	screen.draw(f)
	out.Reset()
	screen.draw(f)
	if out.Len() > 0 {
		t.Errorf("the same again: sent %q", out)
	}
	f.Lines = []string{line(5, 6), line(3, 4)}
	screen.draw(f)
	if want := "\x1b[1;12H5\x1b[86C6"; out.String() != want {
		t.Errorf("sent %q, want %q", out, want)
	}
}

// What somebody else wrote is drawn over in a while, and no frame relies on where that
// left the cursor.
func TestHeal(t *testing.T) {
	shown, screen, out := newCanvas(40, 8)
	f := Frame{Width: 40, Height: 8, Lines: []string{"\x1b[1mabc\x1b[m", "表表", "x"}}
	update := func() {
		t.Helper()
		if _, err := shown.Write(out.Bytes()); err != nil {
			t.Fatal(err)
		}
		out.Reset()
	}
	foreign := func() {
		t.Helper()
		// Colours, line drawing, a scrolling region, and the screen one line further up.
		if _, err := shown.Write([]byte("\x1b[31m\x1b(0\x1b[2;5r\x1b[?7h\x1b[?25h\x1b[8;1HBroadcast message\r\n\nfrom root")); err != nil {
			t.Fatal(err)
		}
	}
	screen.draw(f)
	update()
	foreign()
	f.Lines[2] = "xy"
	screen.draw(f)
	if sent := out.String(); !strings.HasPrefix(sent, "\x1b[3;2H") {
		t.Errorf("sent %q, want it to begin with where", sent)
	}
	update()
	screen.repaint()
	update()
	fresh, once, all := newCanvas(40, 8)
	once.draw(f)
	if _, err := fresh.Write(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	if !lookAlike(shown, fresh) {
		t.Errorf("shows\n%s\nwant\n%s", shown.Render(), fresh.Render())
	}
}

// All is drawn again by itself, without a new frame.
func TestHealByItself(t *testing.T) {
	drawn := make(chan string, 8)
	screen := NewScreen(writerFunc(func(p []byte) { drawn <- string(p) }), colorprofile.TrueColor)
	screen.heal = time.Millisecond
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		screen.Run(over)
	}()
	screen.Show(Frame{Width: 10, Height: 1, Lines: []string{"abc"}})
	for range 3 {
		if text := <-drawn; !strings.Contains(text, "abc") {
			t.Errorf("drew %q", text)
		}
	}
	close(over)
	go func() {
		for range drawn { // what is on its way
		}
	}()
	<-ended
	close(drawn)
}

type writerFunc func(p []byte)

func (w writerFunc) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}
