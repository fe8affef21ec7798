package ui

import (
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// execsPane lists the programs executed on the host, the latest first.
type execsPane struct {
	keys  keyMap
	zone  *time.Location
	list  list[uint64, snapshot.Exec] // by number
	shown snapshot.Execs
}

func newExecsPane(keys keyMap, zone *time.Location, ascii bool) *execsPane {
	p := &execsPane{keys: keys, zone: zone}
	p.list = list[uint64, snapshot.Exec]{
		key:         func(e *snapshot.Exec) uint64 { return e.Number },
		newestFirst: true, describe: p.describe, detailsRoom: halfOf,
		filter: newInput(ascii), language: snapshot.ExecFilter,
	}
	return p
}

func (p *execsPane) Name() string { return "Programs" }

func (p *execsPane) Keys() []key.Binding { return p.list.keysNow(&p.keys) }

func (p *execsPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.shown = msg.Execs
		p.list.show(p.shown.Events, len(p.shown.Events))
	case tea.PasteMsg:
		p.list.typed(msg)
	case tea.KeyPressMsg:
		p.list.press(msg, &p.keys)
	}
	return nil
}

// columns returns the columns for a pane of this width. Of a command, a few times this
// many bytes will do, because escaping what is cut off is wasted.
func (p *execsPane) columns(width int) []column[snapshot.Exec] {
	command := "program and arguments"
	if p.shown.ArgsLeftOut {
		command = "program"
	}
	return []column[snapshot.Exec]{
		{title: "time", width: 8, cell: faint(func(e *snapshot.Exec) string { return e.Time.In(p.zone).Format(time.TimeOnly) })},
		{title: "pid", width: 7, right: true, cell: faint(func(e *snapshot.Exec) string { return strconv.FormatUint(uint64(e.PID), 10) })},
		{title: "ppid", width: 7, right: true, drop: 4, cell: faint(func(e *snapshot.Exec) string { return parent(e.PPID) })},
		{title: "uid", width: 5, right: true, drop: 3, cell: faint(func(e *snapshot.Exec) string { return strconv.FormatUint(uint64(e.UID), 10) })},
		{title: "comm", width: 15, drop: 5, cell: func(at slot, e *snapshot.Exec) cell {
			return cell{text: e.Comm, ink: at.styles.Strong}
		}},
		{title: "runs in", width: 14, grow: 1, limit: 28, drop: 6, cell: faint(func(e *snapshot.Exec) string {
			return runsIn(e.Unit, e.Container, e.Hostname)
		})},
		{title: command, width: 24, grow: 2, cell: func(at slot, e *snapshot.Exec) cell {
			return cell{text: at.styles.Command(e.Filename, e.Args, e.ArgsTruncated, 4*width), ink: at.styles.Text}
		}},
	}
}

func (p *execsPane) View(a area) view {
	v := view{Title: titled(a, p.Name(), p.shown.Narrowed)}
	switch {
	case !p.list.fresh:
	case p.shown.LeftOut:
		v.Lines = empty(a, "not watched, because of --no-execs")
	case p.shown.Hook == "":
		v.Lines = empty(a, "not available: "+a.styleSet.Escape(orNone(p.shown.HookReason)))
	case p.list.total == 0 && p.list.filtered():
		v.Lines = append(p.list.filterLine(a), empty(a, "no program of the latest "+count(uint64(p.shown.Listed))+" matches the filter: esc clears it")...)
	case p.list.total == 0 && p.shown.Narrowed != "":
		v.Lines = empty(a, "none of the latest programs is of "+a.styleSet.Escape(p.shown.Narrowed))
	case p.list.total == 0:
		v.Info = p.info(a)
		v.Lines = empty(a, "no program was executed since the start: each is listed here when it is, with who started it")
	default:
		v.Info = p.info(a)
		v.Lines = p.list.lines(a, p.columns(a.Width), p.list.filterLine(a), p.list.details(a, nil))
		v.Scroll = p.list.scroll()
	}
	return v
}

// info is rate, sparkline and, where there is room, totals.
func (p *execsPane) info(a area) string {
	s := a.styleSet
	switch {
	case p.list.filtered():
		return s.Faint.Paint(count(uint64(len(p.shown.Events))) + " of the latest " + count(uint64(p.shown.Listed)))
	case p.shown.Narrowed != "":
		return s.Faint.Paint(count(uint64(len(p.shown.Events))) + " of the latest")
	}
	rate := strings.TrimSpace(siColumn(p.shown.PerSecond)) + "/s"
	line := s.Spark.Paint(blocks(s).line(p.shown.History, min(30, a.Width/4, len(p.shown.History))))
	if a.Width < 70 {
		return s.Faint.Paint(rate) + " " + line
	}
	text := count(p.shown.Total) + " executed"
	if p.shown.Failed != nil {
		text += ", " + count(*p.shown.Failed) + " failed"
	}
	return s.Faint.Paint(text+"  "+rate) + " " + line
}

func parent(pid uint32) string {
	if pid == 0 {
		return "-"
	}
	return strconv.FormatUint(uint64(pid), 10)
}

// describe is all that is known of one program.
func (p *execsPane) describe(a area, e *snapshot.Exec) []fact {
	s := a.styleSet
	who := s.Escape(e.Comm) + ", pid " + strconv.FormatUint(uint64(e.PID), 10) +
		", parent " + parent(e.PPID) + ", uid " + strconv.FormatUint(uint64(e.UID), 10) +
		", at " + e.Time.In(p.zone).Format("15:04:05.000")
	command := s.Command(e.Filename, e.Args, e.ArgsTruncated, a.Width*a.Height)
	if p.shown.ArgsLeftOut {
		command = s.Faint.Paint("not known, because of --no-args")
	}
	pairs := []fact{
		{name: "program", value: who},
		{name: "file", value: s.Escape(e.Filename)},
		{name: "command", value: command},
	}
	if len(e.Ancestors) > 0 {
		pairs = append(pairs, fact{name: "started by", value: s.Escape(chain(e.Ancestors))})
	}
	if runs := placeWords(e.Unit, e.Container, e.Pod, e.Hostname, e.Cgroup); runs != "" {
		pairs = append(pairs, fact{name: "runs in", value: s.Escape(runs)})
	}
	return pairs
}

// chain is who started a program, and who that, the parent first.
func chain(ancestors []probes.Ancestor) string {
	names := make([]string, len(ancestors))
	for i, a := range ancestors {
		names[i] = a.Comm + " " + strconv.FormatUint(uint64(a.PID), 10)
	}
	return strings.Join(names, " < ")
}

func (p *execsPane) copy(s *styleSet) copied {
	return p.list.copy(s, p.columns(copyWidth), func(e *snapshot.Exec) any { return &e.Exec })
}

func (p *execsPane) Subject() (subject snapshot.Subject) {
	if e := p.list.selected(); e != nil {
		subject = snapshot.Subject{Kind: snapshot.OfExec, Number: e.Number}
	}
	return subject
}

func (p *execsPane) Selected() *snapshot.Detail {
	if row := p.list.selected(); row != nil {
		return &snapshot.Detail{Exec: row}
	}
	return nil
}

func (p *execsPane) filtered() bool { return p.list.filtered() }

func (p *execsPane) typing() bool { return p.list.typing() }

func (p *execsPane) back() bool { return p.list.back() }

// ask puts what this pane wants to see into q.
func (p *execsPane) ask(q *snapshot.Query) { q.Execs = p.list.wish() }

func (p *execsPane) rows() clickable { return &p.list }
