package main

import "testing"

// TestBackInTime goes back on the running kernel: to before an interface and its pair came, while
// counting goes on.
func TestBackInTime(t *testing.T) {
	b := newBench(t, 2)
	s := b.dashboard("--mouse=false")
	s.press(" ")
	s.await("the past", "PAUSED, ", " ago")
	s.press(" ")
	s.awaitNo("PAUSED")
	awaitMoment := func() {
		t.Helper()
		for range 3 { // one is kept every other second
			s.awaitTick()
		}
	}
	awaitMoment()
	s.connect(form{a: port(0), b: port(1)})
	s.awaitLine("sw0 <-> sw1", "active")
	awaitMoment()
	s.press("[")
	s.await("the past", "PAUSED, ")
	s.awaitLine("sw0 <-> sw1", "active")
	s.press("{")
	s.awaitNo("sw0 <-> sw1")
	s.press("a")
	s.await("a refusal", "this is the past: space goes to now, where pairs can be changed")
	s.press("}")
	s.awaitNo("PAUSED")
	s.awaitLine("sw0 <-> sw1", "active")
	s.press("q")
	s.await("a question", "1 pair is up. Remove, or keep after exit?")
	s.press("r")
	s.ended(0)
	b.awaitBare(b.hub, port(0), port(1))
}
