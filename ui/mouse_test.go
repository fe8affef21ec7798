package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
	"github.com/ebpftop/ebpftop/ui/terminal/emulated"
)

func withMouse(o *Options) { o.Mouse = true }

// clickOn clicks on the first place of a text, so many cells into it.
func (u *terminalUnderTest) clickOn(text string, into int) {
	u.t.Helper()
	u.waitForText(text)
	x, y, _ := u.Find(text)
	u.press(emulated.Click(x+into, y))
}

func wheelAt(x, y int, down bool) string {
	button := 64
	if down {
		button = 65
	}
	return fmt.Sprintf("\x1b[<%d;%d;%dM", button, x+1, y+1)
}

// TestMouseClick focuses and selects; a second click opens.
func TestMouseClick(t *testing.T) {
	u := start(t, 120, 40, withMouse)
	u.feed(livelySamples(9)...)
	u.clickOn("wg0", 1)
	u.press("y")
	u.waitFor("the row", func(string) bool { return strings.HasPrefix(u.lastCopied(), "◌\twg0") })
	u.clickOn("╭─ Protocols", 5)
	u.waitForFocus("Protocols")
	u.clickOn(" icmp ", 2)
	u.press("\r")
	u.waitForText("protocol icmp")
	u.press("\x1b")
	u.waitForFocus("Protocols")
	u.clickOn("198.51.100.55", 0)
	u.clickOn("198.51.100.55", 0)
	u.waitForText("all with this host")
	u.clickOn("all with this host", 3)
	u.clickOn("all with this host", 3)
	u.waitForText("57002 > 198.51.100.55")
}

// TestMouseSort: a click on a title sorts by that, a second one reverses.
func TestMouseSort(t *testing.T) {
	u := start(t, 200, 50, withMouse)
	u.feed(livelySamples(9)...)
	for _, c := range []struct{ title, order string }{
		{"rx bit/s tx pps", "rx rate"}, {"rx bit/s tx pps", "rx rate, reversed"}, {"state ", "· state"},
		{"tx pps", "tx pps"}, {"", ""}, {" age ", "newest first"}, {" age ", "newest first, reversed"}, {" rtt ", "slowest first"},
	} {
		if c.title == "" {
			u.press("3", "z")
			continue
		}
		u.clickOn(c.title, 1)
		u.waitForText(c.order + " ")
	}
}

// TestMouseWheel scrolls what is under the pointer, and nothing else.
func TestMouseWheel(t *testing.T) {
	u := start(t, 80, 24, withMouse)
	u.feed(livelySamples(9)...)
	u.waitForText("Connections")
	x, y, _ := u.Find("Connections")
	u.press(wheelAt(x, y+2, true), wheelAt(x, y+2, true))
	u.waitForFocus("Interfaces")
	u.press("3")
	u.waitForText("7 of 61")
	u.press(wheelAt(x, y+2, false), wheelAt(x, y+2, false), wheelAt(x, y+2, false), wheelAt(x, y+2, false))
	u.waitForText(" 1 of 61")
	u.press("\r")
	u.waitForText("esc back")
	u.press(wheelAt(x, y, true))
	u.waitForText("2 of ")
	u.press("\x1b")
	u.waitForFocus("Connections")
	u.press("?")
	u.waitForText("All keys")
	u.press(wheelAt(x, y, true))
	u.waitForText("4 of ")
}

// TestMouseDialogs: clicks choose fields, values, interfaces and answers; they apply nothing.
func TestMouseDialogs(t *testing.T) {
	u, f := startWithEditor(t, 120, 40, lasting, withMouse)
	u.press("a")
	u.waitForText("step 1 of 2")
	u.clickOn("┃ ● eth1 ", 5)
	u.clickOn("┃ ● eth1 ", 5) // goes on to the other end
	u.waitForText("again: a reflector")
	u.clickOn("┃ ● br0", 5)
	u.clickOn("A to B by", 2)
	u.clickOn(" xdp-generic ", 3)
	u.waitForText("[xdp-generic]")
	u.clickOn(" 10s ", 2)
	u.waitForText("[10s]")
	u.press("\r")
	u.waitForText("step 2 of 2")
	u.clickOn("Enter applies this", 2)
	u.press("\r")
	u.waitForNoText("step 2 of 2")
	f.asked(t, "apply +eth1/br0 xdp-generic auto wait=false keep=false trial=10s")

	u, f = startWithEditor(t, 120, 40, lasting, withMouse)
	u.press("5", "d")
	u.waitForText("Remove ")
	u.clickOn("esc stay", 2)
	u.waitForNoText("Remove ")
	u.press("u")
	u.clickOn("y yes", 3)
	u.waitForNoText("Undo?")
	f.asked(t, "undo")
}

// TestMouseKey hands the mouse to the terminal, and takes it back; without, none is asked for.
func TestMouseKey(t *testing.T) {
	u := start(t, 80, 24, withMouse)
	u.feed(livelySamples(3)...)
	reports := func() bool {
		out := u.output()
		return strings.LastIndex(out, "\x1b[?1000h") > strings.LastIndex(out, "\x1b[?1000l")
	}
	u.waitFor("reports", func(string) bool { return reports() })
	u.press("m")
	u.waitForText("mouse off: the terminal selects text")
	u.waitFor("no reports", func(string) bool { return !reports() })
	u.press("m")
	u.waitForText("mouse on")
	u.waitFor("reports", func(string) bool { return reports() })
	u.press("q")
	if err := u.result(); err != nil {
		t.Fatal(err)
	}
	u.restored()
	if reports() {
		t.Error("the mouse is still reported")
	}
	u = start(t, 80, 24)
	u.feed(livelySamples(3)...)
	u.press("q")
	if err := u.result(); err != nil || strings.Contains(u.output(), "1000h") {
		t.Errorf("the mouse is reported though nobody wants it: %v", err)
	}
}

// TestMouseTorn: no part of a report is a key, however late the rest comes.
func TestMouseTorn(t *testing.T) {
	report := emulated.Click(3, 20)
	for at := 1; at < len(report)/2; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			u := start(t, 80, 24, withMouse)
			u.feed(livelySamples(3)...)
			u.press("/", report[:at])
			time.Sleep(300 * time.Millisecond) // longer than an Esc waits
			u.press(report[at:])
			u.waitForFocus("Programs")
			if screen := u.screen(); strings.Contains(screen, "<0") || strings.Contains(screen, ";4") {
				t.Errorf("a part was taken for keys:\n%s", screen)
			}
		})
	}
}

// TestMouseElsewhere: wherever one clicks, whatever is on the screen, nothing breaks.
func TestMouseElsewhere(t *testing.T) {
	for _, size := range []struct{ w, h int }{{39, 9}, {40, 10}, {60, 15}, {80, 24}, {160, 40}, {240, 60}} {
		o := newOffscreen(false)
		o.resize(size.w, size.h)
		clicks := func() {
			_ = o.m.frame()
			for y := range size.h {
				for x := 0; x < size.w; x += 3 {
					o.m.Update(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft})
					o.m.Update(tea.MouseWheelMsg{X: x, Y: y, Button: tea.MouseWheelDown})
					_ = o.m.frame()
				}
			}
		}
		clicks()
		for n := range 9 {
			s := fake.Sample(n)
			s.CrossConnects = somePairs(s.Time)
			o.show(&s)
		}
		clicks()
		for _, k := range []rune{'?', '?', 'a'} {
			o.press(tea.Key{Code: k, Text: string(k)})
			clicks()
		}
	}
}
