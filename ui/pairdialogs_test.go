package ui

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

var sizes = []struct{ w, h int }{{60, 15}, {80, 24}, {200, 50}}

// startWithEditor is a screen that can change pairs, with these up.
func startWithEditor(t *testing.T, w, h int, pick func(*probes.CrossConnect) bool, settings ...setting) (*terminalUnderTest, *fakeEditor) {
	t.Helper()
	f := newFakeEditor()
	u := start(t, w, h, append(settings, withEditor(f))...)
	u.feed(withPairs(pick))
	return u, f
}

// asked waits until the editor has been asked for just this.
func (f *fakeEditor) asked(t *testing.T, want ...string) {
	t.Helper()
	for end := time.Now().Add(patience); len(f.sofar()) < len(want) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := f.sofar(); !slices.Equal(got, want) {
		t.Fatalf("asked for\n%q, want\n%q", got, want)
	}
}

const (
	tab    = "\t"
	enter  = "\r"
	escape = "\x1b"
	down   = "\x1b[B"
	right  = "\x1b[C"
	left   = "\x1b[D"
)

// wire fills the form in up to its second step.
func (u *terminalUnderTest) wire(a, b string) {
	u.t.Helper()
	u.press("a")
	u.waitForText("step 1 of 2")
	u.press(a, enter, b, enter, enter)
	u.waitForText(" Connect " + a + " <-> " + b + " ")
}

func TestCrossConnects(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			u, _ := startWithEditor(t, size.w, size.h, all)
			u.press("5")
			u.waitForText("trial: 27 s left, c confirms, u takes back")
			u.waitForFocus("Cross-connects")
			u.golden()
		})
		t.Run(fmt.Sprintf("zoomed %dx%d", size.w, size.h), func(t *testing.T) {
			u, _ := startWithEditor(t, size.w, size.h, lasting)
			u.press("5", "z", down, down)
			u.waitForText("by xdp: asked for")
			u.golden()
		})
	}
	t.Run("ASCII", func(t *testing.T) {
		u, _ := startWithEditor(t, 120, 40, all, withASCII)
		u.press("5")
		u.waitForText("e edit")
		u.golden()
	})
	t.Run("file of links", func(t *testing.T) {
		u, _ := startWithEditor(t, 80, 24, none)
		s := withPairs(none)
		s.Time, s.LinksProblem = s.Time.Add(time.Second), "links.yml:3: \x1b: the last good links go on"
		u.feed(s)
		u.press("5")
		u.waitForText("links.yml:3: \\x1b:")
		s = withPairs(lasting)
		s.Time, s.LinksProblem = s.Time.Add(2*time.Second), "links.yml:4: bad"
		u.feed(s)
		u.waitForText("links.yml:4: bad")
		u.press("z")
		u.waitForText("links.yml:4: bad")
		u.waitForText("dummy0 to dummy0")
	})
	t.Run("looking on", func(t *testing.T) {
		u := start(t, 80, 24)
		u.feed(withPairs(all))
		u.press("5", "d", "e", "a", "u", "c", "z")
		u.waitForText("7 · read only")
		u.golden()
		u.press("q")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestHelpWired(t *testing.T) {
	for _, size := range sizes[:2] {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			u, _ := startWithEditor(t, size.w, size.h, none)
			u.press("?")
			u.waitForText("pgup")
			u.golden()
		})
	}
}

func TestForm(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			t.Run("fields", func(t *testing.T) {
				u, _ := startWithEditor(t, size.w, size.h, lasting)
				u.press("a", "eth1", enter, "e")
				u.waitForText("again: a refl")
				u.golden()
			})
			t.Run("review", func(t *testing.T) {
				u, _ := startWithEditor(t, size.w, size.h, lasting)
				u.wire("eth1", "eth2")
				u.waitForText("12 connections run over it now")
				u.golden()
			})
			t.Run("session", func(t *testing.T) {
				u, _ := startWithEditor(t, size.w, size.h, lasting)
				u.wire("wg0", "eth0")
				u.waitForText("CARRIES YOUR SSH SESSION")
				u.press("eth")
				u.waitForText("apply this: eth")
				u.golden()
			})
			t.Run("leave", func(t *testing.T) {
				u, _ := startWithEditor(t, size.w, size.h, all)
				u.press("q")
				u.waitForText("Leave?")
				u.golden()
			})
		})
	}
}

// TestPairsStayHere: no interface of another network namespace can be an end of a pair.
func TestPairsStayHere(t *testing.T) {
	d := newPairDialogs(defaultKeyMap(false), &Options{})
	d.show(snapshotMsg{&snapshot.Snapshot{Interfaces: []probes.Interface{
		{Name: "eth0", Ifindex: 2}, {Name: "web-7f9/eth0", Ifindex: 2, NetNS: "web-7f9", Namespace: 7},
	}}})
	if len(d.interfaces) != 1 || d.interfaces[0].Name != "eth0" {
		t.Errorf("to choose from: %+v", d.interfaces)
	}
}
