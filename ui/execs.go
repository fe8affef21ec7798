package ui

import (
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// execsPane lists the programs executed on the host, the latest first.
type execsPane struct {
	keys   KeyMap
	zone   *time.Location
	execs  snapshot.Execs
	cursor cursor[uint64]
	fresh  bool
}

func newExecsPane(keys KeyMap, zone *time.Location) *execsPane {
	return &execsPane{keys: keys, zone: zone}
}

func (p *execsPane) Name() string { return "Programs" }

func (p *execsPane) Keys() []key.Binding { return nil }

// at is the row shown at place i: the frame has the oldest first.
func (p *execsPane) at(i int) *snapshot.Exec { return &p.execs.Events[len(p.execs.Events)-1-i] }

func (p *execsPane) keyAt(i int) (uint64, bool) {
	if i < 0 || i >= len(p.execs.Events) {
		return 0, false
	}
	return p.at(i).Number, true
}

// find needs no search: numbers are consecutive.
func (p *execsPane) find(number uint64) (int, bool) {
	n := len(p.execs.Events)
	if n == 0 || number < p.at(n-1).Number || number > p.at(0).Number {
		return 0, false
	}
	return int(p.at(0).Number - number), true
}

func (p *execsPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.execs, p.fresh = msg.Execs, true
		p.cursor.follow(len(p.execs.Events), p.find, p.keyAt)
	case tea.KeyPressMsg:
		p.cursor.update(msg, &p.keys, len(p.execs.Events), p.keyAt)
	}
	return nil
}

func (p *execsPane) columns() []column {
	return []column{
		{title: "time", width: 8},
		{title: "pid", width: 7, right: true},
		{title: "ppid", width: 7, right: true, drop: 4},
		{title: "uid", width: 5, right: true, drop: 3},
		{title: "comm", width: 15, drop: 5},
		{title: "program and arguments", width: 24, grow: 1},
	}
}

func (p *execsPane) View(a area) view {
	s := a.Styles
	v := view{Title: p.Name()}
	if p.fresh && p.execs.Hook == "" {
		v.Lines = empty(a, "not available: "+s.Escape(orNone(p.execs.HookReason)))
		return v
	}
	if p.fresh {
		v.Info = p.info(a)
	}
	if len(p.execs.Events) == 0 {
		if p.fresh {
			v.Lines = empty(a, "no programs executed yet")
		}
		return v
	}
	var below []string
	if a.Zoomed {
		below = details(a, p.details(a, p.at(p.cursor.index)))
		below = below[:min(len(below), a.Height/2)]
	}
	t := newTable(s, a.Width, p.columns())
	v.Lines = append(v.Lines, t.heading())
	list := a.Height - 1 - len(below)
	from, to := p.cursor.window(list, len(p.execs.Events))
	for i := from; i < to; i++ {
		v.Lines = append(v.Lines, t.row(p.row(s, a.Width, p.at(i)), a.Width, a.Focused && i == p.cursor.index))
	}
	for below != nil && len(v.Lines) < list+1 {
		v.Lines = append(v.Lines, "")
	}
	v.Lines = append(v.Lines, below...)
	return v
}

// info is rate, sparkline and, where there is room, totals.
func (p *execsPane) info(a area) string {
	s := a.Styles
	rate := strings.TrimSpace(siColumn(p.execs.PerSecond)) + "/s"
	line := s.Spark.Paint(blocks(s).line(p.execs.History, min(30, a.Width/4, len(p.execs.History))))
	if a.Width < 70 {
		return s.Faint.Paint(rate) + " " + line
	}
	text := count(p.execs.Total) + " executed"
	if p.execs.Failed != nil {
		text += ", " + count(*p.execs.Failed) + " failed"
	}
	return s.Faint.Paint(text+"  "+rate) + " " + line
}

func (p *execsPane) row(s *Styles, width int, e *snapshot.Exec) []cell {
	return []cell{
		{text: e.Time.In(p.zone).Format(time.TimeOnly), ink: s.Faint},
		{text: strconv.FormatUint(uint64(e.PID), 10), ink: s.Faint},
		{text: parent(e.PPID), ink: s.Faint},
		{text: strconv.FormatUint(uint64(e.UID), 10), ink: s.Faint},
		{text: e.Comm, ink: s.Strong},
		{text: s.Command(e.Filename, e.Args, e.ArgsTruncated, 4*width), ink: s.Text},
	}
}

func parent(pid uint32) string {
	if pid == 0 {
		return "-"
	}
	return strconv.FormatUint(uint64(pid), 10)
}

func (p *execsPane) details(a area, e *snapshot.Exec) [][2]string {
	s := a.Styles
	who := s.Escape(e.Comm) + ", pid " + strconv.FormatUint(uint64(e.PID), 10) +
		", parent " + parent(e.PPID) + ", uid " + strconv.FormatUint(uint64(e.UID), 10) +
		", at " + e.Time.In(p.zone).Format("15:04:05.000")
	return [][2]string{
		{"program", who},
		{"file", s.Escape(e.Filename)},
		{"command", s.Command(e.Filename, e.Args, e.ArgsTruncated, a.Width*a.Height)},
	}
}
