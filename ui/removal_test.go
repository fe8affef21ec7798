package ui

import (
	"errors"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

func TestRemove(t *testing.T) {
	for answer, want := range map[string]string{"y": "trial=0s", "t": "trial=30s"} {
		t.Run(answer, func(t *testing.T) {
			u, f := startWithEditor(t, 80, 24, lasting)
			u.press("5", down, "d")
			u.waitForText("Remove eth3 <-> eth4?")
			u.waitForText("No frame goes from eth3 to eth4 or back any more, and this host answers on")
			u.press("x", enter)
			f.asked(t)
			u.press(answer)
			u.waitForNoText("Remove eth3")
			f.asked(t, "apply -eth3/eth4 auto auto "+want)
		})
	}
	t.Run("not", func(t *testing.T) {
		u, f := startWithEditor(t, 80, 24, lasting)
		u.press("5", "d")
		u.waitForText("The file that it is from does not change")
		u.press("n")
		u.waitForNoText("Remove dummy0")
		f.asked(t)
	})
	t.Run("fails", func(t *testing.T) {
		u, f := startWithEditor(t, 80, 24, lasting)
		f.fail(errors.New("not now"))
		u.press("5", "d", "y")
		u.waitForText("not now")
		u.press("\x1b")
		u.waitForNoText("Remove dummy0")
	})
}

// Pairs of another process are looked at, never touched.
func TestForeignPair(t *testing.T) {
	for _, key := range []string{"d", "e"} {
		t.Run(key, func(t *testing.T) {
			u, f := startWithEditor(t, 80, 24, func(p *probes.CrossConnect) bool { return p.Origin == probes.OriginOther })
			u.press("5", key)
			u.waitForText("tap0 <-> tap1 belongs to process 4711: only that one can change it")
			u.press("y", "t")
			u.waitForNoText("belongs to")
			f.asked(t)
		})
	}
}

func TestRemovedPair(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, func(p *probes.CrossConnect) bool { return p.Removed })
	u.press("5", "e")
	u.waitForText(`veth0 <-> veth9a41c7e\x1b[m is removed on trial: u takes that back`)
	f.asked(t)
}

func TestUndo(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, lasting)
	u.press("3", "u")
	u.waitForText("The last change of cross-connects is taken back")
	u.press("n")
	u.waitForNoText("Undo?")
	f.fail(errors.New("there is nothing to undo"))
	u.press("u", "y")
	u.waitForText("there is nothing to undo")
	f.fail(nil)
	u.press("y")
	u.waitForNoText("Undo?")
	f.asked(t, "undo", "undo")
}

// TestPairsOfThePast are as they were, and nothing is changed there; a trial, which is of now,
// can be confirmed all the same.
func TestPairsOfThePast(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, lasting)
	u.press(" ", "5")
	u.waitForText(" PAUSED, ")
	for _, press := range []string{"a", "e", "d", "u"} {
		u.press(press)
		u.waitForText("this is the past: space goes to now, where pairs can be changed")
		u.press("6", "5")
		u.waitForNoText("this is the past")
	}
	f.asked(t)
	s := withPairs(onTrial)
	s.Time = s.Time.Add(time.Second)
	u.source.Send(s)
	u.waitForText("s left, c confirms, u takes back")
	u.waitForText("eth3 <-> eth4")
	u.press("c")
	f.asked(t, "confirm")
	u.waitForNoText("c confirms") // while that is under way, nothing else is begun
	u.press("[")                  // to what was before the first sample
	u.waitForText("nothing is kept from before this")
	u.press(" ")
	u.waitForNoText("PAUSED")
}

// TestKeysOfThePast: the footer offers no change of pairs while the screen shows the past.
func TestKeysOfThePast(t *testing.T) {
	u, _ := startWithEditor(t, 200, 50, lasting)
	u.waitForText("a connect")
	u.press(" ")
	u.waitForText(" PAUSED, ")
	u.waitForNoText("a connect")
}
