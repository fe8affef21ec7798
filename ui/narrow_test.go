package ui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/ui/snapshot"
)

func (o *offscreen) narrow() {
	o.press(tea.Key{Code: 'n', Text: "n"})
	o.show(nil)
	_ = o.m.frame()
}

// TestNarrow narrows all panes to the owner, the host, the interfaces and the protocol of a
// connection, one after the other; the header says so, and Esc leaves it.
func TestNarrow(t *testing.T) {
	o := detailed(connectionsAt)
	o.resize(240, 60)
	s := linkedSample(6)
	s.Execs.Events[0].PPID, s.Execs.Events[0].Comm = 812, "of-nginx"
	s.Execs.Events[0].Ancestors = nil
	o.show(&s)
	for _, want := range []struct {
		subject          string
		titles, contents []string
	}{
		{
			"owner nginx 812",
			[]string{"Interfaces of", "Protocols of", "Connections of", "Programs of", "Drops of"},
			[]string{"of-nginx", "NO_SOCKET"},
		},
		{"remote 198.51.100.1", []string{"Interfaces of", "Protocols of", "Connections of", "Drops of"}, []string{"no drops are known to be of remote 198.51.100.1"}},
		{"veth9a41c7e", []string{"Protocols of", "Connections of", "Drops of"}, []string{"no frame passed it yet"}},
		{"br0", []string{"Protocols of", "Connections of", "Drops of"}, []string{"NOT_SPECIFIED"}},
		{"eth0", []string{"Protocols of", "Connections of", "Drops of"}, []string{"NO_SOCKET"}},
		{"protocol tcp", []string{"Interfaces of", "Protocols of", "Connections of", "Drops of"}, []string{"NETFILTER_DROP"}},
	} {
		o.narrow()
		text := o.text()
		for _, title := range want.titles {
			if !strings.Contains(text, title+" "+want.subject) {
				t.Errorf("no %q in\n%s", title+" "+want.subject, text)
			}
		}
		if n := strings.Count(text, " of "+want.subject+" ─") + strings.Count(text, " of "+want.subject+" ━"); n != len(want.titles) {
			t.Errorf("%d panes are said to be of %s, want %d:\n%s", n, want.subject, len(want.titles), text)
		}
		for _, content := range want.contents {
			if !strings.Contains(text, content) {
				t.Errorf("%s: no %q in\n%s", want.subject, content, text)
			}
		}
		if header, _, _ := strings.Cut(text, "\n┏"); !strings.Contains(header, want.subject+"   esc shows all") {
			t.Errorf("the header does not say so:\n%s", header)
		}
	}
	if o.narrow(); strings.Contains(o.text(), "esc shows all") {
		t.Errorf("still narrowed:\n%s", o.text())
	}
	o.narrow()
	o.press(tea.Key{Code: tea.KeyEscape})
	if o.show(nil); strings.Contains(o.text(), "esc shows all") || o.m.focus != connectionsAt {
		t.Errorf("Esc does not leave it:\n%s", o.text())
	}
}

// TestNarrowEverywhere: the key works in every pane, and in a detail.
func TestNarrowEverywhere(t *testing.T) {
	for pane, want := range map[int]string{
		interfacesAt: "interface eth1", protocolsAt: "protocol tcp", execsAt: "command ",
		crossConnectsAt: "interface eth0", dropsAt: "interface eth0",
	} {
		o := detailed(pane)
		if o.narrow(); !strings.HasPrefix(o.m.narrowed.subject.String(), want) {
			t.Errorf("pane %d narrows to %q, want %q", pane, o.m.narrowed.subject.String(), want)
		}
	}
	o := detailed(connectionsAt)
	o.enter()
	o.choose(t, func(s snapshot.Subject) bool { return s.By == snapshot.ByRemote })
	o.enter()
	if o.narrow(); o.m.narrowed.subject.By != snapshot.ByRemote || o.m.details.top() != nil {
		t.Errorf("narrowed to %q, details open: %v", o.m.narrowed.subject.String(), o.m.details.top() != nil)
	}
	none := newOffscreen(false)
	none.resize(80, 24)
	if none.narrow(); !strings.Contains(none.text(), "not narrowed: no row is selected") {
		t.Errorf("nothing is said:\n%s", none.text())
	}
}

// TestConnectionsWhole: what ends do not need, owners and paths have.
func TestConnectionsWhole(t *testing.T) {
	o := detailed(connectionsAt)
	o.resize(190, 40)
	s := linkedSample(6)
	s.Connections = s.Connections[:1] // IPv4, over three interfaces
	o.m.connections.wide = connectionWidths{}
	o.show(&s)
	o.press(tea.Key{Code: 'z', Text: "z"})
	for _, whole := range []string{"nginx 812 nginx.service", "veth9a41c7e>br0>eth0", "198.51.100.1:32768"} {
		if !strings.Contains(o.text(), whole) {
			t.Errorf("%q is cut:\n%s", whole, o.text())
		}
	}
}

// TestNarrowScreen has a picture of a narrowed screen.
func TestNarrowScreen(t *testing.T) {
	for name, size := range map[string][2]int{"50x12": {50, 12}, "80x24": {80, 24}, "200x50": {200, 50}} {
		t.Run(name, func(t *testing.T) {
			u := start(t, size[0], size[1])
			u.feed(linkedSamples(0, 5)...)
			u.press("3")
			u.waitForText("━ Connections")
			u.press("n")
			u.waitForText("n again narrows to remote 198.51.100.1")
			u.feed(linkedSamples(5, 31)...)
			u.press("j") // what was said goes
			u.waitForNoText("n again")
			u.golden()
		})
	}
}
