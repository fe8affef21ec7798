package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

func TestScreen(t *testing.T) {
	for _, size := range []struct{ w, h int }{{60, 15}, {80, 24}, {120, 40}, {200, 50}, {300, 80}} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			u := start(t, size.w, size.h)
			u.feed(livelySamples(41)...)
			u.golden()
		})
	}
}

func TestScreenASCII(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {200, 50}} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			u := start(t, size.w, size.h, withASCII)
			u.feed(livelySamples(41)...)
			u.golden()
			u.press("?")
			u.waitForText("next order of rows")
			u.press("?", "2", "z")
			u.waitForText("received, last")
			u.press("/", "größe\x1b[200~größe\x1b[201~")
			u.waitForText("/ gre")
			for _, r := range u.output() {
				if r > 0x7e {
					t.Fatalf("%q sent to an ASCII terminal", r)
				}
			}
		})
	}
}

func TestScreenStates(t *testing.T) {
	sample := fake.Sample(41)
	t.Run("waiting", func(t *testing.T) {
		u := start(t, 80, 24)
		u.waitForText("q quit")
		u.golden()
	})
	t.Run("empty", func(t *testing.T) {
		u := start(t, 80, 24)
		u.feed(probes.Sample{Time: fake.Start, Interval: fake.Interval, Execs: probes.Execs{Hook: "kprobe"}})
		u.golden()
	})
	t.Run("no exec hook", func(t *testing.T) {
		u := start(t, 80, 24)
		s := sample
		s.Execs = probes.Execs{HookReason: "no tracepoints, no kprobes"}
		u.feed(s)
		u.waitForText("not available: no tracepoints, no kprobes")
		u.waitForText("exec none")
	})
	t.Run("programs left out", func(t *testing.T) {
		u := start(t, 80, 24)
		s := sample
		s.Execs = probes.Execs{LeftOut: true}
		u.feed(s)
		u.waitForText("not watched, because of --no-execs")
		u.waitForText("exec left out")
	})
	t.Run("drops", func(t *testing.T) {
		u := start(t, 80, 24)
		u.press("6")
		u.feed(livelySamples(41)...)
		u.golden()
		u.press("z")
		u.waitForText("Nobody listens there.")
		u.waitForText("local 192.0.2.2:161")
	})
	t.Run("no drops", func(t *testing.T) {
		for want, drops := range map[string]probes.Drops{
			"nothing dropped since the start":     {},
			"not watched, because of --no-drops":  {LeftOut: true},
			"not available: no BTF in the kernel": {Unknown: "no BTF in the kernel"},
		} {
			u := start(t, 80, 24)
			u.press("6")
			s := sample
			s.Drops = drops
			u.feed(s)
			u.waitForText(want)
		}
	})
	t.Run("lost", func(t *testing.T) {
		u := start(t, 80, 24)
		s := sample
		s.Lost = probes.Lost{ConnectionEvents: 1200, ExecEvents: 34, ConnectionsEvicted: 5}
		u.feed(s)
		u.waitForText("lost 1,234  evicted 5")
	})
	t.Run("in a network namespace", func(t *testing.T) {
		u := start(t, 80, 24, func(o *Options) { o.Namespace = "blue\x1b" })
		u.feed(sample)
		u.waitForText("host  netns blue\\x1b  Linux 6.18.0")
	})
	t.Run("too small", func(t *testing.T) {
		u := start(t, 39, 10)
		u.waitForText("terminal too small: 39x10, needs 40x10")
	})
	t.Run("no size", func(t *testing.T) { // a serial line
		u := start(t, 0, 0)
		u.Emulator.Resize(80, 24)
		u.feed(sample)
		u.waitForText("Cross-connects")
	})
	t.Run("resized", func(t *testing.T) {
		u := start(t, 30, 10)
		u.waitForText("too small")
		u.Emulator.Resize(120, 40)
		u.resize(120, 40)
		// The signal goes to the foreground group of the pty, which has none
		// here: tell the program itself.
		sendWindowChange(t)
		u.feed(sample)
		u.waitForText("Cross-connects")
	})
	t.Run("ended", func(t *testing.T) { // a recording ran out
		u := start(t, 80, 24)
		u.feed(sample)
		u.source.End(nil)
		u.waitForText(" ENDED ")
		u.press("q")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
	})
}

// A terminal that can show a frame at once is sent it so.
func TestScreenAtOnce(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(fake.Sample(0))
	if out := u.output(); !strings.Contains(out, ansi.RequestModeSynchronizedOutput) ||
		strings.Contains(out, ansi.SetModeSynchronizedOutput) {
		t.Fatalf("not asked, or no answer waited for: %q", out)
	}
	u.press("\x1b[?2026;2$y", "?")
	u.waitForText("next order of rows")
	u.waitFor("the end of the frame", func(string) bool {
		_, frame, _ := strings.Cut(u.output(), ansi.SetModeSynchronizedOutput)
		return strings.Contains(frame, ansi.ResetModeSynchronizedOutput)
	})
}

func TestNoColor(t *testing.T) {
	for _, value := range []string{"1", "yes"} {
		u := start(t, 80, 24, withEnv("NO_COLOR="+value))
		u.feed(livelySamples(5)...)
		for _, sgr := range []string{"\x1b[3", "\x1b[4", "\x1b[9", ";3", ";4", ";9"} {
			for _, part := range strings.Split(u.output(), sgr)[1:] {
				if end := strings.IndexFunc(part, func(r rune) bool { return (r < '0' || r > '9') && r != ';' }); end >= 0 && part[end] == 'm' {
					t.Fatalf("NO_COLOR=%s, but colour in %q", value, sgr+part[:end+1])
				}
			}
		}
	}
}

// What each refresh sends decides whether the screen is pleasant over a slow
// line. The limits are those of the design.
func TestBytesPerRefresh(t *testing.T) {
	for _, c := range []struct{ w, h, limit int }{{80, 24, 700}, {200, 50, 1500}} {
		t.Run(fmt.Sprintf("%dx%d", c.w, c.h), func(t *testing.T) {
			u := start(t, c.w, c.h)
			u.feed(livelySamples(81)...)
			before := len(u.writes.sofar())
			for n := 81; n < 122; n++ {
				s := fake.Sample(n)
				s.Self.RSS = uint64(100_000_000 + n*1_000_000) // to see it arrive
				u.source.Send(s)
				u.waitForText(fmt.Sprintf("%d MB", s.Self.RSS/1_000_000))
			}
			sizes := u.writes.sofar()[before:]
			slices.Sort(sizes)
			median, most := sizes[len(sizes)/2], sizes[len(sizes)-1]
			t.Logf("bytes per refresh: median %d, most %d", median, most)
			if median > c.limit {
				t.Errorf("median %d bytes, limit %d", median, c.limit)
			}
		})
	}
}
