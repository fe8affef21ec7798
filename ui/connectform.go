package ui

import (
	"fmt"
	"slices"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// connectForm is the dialog that makes or changes a pair. Its first step are
// the fields, its second the review of what they would do.
type connectForm struct {
	dialogs *pairDialogs
	edited  *probes.CrossConnect // the pair to be changed, nil for a new one

	a, b       *picker
	aToB, bToA *choice[probes.Datapath]
	keep       *choice[bool]
	trial      *choice[time.Duration]
	focus      int
	review     *review                          // nil in the first step
	drawn      struct{ first, rows, below int } // the fields in sight, and the line below which their help is
}

// connect opens the form for a new pair.
func (d *pairDialogs) connect() tea.Cmd {
	if d.mayChange() {
		d.open = newConnectForm(d, nil)
	}
	return nil
}

// edit opens the form for a pair that there is.
func (d *pairDialogs) edit(p *probes.CrossConnect) tea.Cmd {
	if d.mayChangePair(p) {
		edited := *p
		d.open = newConnectForm(d, &edited)
	}
	return nil
}

func newConnectForm(d *pairDialogs, edited *probes.CrossConnect) *connectForm {
	f := &connectForm{dialogs: d, edited: edited}
	f.a = newPicker(d.keys, d.ascii, f.candidatesA)
	f.b = newPicker(d.keys, d.ascii, f.candidatesB)
	f.aToB, f.bToA = datapathChoice(d.keys), datapathChoice(d.keys)
	f.keep = keepChoice(d.keys)
	f.trial = trialChoice(d.keys)
	if edited != nil {
		f.a.chosen, f.b.chosen = edited.A, edited.B
		f.aToB.set(edited.AToB.Requested)
		f.bToA.set(edited.BToA.Requested)
		f.keep.set(edited.Kept)
	}
	f.Refresh()
	f.a.enter()
	return f
}

// labelledField is a field with its name.
type labelledField struct {
	label string
	field
}

// fields are in the order of Tab.
func (f *connectForm) fields() []labelledField {
	return []labelledField{
		{"interface A", f.a}, {"interface B", f.b},
		{"A to B by", f.aToB}, {"B to A by", f.bToA},
		{"on exit", f.keep}, {"trial", f.trial},
	}
}

func (f *connectForm) Refresh() {
	f.a.refresh()
	f.b.refresh()
}

func (f *connectForm) Update(msg tea.Msg) tea.Cmd {
	if f.review != nil {
		return f.review.Update(msg)
	}
	field := f.fields()[f.focus].field
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		field.press(msg)
		return nil
	}
	k := &f.dialogs.keys
	p, picking := field.(*picker)
	switch {
	case key.Matches(press, k.Cancel):
		f.dialogs.close()
	case key.Matches(press, k.Choose) && picking:
		p.meant = true
		f.move(1)
	case key.Matches(press, k.Check):
		return f.check()
	case key.Matches(press, k.NextField), !picking && press.Code == tea.KeyDown:
		f.move(1)
	case key.Matches(press, k.PreviousField), !picking && press.Code == tea.KeyUp:
		f.move(-1)
	default:
		field.press(msg)
	}
	return nil
}

// move goes to another field, if this one can be left.
func (f *connectForm) move(step int) {
	fields := f.fields()
	if why := fields[f.focus].leave(); why != "" {
		f.dialogs.notice = why
		return
	}
	f.enter((f.focus + step + len(fields)) % len(fields))
}

func (f *connectForm) enter(at int) {
	f.focus = at
	if p, ok := f.fields()[at].field.(*picker); ok {
		p.enter()
	}
}

// change returns the change that the fields describe.
func (f *connectForm) change() probes.Change {
	pair := probes.Pair{A: f.a.chosen, B: f.b.chosen, AToB: f.aToB.value(), BToA: f.bToA.value()}
	pair.Wait = !f.exists(pair.A) || !f.exists(pair.B)
	c := probes.Change{Add: &pair, Keep: f.keep.value(), Trial: f.trial.value()}
	if f.edited != nil {
		old := requested(f.edited)
		c.Remove = &old
	}
	return c
}

func (f *connectForm) exists(name string) bool {
	return slices.ContainsFunc(f.dialogs.interfaces, func(i probes.Interface) bool { return i.Name == name })
}

// check asks what the change would do. Esc does not wait for the answer.
func (f *connectForm) check() tea.Cmd {
	for at, p := range []*picker{f.a, f.b} {
		if p.chosen == "" {
			f.dialogs.notice = "choose two interfaces, or one twice for a reflector"
			f.enter(at)
			return nil
		}
	}
	change := f.change()
	var would probes.Impact // written before the call's end, read after
	return f.dialogs.start(call{doing: "checking", abandonable: true, then: func() tea.Cmd {
		f.review = newReview(f, change, would)
		return nil
	}}, func(editor probes.PairEditor) (err error) {
		would, err = editor.Impact(change)
		return err
	})
}

func (f *connectForm) Keys() []key.Binding {
	if f.review != nil {
		return f.review.Keys()
	}
	return append(f.fields()[f.focus].bindings(), f.dialogs.keys.NextField, f.dialogs.keys.PreviousField, f.dialogs.keys.Cancel)
}

func (f *connectForm) title() string {
	if f.edited != nil {
		return "Edit " + pairName(f.edited)
	}
	return "Connect two interfaces"
}

// fieldLabel is the width of the names of fields.
const fieldLabel = 12

// formHeight is the height of the form, in lines, where the screen has room.
const formHeight = 24

func (f *connectForm) View(a area) view {
	a.Height = min(a.Height, formHeight)
	if f.review != nil {
		return f.review.View(a)
	}
	s := a.styleSet
	v := view{Title: s.Escape(f.title()), Info: s.Faint.Paint("step 1 of 2")}
	fields := f.fields()
	// Where not all have room, those around the one in focus, and a line below.
	rows := min(len(fields), max(1, a.Height-1))
	first := min(max(0, f.focus-rows/2), len(fields)-rows)
	f.drawn.first, f.drawn.rows = first, rows
	for i := first; i < first+rows; i++ {
		fd := fields[i]
		ink := s.Faint
		if i == f.focus {
			ink = s.Brand
		}
		label := ink.Paint(fit(fd.label, fieldLabel, false, ""))
		v.Lines = append(v.Lines, " "+label+" "+fd.line(s, i == f.focus, a.Width-fieldLabel-2))
	}
	if a.Height > 12 {
		v.Lines = append(v.Lines, f.summary(a)...)
	}
	rest := max(1, a.Height-len(v.Lines))
	f.drawn.below = len(v.Lines)
	below := fields[f.focus].below(area{Width: a.Width, Height: rest, Focused: true, styleSet: s})
	below = below[:min(len(below), rest)]
	// The box keeps its size, whatever the list has.
	v.Lines = append(append(v.Lines, below...), make([]string, rest-len(below))...)
	return v
}

// summary says what the fields mean so far.
func (f *connectForm) summary(a area) []string {
	text := ""
	switch x, y := f.a.chosen, f.b.chosen; {
	case x == "" || y == "":
	case x == y:
		text = x + " is a reflector: it sends back every frame it receives."
	default:
		text = fmt.Sprintf("Every frame that enters %s leaves by %s, and the other way round.", x, y)
	}
	line := ""
	if text != "" {
		line = " " + fit(a.styleSet.Escape(text), a.Width-2, false, a.styleSet.glyphs.Ellipsis)
	}
	return []string{"", line, ""}
}
