package ui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

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

// TestFilterEveryPane: each pane has a filter of its own, in one language; what does not fit its
// rows is said, and Esc leaves it.
func TestFilterEveryPane(t *testing.T) {
	for _, test := range []struct {
		pane              int
		filter, has, lost string
		unfit, why        string
	}{
		{protocolsAt, "proto:udp", "udp", "sctp", "proc:x", "proc: protocols have none: use proto, rate"},
		{connectionsAt, "proc:curl", "curl 31007", "postgres 20433", "reason:x", "reason: connections have none: use container,"},
		{execsAt, "proc:sshd", "sshd -R", "ls -la", "rate>1", "rate: programs have none: use container,"},
		{dropsAt, "reason:netfilter", "NETFILTER_DROP", "NO_SOCKET", "rate>1", "rate: drops have none: use host,"},
		{crossConnectsAt, "iface:eth5", "eth5 <-> eth6", "tap0 <-> tap1", "host:10.0.0.1", "host: pairs have none: use drops,"},
		{interfacesAt, "iface:wg*", "wg0", "br0", "user:x", "user: interfaces have none: use drops,"},
	} {
		o := detailed(test.pane)
		o.press(tea.Key{Code: 'z', Text: "z"})
		o.typed("/" + test.filter)
		if text := o.text(); !strings.Contains(text, test.has) || strings.Contains(text, test.lost) {
			t.Errorf("%s:\n%s", test.filter, text)
		}
		o.press(tea.Key{Code: 'u', Mod: tea.ModCtrl})
		if o.typed(test.unfit); !strings.Contains(o.text(), test.why) {
			t.Errorf("%s: not said that %q:\n%s", test.unfit, test.why, o.text())
		}
		o.press(tea.Key{Code: 'u', Mod: tea.ModCtrl})
		if o.typed("zzzz"); !strings.Contains(o.text(), "matches the filter: esc clears it") {
			t.Errorf("not said why there is nothing:\n%s", o.text())
		}
		o.press(tea.Key{Code: tea.KeyEscape})
		if o.show(nil); !strings.Contains(o.text(), test.lost) {
			t.Errorf("%s: not left:\n%s", test.filter, o.text())
		}
	}
}

// TestFilterSaidWhole: what is wrong with a filter is said whole where the pane is narrow.
func TestFilterSaidWhole(t *testing.T) {
	o := detailed(protocolsAt)
	o.resize(80, 24)
	o.typed("/proc:x")
	if text := o.text(); !strings.Contains(text, "proc: protocols have none: use") || !strings.Contains(text, " proto, rate ") {
		t.Errorf("it is cut:\n%s", text)
	}
}

// typed types text, and shows what comes of it.
func (o *offscreen) typed(text string) {
	for _, r := range text {
		o.press(tea.Key{Code: r, Text: string(r)})
	}
	o.show(nil)
	_ = o.m.frame()
}

// TestFilterSums: what is summed up can be filtered, apart from the connections.
func TestFilterSums(t *testing.T) {
	o := detailed(connectionsAt)
	o.typed("o/curl")
	if text := o.text(); !strings.Contains(text, "curl 31007  ") || strings.Contains(text, "unbound  ") {
		t.Errorf("not the sums of curl alone:\n%s", text)
	}
	o.press(tea.Key{Code: tea.KeyEnter})
	o.press(tea.Key{Code: tea.KeyEscape})
	if o.show(nil); !strings.Contains(o.text(), "unbound  ") {
		t.Errorf("the filter is not left, or more than that:\n%s", o.text())
	}
}

// TestFilterCompleted: Tab goes on with a name, and with what rows have of it, and offers the
// ways where there are several.
func TestFilterCompleted(t *testing.T) {
	u := start(t, 120, 40)
	u.feed(livelySamples(9)...)
	u.press("3", "/", "pr")
	u.waitForText("tab complete")
	u.press("\t")
	u.waitForText("/ pro   proc:  proto:")
	u.press("t\t")
	u.waitForText("/ proto: ")
	u.press("\t")
	u.waitForText("/ proto:   proto:icmp  proto:tcp  proto:udp")
	u.press("t\t")
	u.waitForText("/ proto:tcp ")
	u.waitForNoText("proto:icmp")
	u.press(" !ra\t")
	u.waitForText("/ proto:tcp !rate> ")
	u.press("1k zzz\t")
	u.waitForText("/ proto:tcp !rate>1k zzz ")
}

// TestFilterCompletedLater presses Tab before there are rows for what was typed: their values are
// offered once they come.
func TestFilterCompletedLater(t *testing.T) {
	o := detailed(connectionsAt)
	o.typed("/nothing has this")
	for range "nothing has this" {
		o.press(tea.Key{Code: tea.KeyBackspace})
	}
	for _, r := range "proto:" {
		o.press(tea.Key{Code: r, Text: string(r)})
	}
	o.press(tea.Key{Code: tea.KeyTab})
	if text := o.text(); strings.Contains(text, "proto:udp") {
		t.Fatalf("there are rows:\n%s", text)
	}
	if o.show(nil); !strings.Contains(o.text(), "/ proto:   proto:icmp  proto:tcp  proto:udp") {
		t.Errorf("not offered:\n%s", o.text())
	}
}
