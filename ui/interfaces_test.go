package ui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// shown is a pane that shows these interfaces.
func shown(rows ...probes.Interface) *interfacesPane {
	p := newInterfacesPane(defaultKeyMap(false), false)
	p.Update(snapshotMsg{showing(rows...)})
	return p
}

// showing is a snapshot of these interfaces alone, answered to no wish.
func showing(rows ...probes.Interface) *snapshot.Snapshot {
	s := &snapshot.Snapshot{Interfaces: rows}
	for n := range rows {
		i := &rows[n]
		s.InterfaceRows.Rows = append(s.InterfaceRows.Rows, snapshot.Interface{
			Interface: i, Traffic: i.Traffic, Where: i.Peer.Where(), Alias: i.Peer.Owner(),
		})
	}
	s.InterfaceRows.Total, s.InterfaceRows.Matching = len(rows), len(rows)
	return s
}

// The hook is left out where it has no room, and never cut.
func TestHookWhole(t *testing.T) {
	styles, p := defaultStyles(false), shown(probes.Interface{Name: "eth0", Hook: probes.HookTracepoint, State: "up"})
	for width := 30; width <= 120; width++ {
		screen := strings.Join(p.View(area{Width: width, Height: 5, styleSet: &styles}).Lines, "\n")
		if shown := strings.Contains(screen, "hook"); shown != strings.Contains(screen, "tracepoint") || (width > 90 && !shown) {
			t.Errorf("%d cells:\n%s", width, screen)
		}
	}
}

// TestNamesWhole: no name is cut where another column could give way.
func TestNamesWhole(t *testing.T) {
	styles, elsewhere := defaultStyles(false), 3
	pod := "frontend-7c5ddb54-x8k2p" // 23 cells
	p := shown(
		probes.Interface{
			Name: "veth0123456789a", Hook: probes.HookTracepoint, State: "up", Master: "cni0",
			Peer: &probes.Peer{Ifindex: 2, NetNSID: &elsewhere, Name: "eth0", Hostname: &pod},
		},
		probes.Interface{Name: "eth0", Hook: probes.HookTracepoint, State: "up"},
	)
	view := func(width int) string {
		lines := p.View(area{Width: width, Height: 5, styleSet: &styles}).Lines
		for _, line := range lines {
			if n := ansi.StringWidth(line); n > width {
				t.Errorf("%d cells in %d", n, width)
			}
		}
		return ansi.Strip(strings.Join(lines, "\n"))
	}
	const least = 36 // one column for the name, one for the rate
	for width := least; width <= 200; width++ {
		screen := view(width)
		if !strings.Contains(screen, pod) || !strings.Contains(screen, "eth0 ") {
			t.Errorf("%d cells, the pod's name is cut:\n%s", width, screen)
		}
		if isThere := strings.Contains(screen, "veth0123456789a"); isThere != strings.Contains(screen, "leads to") {
			t.Errorf("%d cells, neither both names have columns nor one:\n%s", width, screen)
		}
	}
	if screen := view(least - 1); !strings.Contains(screen, "x8k2p") || !strings.Contains(screen, "front") {
		t.Errorf("both ends of a name should be there:\n%s", screen)
	}
	if screen := view(200); !strings.Contains(screen, "cni0") || !strings.Contains(screen, "tracepoint") {
		t.Errorf("columns are missing:\n%s", screen)
	}
}

// TestInterfaceKeys sorts, filters and folds by keys, and finds the way back.
func TestInterfaceKeys(t *testing.T) {
	u := start(t, 120, 40)
	s := fake.Sample(9)
	for n := range s.Interfaces {
		switch i := &s.Interfaces[n]; i.Name {
		case "br0":
			i.Lower = []string{"eth2", "veth9a41c7e"}
		case "eth2", "veth9a41c7e":
			i.Master = "br0"
		}
	}
	u.feed(s)
	u.waitForText("6 · busiest")
	u.press("s")
	u.waitForText("6 · name")
	u.press("S")
	u.waitForText("6 · name, reversed")
	u.waitFor("the last name first", func(screen string) bool {
		return strings.Index(screen, "wg0") < strings.Index(screen, "eth2")
	})
	u.press("f")
	u.waitForText("6 folded")
	u.waitForText("▸ br0 +2")
	u.waitForNoText("veth9a41c7e")
	u.press("G", "o")
	u.waitForText("▾ br0")
	u.waitForText("  veth9a41c7e")
	u.press("/", "ETH9")
	u.waitForText("1 of 6")
	u.waitForNoText("▾ br0")
	u.press("\r", "n")
	u.waitForText("Connections of veth9a41c7e")
	u.press("\x1b")
	u.waitForText("▾ br0") // the filter is left first, then the interface
	u.waitForText("Connections of veth9a41c7e")
	u.press("\x1b")
	u.waitForNoText("Connections of")
	u.press("f")
	u.waitForNoText("folded")
}

// TestNarrowingFollows the interface to another name, and the name to another interface once
// the first is gone.
func TestNarrowingFollows(t *testing.T) {
	n := narrowing{subject: snapshot.InterfaceSubject(&probes.Interface{Name: "eth0", Ifindex: 2})}
	for _, step := range []struct {
		rows []probes.Interface
		want string
	}{
		{[]probes.Interface{{Name: "eth0", Ifindex: 2}}, "eth0"},
		{[]probes.Interface{{Name: "eth0", Ifindex: 3}, {Name: "wan0", Ifindex: 2}}, "wan0"},
		{[]probes.Interface{{Name: "eth0", Ifindex: 3}}, "wan0"},
		{[]probes.Interface{{Name: "eth0", Ifindex: 3}, {Name: "wan0", Ifindex: 4}}, "wan0"},
		{[]probes.Interface{{Name: "lan0", Ifindex: 4}}, "lan0"},
	} {
		if n.follow(step.rows); n.subject.Name != step.want {
			t.Errorf("of %+v the panes show %q, want %q", step.rows, n.subject.Name, step.want)
		}
	}
}
