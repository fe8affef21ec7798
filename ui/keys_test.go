package ui

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// focused finds the border of the pane in focus, which is drawn heavily.
func focused(screen string) string {
	for line := range strings.SplitSeq(screen, "\n") {
		if _, after, ok := strings.Cut(line, "┏━ "); ok {
			name, _, _ := strings.Cut(after, " ━")
			return name
		}
	}
	return ""
}

func (u *terminalUnderTest) waitForFocus(name string) {
	u.t.Helper()
	u.waitFor("focus on "+name, func(screen string) bool { return focused(screen) == name })
}

func TestKeysFocus(t *testing.T) {
	u := start(t, 120, 40)
	u.feed(livelySamples(3)...)
	names := []string{"Interfaces", "Protocols", "Connections", "Programs", "Cross-connects", "Drops"}
	for _, name := range names {
		u.waitForFocus(name)
		u.press("\t")
	}
	u.waitForFocus("Interfaces")
	u.press("\x1b[Z")
	u.waitForFocus("Drops")
	u.press("\x1b[Z")
	u.waitForFocus("Cross-connects")
	u.press("3")
	u.waitForFocus("Connections")
	u.waitForText("s sort")
	u.press("1")
	u.waitForText("enter open  n narrow")
}

func TestKeysZoom(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(livelySamples(3)...)
	u.press("z")
	u.waitForText("driver supports native XDP")
	u.waitForText("cil_from_netdev")
	u.waitForNoText("Protocols")
	u.press("\x1b[B")
	u.waitForText("carries the SSH session")
	u.golden()
	u.press("\x1b")
	u.waitForText("Protocols")
	u.press("4", "z")
	u.waitForText("file     ")
	u.press("z")
	u.waitForText("Protocols")
}

func TestKeysHelp(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(livelySamples(3)...)
	for _, opens := range []string{"h", "\x1bOP", "?"} {
		u.press(opens)
		u.waitForText("next order of rows")
		u.press("?")
		u.waitForFocus("Interfaces")
	}
	u.press("?")
	u.waitForText("next order of rows")
	u.golden()
	u.press("\t") // goes nowhere while the panes are out of sight
	u.press("\x1b")
	u.waitForFocus("Interfaces")
}

// TestHelpSearched begins with the keys of the pane, finds keys and words by what is typed,
// and gives the search up before it is left.
func TestHelpSearched(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(livelySamples(3)...)
	u.press("3", "?")
	u.waitForText("Connections")
	u.waitForText("o by owner")
	u.press("/", "sort") // the slash is not searched
	u.waitForText("type to search: sort ")
	u.waitForText("s  sort  (Connections)")
	u.waitForNoText("previous pane")
	u.press("\x15", "evicted q") // q is a letter
	u.waitForText("no key and no word here is about that")
	u.press("\x7f", "\x7f")
	u.waitForText("the least recently used")
	u.golden()
	u.press("\x03") // leaves the search
	u.waitForText("previous pane")
	u.press("x")
	u.waitForNoText("previous pane")
	u.press("\x1b")
	u.waitForText("previous pane")
	u.press("\x1b")
	u.waitForFocus("Connections")
}

// TestHelpScrolls to its last line where it has no room.
func TestHelpScrolls(t *testing.T) {
	u := start(t, 60, 15)
	u.feed(livelySamples(3)...)
	u.press("?")
	u.waitForText("All keys")
	for range 12 {
		u.press("\x1b[6~")
	}
	u.waitForText("frames get lost.")
}

func TestKeysPause(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(livelySamples(3)...)
	u.press(" ")
	u.waitForText(" PAUSED, ")
	for n := 3; n < 20; n++ {
		u.source.Send(fake.Sample(n))
	}
	// A query is answered from the frozen sample.
	u.press("3", "/", "udp", "\r")
	u.waitForText("12 of 60")
	u.waitForText("15:09:27")
	u.press("\x1b")
	u.waitForNoText("12 of 60") // an escape at once followed by a key is Alt
	u.press(" ")
	u.waitForNoText("PAUSED")
	u.waitForText("15:09:35")
	// Programs executed meanwhile are all there.
	u.press("4", "z", "\x1b[F")
	u.waitForText("15:09:25")
}

