package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// TestPastKeys goes back step by step and by a minute, and on to now, while samples come.
func TestPastKeys(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(livelySamples(401)...) // up to 15:12:46
	u.press("[")
	u.waitForText("PAUSED, 1s ago   every 500ms  15:12:45")
	u.press("[")
	u.waitForText("PAUSED, 3s ago   every 500ms  15:12:43")
	u.press("{")
	u.waitForText("PAUSED, 1m3s ago   every 500ms  15:11:43")
	u.press("{", "{")
	u.waitForText("15:09:43")
	u.press("{")
	u.waitForText("15:09:27") // there is no minute before that
	u.press("[")
	u.waitForText("nothing is kept from before this")
	u.press("}", "}")
	u.waitForText("15:11:27")
	u.source.Send(fake.Sample(403))
	u.waitForText("PAUSED, 1m19s ago   every 500ms  15:11:27") // counting goes on
	u.press("]")
	u.waitForText("15:11:29")
	u.press("}")
	u.waitForText("15:12:29")
	u.press("}") // there is no minute left
	u.waitForText("  every 500ms  15:12:47")
	u.waitForNoText("PAUSED")
	u.press("]")
	u.waitForText("this is now; [ goes back in time")
	u.press("[", "[", "\x1b")
	u.waitForNoText("PAUSED")
	u.waitForText("15:12:47")
}

// TestPastPanes has panes of then filtered, narrowed, summed up and opened, at three sizes.
func TestPastPanes(t *testing.T) {
	for _, size := range []struct{ w, h int }{{40, 10}, {80, 24}, {200, 50}} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			u := start(t, size.w, size.h)
			u.feed(livelySamples(101)...)
			u.press("[", "[", "3")
			u.waitForText("3s ago")
			u.golden()
		})
	}
	u := start(t, 80, 24)
	u.feed(livelySamples(101)...)
	u.press("{", "3", "/", "proto:udp", "\r")
	u.waitForText("12 of 60")
	u.press("o")
	u.waitForText("Connections by owner")
	u.waitForText("postgres 20433 ")
	u.press("\r")
	u.waitForText("owner postgres 20433")
	u.waitForText("PAUSED, 49s ago")
}

// TestPastDetail: a connection that was not there yet is not said to be gone.
func TestPastDetail(t *testing.T) {
	u := start(t, 120, 40)
	u.feed(livelySamples(101)...)
	u.press("3", "s")
	u.waitForText("newest first")
	u.press("\r")
	u.waitForText("flags received")
	u.press("{")
	u.waitForText("not there then, as seen at 15:10:16")
	u.press(" ")
	u.waitForNoText("not there then")
}

// TestPastSaved: what is saved is what is on the screen, and the sample of then.
func TestPastSaved(t *testing.T) {
	saved := make(chan string, 1)
	u := start(t, 80, 24, func(o *Options) {
		o.Save = func(screen string, sample *probes.Sample) (string, error) {
			saved <- screen + sample.Time.UTC().Format(time.TimeOnly)
			return "file", nil
		}
	})
	u.feed(livelySamples(101)...)
	u.press("[", "[", "[")
	u.waitForText("5s ago")
	u.press("w")
	if text := <-saved; !strings.Contains(text, "PAUSED, 5s ago   every 500ms  15:10:11") || !strings.HasSuffix(text, "15:10:11") {
		t.Errorf("saved\n%s", text)
	}
}

// TestLeftOut says what is missing, in words.
func TestLeftOut(t *testing.T) {
	for _, c := range []struct {
		ago  snapshot.Ago
		want string
	}{
		{snapshot.Ago{IsPast: true}, ""},
		{snapshot.Ago{Connections: 1234, Programs: 7}, "not kept: 1,234 connections, 7 programs"},
		{snapshot.Ago{Programs: 7, SumsLater: true}, "not kept: 7 programs; sums have what ended later"},
	} {
		if got := leftOut(&c.ago); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	o := newOffscreen(false)
	o.resize(40, 10)
	for n := range 9 {
		s := fake.Sample(n)
		s.Connections = fake.Connections(20_000, 0, s.Time)
		o.show(&s)
	}
	o.press(tea.Key{Code: '[', Text: "["})
	o.show(nil)
	if !strings.Contains(o.text(), "ago, in part") {
		t.Errorf("it is not said that connections are missing:\n%s", o.text())
	}
	o.resize(120, 40)
	if !strings.Contains(o.text(), "not kept: 3,616 connections") {
		t.Errorf("it is not said which are missing:\n%s", o.text())
	}
}
