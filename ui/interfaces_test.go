package ui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// The hook is left out where it has no room, and never cut.
func TestHookWhole(t *testing.T) {
	styles, p := defaultStyles(false), newInterfacesPane(defaultKeyMap(false))
	p.list.show([]probes.Interface{{Name: "eth0", Hook: probes.HookTracepoint, State: "up"}}, 1)
	for width := 30; width <= 120; width++ {
		screen := strings.Join(p.View(area{Width: width, Height: 5, styleSet: &styles}).Lines, "\n")
		if shown := strings.Contains(screen, "hook"); shown != strings.Contains(screen, "tracepoint") || (width > 90 && !shown) {
			t.Errorf("%d cells:\n%s", width, screen)
		}
	}
}

// TestScopeFollows the interface to another name, and the name to another interface once the
// first is gone.
func TestScopeFollows(t *testing.T) {
	p := newInterfacesPane(defaultKeyMap(false))
	show := func(rows ...probes.Interface) { p.Update(snapshotMsg{&snapshot.Snapshot{Busiest: rows}}) }
	show(probes.Interface{Name: "eth0", Ifindex: 2})
	p.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
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
		if show(step.rows...); p.scope != step.want {
			t.Errorf("of %+v the panes show %q, want %q", step.rows, p.scope, step.want)
		}
	}
	if p.back(); p.scope != "" {
		t.Error("the way back does not lead out")
	}
}
