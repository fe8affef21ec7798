package ui

import (
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// review is the second step of the form: what will happen, before it does.
type review struct {
	form   *connectForm
	change probes.Change
	would  probes.Impact
	// ssh is the interface that the user's own session runs over, "" if it runs over
	// none of the pair. If that is not known, it is one of the pair. The user has to
	// type its name, because Enter is pressed too easily.
	ssh    string
	input  *input
	offset int // first line shown
	last   int // offset at which the last line is
}

func newReview(f *connectForm, c probes.Change, would probes.Impact) *review {
	r := &review{form: f, change: c, would: would, input: newInput(f.dialogs.ascii)}
	for _, i := range would.Interfaces {
		if i.CarriesSSH {
			r.ssh = i.Interface
			break
		}
		if would.SessionUnknown != "" && r.ssh == "" && !i.Missing {
			r.ssh = i.Interface
		}
	}
	if r.ssh != "" {
		r.input.Focus()
		if r.change.Trial == 0 {
			r.change.Trial = defaultTrial
		}
	}
	return r
}

func (r *review) Update(msg tea.Msg) tea.Cmd {
	d := r.form.dialogs
	arrows := d.keys.arrowsOnly()
	press, ok := msg.(tea.KeyPressMsg)
	switch {
	case ok && key.Matches(press, d.keys.Cancel):
		r.form.review = nil
		r.form.Refresh()
	case ok && key.Matches(press, d.keys.Apply):
		return r.apply()
	case ok && key.Matches(press, arrows.Up):
		r.offset = max(0, r.offset-1)
	case ok && key.Matches(press, arrows.Down):
		r.offset = min(r.last, r.offset+1)
	case r.ssh != "":
		r.input.press(msg)
	}
	return nil
}

func (r *review) apply() tea.Cmd {
	d := r.form.dialogs
	if r.ssh != "" && r.input.Value() != r.ssh {
		runs := "runs"
		if r.would.SessionUnknown != "" {
			runs = "may run"
		}
		d.notice = "your own session " + runs + " over " + r.ssh + ": type its name to go on"
		return nil
	}
	return d.start(call{doing: "applying", then: func() tea.Cmd {
		return d.changed(true, r.change.Trial)
	}}, func(editor probes.PairEditor) error { return editor.Apply(r.change) })
}

func (r *review) Keys() []key.Binding {
	k := &r.form.dialogs.keys
	keys := []key.Binding{k.Apply, k.Cancel}
	if r.last > 0 {
		keys = append(keys, k.More)
	}
	return keys
}

func (r *review) View(a area) view {
	s := a.styleSet
	title := r.form.title()
	if r.form.edited == nil {
		title = "Connect " + r.change.Add.A + " <-> " + r.change.Add.B
	}
	v := view{Title: s.Escape(title)}
	what := impactRemarks(s, &r.change, &r.would)
	if e := r.form.edited; e != nil && e.Origin == probes.OriginFile {
		what = append(what, remark{about: "file", text: "does not change: what it says comes back when it is read again"})
	}
	lines := remarks(a, what)
	below := r.question(s)
	room := max(1, a.Height-len(below))
	r.last = max(0, len(lines)-room)
	r.offset = min(r.offset, r.last)
	shown := lines[r.offset:min(len(lines), r.offset+room)]
	v.Info = s.Faint.Paint("step 2 of 2")
	if r.last > 0 {
		v.Info = fmt.Sprintf("lines %d-%d of %d", r.offset+1, r.offset+len(shown), len(lines))
	}
	v.Lines = append(append(v.Lines, shown...), below...)
	return v
}

// question says which key or which words apply the change.
func (r *review) question(s *styleSet) []string {
	if r.ssh == "" {
		return []string{"", " Enter applies this, Esc goes back."}
	}
	return []string{"", " " + s.Bad.Paint("Type "+s.Escape(r.ssh)+" to apply this:") + " " + r.input.line(s)}
}
