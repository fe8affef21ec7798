package ui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// linkedSample is a sample in which everything is linked with something.
func linkedSample(n int) probes.Sample {
	s := fake.Sample(n)
	s.CrossConnects = somePairs(s.Time)[1:]
	s.CrossConnects[0].A, s.CrossConnects[0].B = "eth0", "eth2"
	elsewhere, host := 3, "db-0"
	for i := range s.Interfaces {
		switch row := &s.Interfaces[i]; row.Name {
		case "br0":
			row.Lower = []string{"eth2", "veth9a41c7e"}
		case "eth2":
			row.Master = "br0"
		case "veth9a41c7e":
			row.Master = "br0"
			row.Peer = &probes.Peer{Ifindex: 2, NetNSID: &elsewhere, Name: "eth0", Hostname: &host, AddressReason: "it has none"}
		}
	}
	for i := range s.Connections {
		c := &s.Connections[i]
		if c.Path = []string{c.Interface}; i == 0 {
			c.Path = []string{"veth9a41c7e", "br0", "eth0"}
			c.Interface, c.RXBPS = "veth9a41c7e", 9e9
		}
	}
	s.Drops.Rows[0].Latest[0].Owner = s.Connections[0].Owner
	return s
}

func linkedSamples(from, to int) (out []probes.Sample) {
	for n := from; n < to; n++ {
		out = append(out, linkedSample(n))
	}
	return out
}

// TestDetail has a picture of the detail of each kind.
func TestDetail(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {200, 50}} {
		for name, keys := range map[string][]string{
			"connection": {"3", "━ Connections"},
			"interface":  {"1", "━ Interfaces", "/", "enter keep", "iface:br0", "1 of 6 ·", "\r", "enter open"},
			"protocol":   {"2", "━ Protocols"},
			"owner":      {"3", "━ Connections", "o", "nginx 812  "},
			"drop":       {"6", "━ Drops"},
			"program":    {"4", "━ Programs"},
			"pair":       {"5", "━ Cross-connects"},
		} {
			t.Run(fmt.Sprintf("%s %dx%d", name, size.w, size.h), func(t *testing.T) {
				u := start(t, size.w, size.h)
				u.feed(linkedSamples(0, 5)...)
				for i := 0; i < len(keys); i += 2 {
					u.press(keys[i])
					u.waitForText(keys[i+1])
				}
				u.press("\r")
				u.waitForText("esc back  n narrow")
				u.waitForNoText("looking ...")
				u.feed(linkedSamples(5, 31)...)
				u.golden()
			})
		}
	}
}

// detailed is a screen of linked samples, with the pane in focus.
func detailed(pane int) *offscreen {
	o := newOffscreen(false)
	o.resize(100, 40)
	for n := range 5 {
		s := linkedSample(n)
		o.show(&s)
	}
	o.m.focus = pane
	return o
}

func (o *offscreen) enter() {
	o.press(tea.Key{Code: tea.KeyEnter})
	o.show(nil)
	_ = o.m.frame()
}

func (o *offscreen) text() string { return plainText(o.m.lines()) }

// choose selects the link of a detail that names the subject.
func (o *offscreen) choose(t *testing.T, is func(snapshot.Subject) bool) {
	t.Helper()
	page := o.m.details.top()
	o.press(tea.Key{Code: tea.KeyHome})
	for range page.links {
		if is(page.link()) {
			return
		}
		o.press(tea.Key{Code: tea.KeyDown})
	}
	t.Fatalf("no such link in\n%s", o.text())
}

func ofKind(kind snapshot.SubjectKind) func(snapshot.Subject) bool {
	return func(s snapshot.Subject) bool { return s.Kind == kind }
}

// TestDetailWays follows links from a connection on, and comes back the way it went.
func TestDetailWays(t *testing.T) {
	o := detailed(connectionsAt)
	ways := []struct {
		to   snapshot.SubjectKind
		want string
	}{
		{snapshot.OfGroup, "got the socket"},
		{snapshot.OfConnection, "all with this host"},
		{snapshot.OfInterface, "driver rx"},
		{snapshot.OfPair, "eth0 to eth2"},
		{snapshot.OfInterface, "driver rx"},
		{snapshot.OfConnection, "all with this host"},
		{snapshot.OfProtocol, "of all bits"},
	}
	o.enter()
	screens := []string{o.text()}
	for _, way := range ways {
		o.choose(t, func(s snapshot.Subject) bool {
			return s.Kind == way.to && (way.to != snapshot.OfInterface || s.Name == "eth0")
		})
		o.enter()
		if !strings.Contains(o.text(), way.want) && way.to != snapshot.OfGroup {
			t.Fatalf("%s: no %q in\n%s", way.to, way.want, o.text())
		}
		screens = append(screens, o.text())
	}
	back := func() { o.press(tea.Key{Code: tea.KeyEscape}); o.show(nil) }
	for i := len(screens) - 2; i >= 0; i-- {
		back()
		first, _, _ := strings.Cut(screens[i], "\n┃")
		if got, _, _ := strings.Cut(o.text(), "\n┃"); got != first {
			t.Errorf("the way back leads to\n%s\nand not to\n%s", got, first)
		}
	}
	if back(); o.m.details.top() != nil || o.m.focus != connectionsAt {
		t.Error("the way back does not end where it began")
	}
}

