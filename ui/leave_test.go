package ui

import (
	"errors"
	"testing"

	"github.com/ebpftop/ebpftop/probes"
)

const leaveQuestion = "2 pairs are up. Remove, or keep after exit?"

func TestLeave(t *testing.T) {
	t.Run("remove", func(t *testing.T) {
		u, f := startWithEditor(t, 80, 24, lasting)
		u.press("q")
		u.waitForText(leaveQuestion)
		u.press("q", enter, "y") // none of the answers
		u.press("r")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
		f.asked(t)
		u.restored()
	})
	t.Run("keep", func(t *testing.T) {
		u, f := startWithEditor(t, 80, 24, lasting)
		f.fail(errors.New("no bpffs at /sys/fs/bpf"))
		u.press("q", "k")
		u.waitForText("no bpffs at /sys/fs/bpf")
		u.waitForText(leaveQuestion)
		f.fail(nil)
		u.press("k")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
		f.asked(t, "keep all", "keep all")
	})
	t.Run("stay", func(t *testing.T) {
		u, f := startWithEditor(t, 80, 24, lasting)
		u.press("q")
		u.waitForText(leaveQuestion)
		u.press(escape)
		u.waitForNoText(leaveQuestion)
		u.press("?")
		u.waitForText("edit the pair")
		f.asked(t)
	})
	t.Run("ctrl-c", func(t *testing.T) {
		u, f := startWithEditor(t, 80, 24, lasting)
		u.press("\x03")
		u.waitForText(leaveQuestion)
		u.press("\x03")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
		f.asked(t)
	})
	t.Run("ctrl-c in the form", func(t *testing.T) {
		u, _ := startWithEditor(t, 80, 24, lasting)
		u.press("a")
		u.waitForText("step 1 of 2")
		u.press("\x03")
		u.waitForNoText("step 1 of 2")
		u.press("q", "n", "\x03") // another key in between
		u.waitForText(leaveQuestion)
	})
	t.Run("ctrl-c in a change", func(t *testing.T) {
		u, f := startWithEditor(t, 80, 24, lasting)
		defer f.block()()
		u.press("u", "y", "\x03")
		u.waitForText("taking back ... Ctrl-C once more leaves before that is done.")
		u.press("\x03")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("ctrl-c in a call", func(t *testing.T) {
		u, f := startWithEditor(t, 80, 24, lasting)
		defer f.block()()
		u.press("q", "k")
		u.waitForText("keeping ...")
		u.press("\x03")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("nothing to ask", func(t *testing.T) {
		u, _ := startWithEditor(t, 80, 24, func(p *probes.CrossConnect) bool {
			return lasting(p) && p.Origin != probes.OriginScreen
		})
		u.press("q")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("one", func(t *testing.T) {
		u, _ := startWithEditor(t, 80, 24, func(p *probes.CrossConnect) bool { return p.A == "eth3" })
		u.press("q")
		u.waitForText("1 pair is up.")
	})
	t.Run("trial", func(t *testing.T) {
		u, f := startWithEditor(t, 80, 24, func(p *probes.CrossConnect) bool { return onTrial(p) && !p.Removed })
		u.press("q")
		u.waitForText("A trial is under way. Leaving takes it back: the pairs before it come back.")
		u.waitForNoText("keep after exit")
		u.press("y")
		if err := u.result(); err != nil {
			t.Fatal(err)
		}
		f.asked(t)
	})
}
