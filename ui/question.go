package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// question is a dialog of a few lines that one key answers.
type question struct {
	title     string
	lines     []remark
	answers   []answer
	stay      key.Binding
	close     func()
	answersAt int  // the line that has them, as drawn last
	isLeave   bool // asks how to leave the program
}

// answer pairs a key with what it does.
type answer struct {
	key key.Binding
	do  func() tea.Cmd
}

// remark is a line of text about something, wrapped where it is shown.
type remark struct {
	about, text string
	ink         ink
}

// ask opens a question.
func (d *pairDialogs) ask(title string, lines []remark, answers ...answer) *question {
	q := &question{title: title, lines: lines, answers: answers, stay: d.keys.Stay, close: d.close}
	d.open = q
	return q
}

func (q *question) Update(msg tea.Msg) tea.Cmd {
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	if key.Matches(press, q.stay) {
		q.close()
		return nil
	}
	for _, a := range q.answers {
		if key.Matches(press, a.key) {
			return a.do()
		}
	}
	return nil
}

func (q *question) Refresh() {}

func (q *question) Keys() []key.Binding {
	var keys []key.Binding
	for _, a := range q.answers {
		keys = append(keys, a.key)
	}
	return append(keys, q.stay)
}

func (q *question) View(a area) view {
	said := remarks(a, q.lines)
	q.answersAt = len(said) + 1
	lines := append(said, "", " "+helpModel(a.styleSet).ShortHelpView(q.Keys()))
	return view{Title: a.styleSet.Escape(q.title), Lines: lines}
}

// remarks draws text beside what it is about.
func remarks(a area, lines []remark) []string {
	wide := 0
	for _, r := range lines {
		wide = max(wide, cells(a.styleSet.Escape(r.about)))
	}
	gap := 2
	if wide = min(wide, 15); wide == 0 {
		gap = 0
	}
	var out []string
	for _, r := range lines {
		about := a.styleSet.Escape(r.about)
		for _, part := range wrap(a.styleSet.Escape(r.text), max(1, a.Width-wide-gap-2)) {
			out = append(out, " "+a.styleSet.Faint.Paint(fit(about, wide, false, a.styleSet.glyphs.Ellipsis))+blanks(gap)+r.ink.Paint(part))
			about = ""
		}
	}
	return out
}