// TestDetailOfProgram leads to the programs that started it, and that it started.
func TestDetailOfProgram(t *testing.T) {
	o := detailed(execsAt)
	s := linkedSample(5)
	exec := func(pid, ppid uint32, comm string, ancestors ...probes.Ancestor) probes.Exec {
		return probes.Exec{Time: s.Time, PID: pid, PPID: ppid, Comm: comm, Filename: "/bin/" + comm, Ancestors: ancestors}
	}
	shell := probes.Ancestor{PID: 70001, Comm: "shell"}
	s.Execs.Events = []probes.Exec{exec(70001, 1, "shell"), exec(70002, 70001, "worker", shell)}
	o.show(&s)
	o.enter()
	if !strings.Contains(o.text(), "worker, pid 70002") {
		t.Fatalf("not the latest program:\n%s", o.text())
	}
	o.choose(t, ofKind(snapshot.OfExec))
	o.enter()
	if !strings.Contains(o.text(), "worker 70002 > shell 70001") || !strings.Contains(o.text(), "1 in the list") {
		t.Fatalf("not the program that started it, with what it started:\n%s", o.text())
	}
}

// TestDetailGone keeps what was seen last of what is gone, and says so; it is found again.
func TestDetailGone(t *testing.T) {
	o := detailed(connectionsAt)
	o.enter()
	before := linkedSample(6)
	o.show(&before)
	gone := linkedSample(7)
	gone.Connections = gone.Connections[1:]
	o.show(&gone)
	if text := o.text(); !strings.Contains(text, "gone, as last seen at 15:09:29") || !strings.Contains(text, "path") {
		t.Errorf("what was last seen is not there, or not said to be gone:\n%s", text)
	}
	again := linkedSample(8)
	o.show(&again)
	if strings.Contains(o.text(), "gone") {
		t.Errorf("said to be gone:\n%s", o.text())
	}
}

// TestDetailUnknown says why there is nothing to say.
func TestDetailUnknown(t *testing.T) {
	o := detailed(connectionsAt)
	o.m.details.enter(snapshot.NamedInterface("nowhere"))
	o.m.ask()
	o.show(nil)
	if !strings.Contains(o.text(), "not known: no interface that is watched is called nowhere") {
		t.Errorf("the reason is missing:\n%s", o.text())
	}
}

// TestDetailKeys: the footer says what works, and what works elsewhere does so here.
func TestDetailKeys(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(linkedSamples(0, 5)...)
	u.waitForText("enter open")
	u.press("3", "\r")
	u.waitForText("↑/↓ choose  enter open  esc back")
	u.press(" ")
	u.waitForText(" PAUSED, ")
	u.press(" ", "?")
	u.waitForText("next order of rows")
	u.press("?")
	u.waitForText("esc back")
	u.press("1")
	u.waitForFocus("Interfaces")
	u.press("3", "\r")
	u.waitForText("all with this host")
	u.press("Y")
	u.waitForText("row as JSON given to the terminal")
}

// TestDetailScrolls: every line of a long detail can be read, and the selected link is in
// sight.
func TestDetailScrolls(t *testing.T) {
	o := detailed(protocolsAt)
	o.resize(60, 16)
	o.enter()
	page := o.m.details.top()
	if len(page.links) < 20 {
		t.Fatalf("only %d links", len(page.links))
	}
	if page.offset != 0 {
		t.Error("it does not begin with its first line")
	}
	last, end := 0, 0
	for n := 0; page.at < len(page.links)-1; n++ {
		if link := page.links[page.at]; page.at != last && (link.from < page.offset || link.to > page.offset+page.height) {
			t.Fatalf("link %d is out of sight: lines %d to %d, shown from %d", page.at, link.from, link.to, page.offset)
		}
		if last = page.at; page.offset > end+page.height {
			t.Fatalf("the lines before %d were never in sight", page.offset)
		}
		end = page.offset
		if o.press(tea.Key{Code: tea.KeyDown}); n > page.lines {
			t.Fatal("the last link cannot be chosen")
		}
		_ = o.m.frame()
	}
	o.press(tea.Key{Code: tea.KeyHome})
	if _ = o.m.frame(); page.offset != 0 {
		t.Error("the first line is out of sight")
	}
	seen := 0
	for range page.lines {
		_ = o.m.frame()
		seen = max(seen, page.offset+page.height)
		o.press(tea.Key{Code: tea.KeyPgDown})
	}
	if seen < page.lines {
		t.Errorf("of %d lines only %d are ever shown", page.lines, seen)
	}
}

// TestDetailMoves passes no line over on its way to a link that is far.
func TestDetailMoves(t *testing.T) {
	a := area{Width: 40, Height: 10, styleSet: &styleSet{}}
	link := snapshot.ProtocolSubject("tcp")
	var entries []entry
	for n := range 100 {
		f := fact{value: "x"}
		if n%45 == 2 {
			f.link = link
		}
		entries = append(entries, facts(f)...)
	}
	page := &detailPage{}
	page.draw(a, entries)
	for _, by := range []int{1, -1} {
		for seen, n := page.offset, 0; page.links[page.at].from != 47+45*by || !page.inSight(page.at); seen = page.offset {
			page.move(by)
			if page.draw(a, entries); max(page.offset-seen, seen-page.offset) > page.height {
				t.Fatalf("from line %d to %d with a height of %d", seen, page.offset, page.height)
			}
			if n++; n > len(entries) {
				t.Fatalf("moves by %d end at line %d, with link %d of lines %d", by, page.offset, page.at, page.links[page.at].from)
			}
		}
	}
}
