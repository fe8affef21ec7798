package ui

import (
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/probes"
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
