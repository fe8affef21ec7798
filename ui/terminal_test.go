package ui

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// What others write on the terminal goes at Ctrl-L, also while something is typed.
func TestRedraw(t *testing.T) {
	for name, before := range map[string]string{"panes": "", "filter": "/", "help": "?"} {
		t.Run(name, func(t *testing.T) {
			u := start(t, 80, 24)
			u.feed(fake.Sample(0))
			u.press(before)
			u.waitFor("a frame at rest", func(string) bool { return true })
			const foreign = "Broadcast message from root"
			if _, err := u.TTY.WriteString("\x1b[5;1H" + foreign); err != nil {
				t.Fatal(err)
			}
			u.waitForText(foreign)
			u.press("\x0c")
			u.waitForNoText(foreign)
			u.waitForText("ebpftop 1.2.3")
		})
	}
}

// A sequence that a slow line tears apart is what it was: a lone Esc is one only when
// nothing follows.
func TestTornSequences(t *testing.T) {
	u := start(t, 120, 40)
	u.feed(livelySamples(3)...)
	u.press("z")
	u.waitForNoText("Protocols")
	for _, pause := range []time.Duration{60 * time.Millisecond, 200 * time.Millisecond} {
		for _, parts := range [][]string{{"\x1b", "[Z"}, {"\x1b[", "Z"}, {"\x1b", "[", "Z"}} {
			before := focused(u.screen())
			for i, part := range parts {
				if i > 0 {
					time.Sleep(pause) // what is tested
				}
				u.press(part)
			}
			u.waitFor("another pane, zoomed", func(screen string) bool {
				now := focused(screen)
				return now != "" && now != before
			})
			if strings.Count(u.screen(), "┏") != 1 || strings.Contains(u.screen(), "╭") {
				t.Fatalf("%q, %v apart, was taken for an Esc:\n%s", parts, pause, u.screen())
			}
		}
	}
	u.press("\x1b")
	u.waitForText("╭")
}

// Ctrl-C behind 20 kB that are typed does not wait for a frame of each letter.
func TestTypedByTheThousands(t *testing.T) {
	const kilobytes = 20
	var made atomic.Int64 // frames, each of which has the name of the host
	styles := func(ascii bool) styleSet {
		s := defaultStyles(ascii)
		escape := s.Escape
		s.Escape = func(text string) string {
			if text == "host" {
				made.Add(1)
			}
			return escape(text)
		}
		return s
	}
	source := fake.NewSource()
	u := startWith(t, 200, 50, source, source, styles)
	u.feed(livelySamples(9)...)
	u.press("/")
	u.waitForText("enter keep filter")
	before, began := made.Load(), time.Now()
	u.press(strings.Repeat("0123456789abcdef", kilobytes<<10/16))
	u.press("\x03")
	typed := time.Now() // all is in the terminal's queue, or was read
	u.waitForNoText("enter keep filter")
	took := time.Since(began)
	frames := int(made.Load() - before)
	// One each 33 ms, and not one each letter: of those there were 20,480.
	if most := int(took/frameGap) + 10; frames > most {
		t.Errorf("%d frames in %v, want %d at most", frames, took, most)
	}
	t.Logf("Ctrl-C took %v, %d frames", time.Since(typed), frames)
	u.press("q")
	if err := u.result(); err != nil {
		t.Fatal(err)
	}
}

// Without a SIGWINCH, as where the terminal is not the controlling one.
func TestSizeWithoutSignal(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(fake.Sample(0))
	u.Emulator.Resize(100, 30)
	u.resize(100, 30)
	u.waitFor("the whole width", func(screen string) bool {
		lines := strings.Split(screen, "\n")
		return len(lines) == 30 && ansi.StringWidth(lines[2]) == 100
	})
}

// Where there is no alternate screen, as in GNU screen, mosh, on a serial line, nothing of
// ours is left beside the prompt.
func TestNoAlternateScreen(t *testing.T) {
	u := start(t, 80, 24, func(o *Options) { o.Remote = true }) // not asked anything
	u.feed(livelySamples(3)...)
	u.press("q")
	if err := u.result(); err != nil {
		t.Fatal(err)
	}
	u.restored()
	out := u.output()
	plain := strings.NewReplacer(ansi.SetModeAltScreenSaveCursor, "", ansi.ResetModeAltScreenSaveCursor, "").Replace(out)
	shown := vt.NewEmulator(80, 24)
	if _, err := shown.Write([]byte("$ ebpftop\r\n" + plain + "$ ")); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(ansi.Strip(shown.Render())); got != "$" {
		t.Errorf("left on the screen:\n%s", got)
	}
}

// A small terminal has a line of numbers, one pane after the other, and the form.
func TestSmallTerminal(t *testing.T) {
	u, f := startWithEditor(t, 40, 10, lasting)
	u.waitForText(" rx ")
	for i, p := range newOffscreen(false).m.panes {
		u.press(string(rune('1' + i)))
		u.waitForFocus(p.Name())
		if lines := strings.Split(u.screen(), "\n"); strings.Count(u.screen(), "┏") != 1 || !strings.Contains(lines[0], "rx ") {
			t.Errorf("not one pane below a line of numbers:\n%s", u.screen())
		}
	}
	u.press("a")
	u.waitForText("interface A")
	for _, field := range []string{"interface B", "A to B by", "B to A by", "on exit", "trial"} {
		u.press("\t")
		u.waitForText(field)
	}
	u.press("\x1b")
	u.waitForNoText("on exit")
	f.asked(t)
}
