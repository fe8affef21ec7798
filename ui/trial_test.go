package ui

import (
	"errors"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

func withClock(now func() time.Time) setting { return func(o *Options) { o.now = now } }

func onTrial(p *probes.CrossConnect) bool { return p.State == probes.PairOnTrial }

// ending is a sample whose trial ends then.
func endingAt(ends time.Time) probes.Sample {
	s := withPairs(onTrial)
	s.Time = time.Now()
	for i := range s.CrossConnects {
		s.CrossConnects[i].TrialEnds = &ends
	}
	return s
}

// The countdown needs no samples, and costs one refresh a second.
func TestTrialCountdown(t *testing.T) {
	f := newFakeEditor()
	u := start(t, 80, 24, withEditor(f), withClock(time.Now))
	u.source.Send(endingAt(time.Now().Add(3 * time.Second)))
	u.waitForText("trial: 3 s left, c confirms, u takes back")
	before := len(u.writes.sofar())
	u.waitForText("trial: 2 s left")
	u.waitForText("trial: 1 s left")
	u.waitForText("trial: over")
	if n := len(u.writes.sofar()) - before; n > 5 {
		t.Errorf("%d writes in three seconds", n)
	}
	u.source.Send(fake.Sample(0))
	u.press("a")
	u.waitForText("trial: over") // the sample is an old one
	s := fake.Sample(0)
	s.Time = time.Now().Add(time.Hour)
	u.source.Send(s)
	u.waitForNoText("trial:")
}

// It is to be seen in front of any pane, and while text is typed.
func TestTrialEverywhere(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, all)
	for _, pane := range []string{"1", "2", "3", "4", "5"} {
		u.press(pane)
		u.waitForText("trial: 27 s left, c confirms, u takes back")
	}
	u.press("?")
	u.waitForText("confirm a trial")
	u.waitForText("trial: 27 s left ")
	u.waitForNoText("c confirms") // letters are searched
	u.press("?", "/", "cu")
	u.waitForText("/ cu")
	u.waitForText("trial: 27 s left ")
	u.waitForNoText("c confirms")
	f.asked(t)
}

func TestTrialConfirm(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, all)
	u.waitForText("trial: 27 s left")
	f.fail(errors.New("too late"))
	u.press("c")
	u.waitForText("too late")
	u.waitForText("trial: 27 s left")
	f.fail(nil)
	u.press("c")
	f.asked(t, "confirm", "confirm")
	u.waitForText("u undo")
	u.waitForNoText("trial: ")
	u.press("c")
	u.waitForText("there is no trial to confirm")
	f.asked(t, "confirm", "confirm")
}

func TestTrialTakenBack(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, all)
	u.waitForText("trial: 27 s left")
	release := f.block()
	u.press("2", "u", "u", "c")
	u.waitForText("taking back ...")
	release()
	u.waitForNoText("trial: ")
	f.asked(t, "undo")
}

// One change on trial at a time.
func TestTrialAlone(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, all)
	u.waitForText("trial: 27 s left")
	for _, key := range []string{"a", "e", "d"} {
		u.press("5", key)
		u.waitForText("a trial is under way: c confirms it, u takes it back")
		u.press("1")
		u.waitForNoText("a trial is under way")
	}
	f.asked(t)
}

// A sample taken before the user has decided does not bring the trial back.
func TestTrialDecided(t *testing.T) {
	now := fake.Start
	tr := trial{now: func() time.Time { return now }}
	pairs := withPairs(onTrial).CrossConnects
	if tr.follow(pairs, now); !tr.running() {
		t.Fatal("no trial")
	}
	now = now.Add(time.Second)
	tr.set(0)
	if tr.follow(pairs, now.Add(-time.Millisecond)); tr.running() {
		t.Error("an old sample brought it back")
	}
	if tr.follow(pairs, now.Add(time.Millisecond)); !tr.running() {
		t.Error("a new one does not")
	}
	foreign := pairs[0]
	foreign.Origin = probes.OriginOther
	if tr.follow([]probes.CrossConnect{foreign}, now.Add(time.Second)); tr.running() {
		t.Error("the trial of another process")
	}
}

// However many snapshots come, one tick is on its way.
func TestTrialTicks(t *testing.T) {
	o := newOffscreen(false)
	ticks := 0
	for range 20 {
		if o.m.dialogs.trial.follow(withPairs(onTrial).CrossConnects, fake.Sample(41).Time) != nil {
			ticks++
		}
	}
	if ticks != 1 {
		t.Errorf("%d ticks on their way", ticks)
	}
	if o.m.dialogs.Update(tickMsg{}) == nil {
		t.Error("the countdown stops")
	}
}

// What was still on its way at the end no longer gets to the kernel.
func TestEditorCut(t *testing.T) {
	o := newOffscreen(false)
	f := newFakeEditor()
	o.m.dialogs.line.editor = f
	s := withPairs(onTrial)
	o.show(&s)
	cmd := o.m.Update(tea.KeyPressMsg{Code: 'c', Text: "c"})
	o.m.dialogs.line.cut.Store(true)
	if msg := cmd(); msg != nil || len(f.sofar()) > 0 {
		t.Errorf("%v, asked for %q", msg, f.sofar())
	}
}
