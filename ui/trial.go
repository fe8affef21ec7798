package ui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// defaultTrial is how long the user has to find out that the session is gone,
// or that it is not.
const defaultTrial = 30 * time.Second

// trial is the change that goes unless it is confirmed, and the time it has.
type trial struct {
	now     func() time.Time
	ends    time.Time // zero: there is none
	decided time.Time // samples taken until then know less than we do
	left    int       // seconds, for the screen
	ticking bool
}

func (t *trial) running() bool { return !t.ends.IsZero() }

// tickMsg comes when the countdown shows another number.
type tickMsg struct{}

// follow takes the trial from a sample's pairs.
func (t *trial) follow(pairs []probes.CrossConnect, sampled time.Time) tea.Cmd {
	if !t.decided.IsZero() && !sampled.After(t.decided) {
		return nil
	}
	t.ends = time.Time{}
	for i := range pairs {
		p := &pairs[i]
		if p.Origin == probes.OriginOther || p.State != probes.PairOnTrial || p.TrialEnds == nil {
			continue
		}
		if !t.running() || p.TrialEnds.Before(t.ends) {
			t.ends = *p.TrialEnds
		}
	}
	return t.count()
}

// set notes what the user has just decided, before a sample shows it: a trial of length
// d, or 0 for none.
func (t *trial) set(d time.Duration) tea.Cmd {
	t.decided, t.ends = t.now(), time.Time{}
	if d > 0 {
		t.ends = t.decided.Add(d)
	}
	return t.count()
}

// count brings the seconds up to date and waits for the next one.
func (t *trial) count() tea.Cmd {
	left := t.ends.Sub(t.now())
	if !t.running() || left <= 0 {
		t.left = 0
		return nil
	}
	t.left = int((left + time.Second - 1) / time.Second)
	if t.ticking {
		return nil
	}
	t.ticking = true
	// To the moment at which there is a second less.
	return tea.Tick((left-1)%time.Second+1, func(time.Time) tea.Msg { return tickMsg{} })
}

func (t *trial) ticked() tea.Cmd {
	t.ticking = false
	return t.count()
}

// banner is the countdown, whatever else is on the screen. It names the keys if they work
// now, and are not taken as text.
func (t *trial) banner(s *styleSet, keys bool) string {
	if !t.running() {
		return ""
	}
	text := fmt.Sprintf(" trial: %d s left", t.left)
	if t.left == 0 {
		text = " trial: over"
	}
	if keys {
		text += ", c confirms, u takes back"
	}
	return s.Paused.Paint(text + " ")
}

// confirm makes the change on trial stay.
func (d *pairDialogs) confirm() tea.Cmd {
	if !d.trial.running() {
		d.notice = "there is no trial to confirm"
		return nil
	}
	return d.start(call{doing: "confirming", then: func() tea.Cmd {
		return d.changed(true, 0)
	}}, probes.PairEditor.Confirm)
}

// undo takes back the last change. A trial ends at once, because it is there to be taken
// back; a change that is no trial only after a question.
func (d *pairDialogs) undo() tea.Cmd {
	if d.trial.running() {
		return d.takeBack()
	}
	if d.mayChange() {
		d.ask("Undo?", []remark{{text: "The last change of cross-connects is taken back: the pairs before it come back. Undo again to redo."}},
			answer{d.keys.Yes, d.takeBack})
	}
	return nil
}

func (d *pairDialogs) takeBack() tea.Cmd {
	decided := !d.trial.running() // can be undone in its turn
	return d.start(call{doing: "taking back", then: func() tea.Cmd {
		return d.changed(decided, 0)
	}}, probes.PairEditor.Undo)
}