func TestKeysInterval(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(fake.Sample(0))
	wait := func(shown string, set time.Duration) {
		t.Helper()
		u.waitForText("every " + shown + "  ")
		deadline := time.Now().Add(patience)
		for u.source.LastInterval() != set && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if got := u.source.LastInterval(); got != set {
			t.Fatalf("interval %v set, want %v", got, set)
		}
	}
	u.press("+")
	wait("1s", time.Second)
	u.press("-", "-", "-", "-", "-")
	wait("100ms", 100*time.Millisecond)
	u.press("=", "=", "=", "=", "=", "=", "=", "=")
	wait("10s", 10*time.Second)
}

func TestKeysSort(t *testing.T) {
	u := start(t, 120, 40)
	u.feed(livelySamples(9)...)
	u.press("3")
	u.waitForText("busiest first")
	u.press("s")
	u.waitForText("newest first")
	u.press("s")
	u.waitForText("slowest first")
	u.press("s")
	u.waitForText("busiest first")
	u.waitFor("rates in order", func(screen string) bool {
		return strings.Count(screen, " now ") >= 10
	})
	u.golden()
}

func TestKeysFilter(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(livelySamples(9)...)
	u.press("3", "/")
	u.waitForFocus("Connections")
	u.waitForText("enter keep filter")
	u.press("2001:db8 q ") // letters that are keys elsewhere
	u.waitForText("no connection of 61 matches the filter")
	u.press("\x7f", "\x7f", "\x7f", "\x7f", " tcp")
	u.waitForText("9 of 61")
	u.press("\r")
	u.waitForText("s sort")
	u.golden()
	u.press("\x1b")
	u.waitForNoText("9 of 61")
}

func TestKeysScope(t *testing.T) {
	u := start(t, 120, 40)
	u.feed(livelySamples(9)...)
	u.press("j", "n")
	u.waitForText("Protocols of eth0")
	u.waitForText("Connections of eth0")
	u.press("\x1b")
	u.waitForNoText("of eth0")
}

func TestKeysQuit(t *testing.T) {
	for name, key := range map[string]string{"q": "q", "ctrl-c": "\x03"} {
		t.Run(name, func(t *testing.T) {
			u := start(t, 80, 24)
			u.feed(fake.Sample(0))
			u.press(key)
			if err := u.result(); err != nil {
				t.Fatal(err)
			}
			u.restored()
		})
	}
	t.Run("ctrl-c in a filter", func(t *testing.T) {
		u := start(t, 80, 24)
		u.feed(fake.Sample(0))
		u.press("/", "q")
		u.waitForText("/ q")
		u.press("\x03")
		u.waitForNoText("/ q")
		u.press("\x03")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
	})
}

// A long table: the end is reached at once, and the cursor stays with its row
// when others push in before it.
func TestKeysDeepScroll(t *testing.T) {
	const n = 5000
	table := func(extra int) probes.Sample {
		s := probes.Sample{Time: fake.Start.Add(time.Duration(extra) * time.Second), Interval: time.Second}
		for i := range n + extra {
			c := probes.Connection{
				Interface: "eth0", Protocol: "udp",
				Local:     probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 53)),
				Remote:    probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 9)),
				FirstSeen: fake.Start.Add(time.Duration(i-n) * time.Second),
			}
			c.LastSeen = c.FirstSeen
			s.Connections = append(s.Connections, c)
		}
		return s
	}
	u := start(t, 80, 24)
	u.feed(table(0))
	u.press("3", "s", "z", "G")
	u.waitForText("with 10.1.0.0:9 on eth0") // the oldest, in the details
	u.press("k")
	u.waitForText("with 10.1.0.1:9 on eth0")
	u.feed(table(3))
	u.waitForText("5,003")
	u.waitForText("with 10.1.0.1:9 on eth0")
	u.press("g")
	u.waitForText("with 10.1.19.138:9 on eth0")
}
