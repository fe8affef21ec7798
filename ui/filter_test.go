package ui

import (
	"testing"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// TestFilterTyped says at once what is wrong with a filter, and has those from before.
func TestFilterTyped(t *testing.T) {
	u := start(t, 120, 40)
	u.feed(livelySamples(9)...)
	u.press("3", "/", "prot:udp")
	u.waitForText("prot: is not known: did you mean proto?")
	u.press("\x15", "proto:udp !iface:eth0")
	u.waitForNoText("is not known")
	u.waitForText("8 of 61")
	u.press("\r", "/", "\x15", ":443", "\r")
	u.waitForText("37 of 61")
	u.press("/", "\x15", "x")
	u.waitForText("/ x")
	u.press("\x1b[A")
	u.waitForText("/ :443")
	u.press("\x1b[A", "\x1b[A")
	u.waitForText("/ proto:udp !iface:eth0")
	u.press("\x1b[B", "\x1b[B")
	u.waitForText("/ x")
	u.press("\x03") // leaves it
	u.waitForNoText("/ x")
	u.press("1", "/", "kind:veth", "\x03")
	u.waitForNoText("kind:veth")
	u.waitForFocus("Interfaces")
}

// TestPosition says where one is in a list that is longer than the pane, and shows it.
func TestPosition(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(fake.Sample(41))
	u.press("3")
	u.waitForText(" 1 of 65 ━┛")
	u.press("j")
	u.waitForText(" 2 of 65 ━┛")
	u.press("G")
	u.waitForText(" 65 of 65 ━┛")
	u.waitForText("█\n┗")
	u.press("g")
	u.waitForText("━┓\n┃ proto")
	u.press("/", ":80", "\r")
	u.waitForNoText("━┛\n╭─ Programs ━")
	u.waitForNoText("of 65 ━┛")
}

func TestScrollBar(t *testing.T) {
	for _, test := range []struct {
		scroll scroll
		lines  int
		want   string
	}{
		{scroll{0, 5, 10, 0}, 6, "###..."},
		{scroll{5, 5, 10, 9}, 6, "...###"},
		{scroll{2, 5, 10, 3}, 6, ".###.."},
		{scroll{0, 5, 1_000_000, 0}, 6, "#....."},
		{scroll{999_995, 5, 1_000_000, 0}, 6, ".....#"},
		{scroll{0, 1, 2, 0}, 1, "#"},
	} {
		got := ""
		for i := range test.lines {
			if test.scroll.has(i, test.lines) {
				got += "#"
			} else {
				got += "."
			}
		}
		if got != test.want {
			t.Errorf("%+v: %s, want %s", test.scroll, got, test.want)
		}
	}
	if (scroll{}).isNeeded() || (scroll{0, 5, 5, 0}).isNeeded() {
		t.Error("a scroll bar where all is in sight")
	}
}
