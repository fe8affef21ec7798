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

// dropsPane lists what the kernel drops and why, what drops most now first.
type dropsPane struct {
	keys  keyMap
	zone  *time.Location
	list  list[uint64, probes.Drop] // by ID
	shown snapshot.Drops
	lost  uint64 // dropped packets that have no row
}

func newDropsPane(keys keyMap, zone *time.Location, ascii bool) *dropsPane {
	p := &dropsPane{keys: keys, zone: zone}
	p.list = list[uint64, probes.Drop]{
		key: func(d *probes.Drop) uint64 { return d.ID }, describe: p.describe, detailsRoom: mostOf,
		filter: newInput(ascii), language: snapshot.DropFilter,
	}
	return p
}

func (p *dropsPane) Name() string { return "Drops" }

func (p *dropsPane) Keys() []key.Binding { return p.list.keysNow(&p.keys) }

func (p *dropsPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.shown, p.lost = msg.Drops, msg.Lost.Drops
		p.list.show(p.shown.Rows, len(p.shown.Rows))
	case tea.PasteMsg:
		p.list.typed(msg)
	case tea.KeyPressMsg:
		p.list.press(msg, &p.keys)
	}
	return nil
}

func (p *dropsPane) columns() []column[probes.Drop] {
	return []column[probes.Drop]{
		{title: "reason", width: 14, grow: 3, limit: 26, cell: func(at slot, d *probes.Drop) cell {
			ink := at.styles.Text
			if d.PerSecond > 0 {
				ink = at.styles.Warn
			}
			return cell{text: d.Reason, ink: ink}
		}},
		{title: "interface", width: 9, grow: 1, limit: 16, drop: 2, cell: func(at slot, d *probes.Drop) cell {
			return cell{text: d.Interface, ink: at.styles.Text}
		}},
		{title: "protocol", width: 8, drop: 4, cell: func(at slot, d *probes.Drop) cell {
			return cell{text: d.Protocol, ink: at.styles.Text}
		}},
		{title: "per s", width: 6, right: true, cell: numbers(func(d *probes.Drop) float64 { return d.PerSecond })},
		{title: "packets", width: 7, right: true, cell: numbers(func(d *probes.Drop) float64 { return float64(d.Packets) })},
		{title: "by", width: 10, grow: 2, limit: 28, drop: 6, cell: func(at slot, d *probes.Drop) cell {
			return cell{text: dropper(d), ink: at.styles.Faint}
		}},
	}
}

// dropper returns who dropped, if more is known than that the kernel did.
func dropper(d *probes.Drop) string {
	switch {
	case d.Source == probes.DropInterface:
		return "driver"
	case d.Program != "":
		return d.Program
	}
	return d.Function
}

func (p *dropsPane) View(a area) view {
	v := view{Title: titled(a, p.Name(), p.shown.Narrowed)}
	switch {
	case !p.list.fresh:
	case p.shown.LeftOut:
		v.Lines = empty(a, "not watched, because of --no-drops")
	case p.list.total == 0 && p.shown.Unknown != "":
		v.Lines = empty(a, "not available: "+a.styleSet.Escape(p.shown.Unknown))
	case p.list.total == 0 && p.list.filtered():
		v.Lines = append(p.list.filterLine(a), empty(a, "no reason of "+count(uint64(p.shown.Listed))+" matches the filter: esc clears it")...)
	case p.list.total == 0 && p.shown.Narrowed != "":
		v.Lines = empty(a, "no drops are known to be of "+a.styleSet.Escape(p.shown.Narrowed))
	case p.list.total == 0:
		v.Lines = empty(a, "nothing dropped since the start: what the kernel drops is listed here, with the reason")
	default:
		v.Info = p.info(a)
		v.Lines = p.list.lines(a, p.columns(), p.list.filterLine(a), p.list.details(a, nil))
		v.Scroll = p.list.scroll()
	}
	return v
}

// info is the rate, a sparkline and, where there is room, totals.
func (p *dropsPane) info(a area) string {
	s := a.styleSet
	if p.list.filtered() {
		return s.Faint.Paint(count(uint64(len(p.shown.Rows))) + " of " + count(uint64(p.shown.Listed)) + " reasons")
	}
	if p.shown.Narrowed != "" {
		return s.Faint.Paint(count(uint64(len(p.shown.Rows))) + " reasons")
	}
	out := s.Faint.Paint(strings.TrimSpace(siColumn(p.shown.PerSecond)) + "/s")
	if a.Width >= 50 {
		out = s.Faint.Paint(count(p.shown.Total)+" dropped") + "  " + out
	}
	if p.lost > 0 {
		out = s.Bad.Paint("without row "+count(p.lost)) + "  " + out
	}
	if p.shown.Unknown != "" {
		out = s.Warn.Paint("interfaces only") + "  " + out
	}
	return out + " " + s.Spark.Paint(blocks(s).line(p.shown.History, min(20, a.Width/4, len(p.shown.History))))
}

// describe is all that is known of one row, and the latest packets.
func (p *dropsPane) describe(a area, d *probes.Drop) []fact {
	s := a.styleSet
	what := d.Reason + " on " + d.Interface + ", " + d.Protocol + ": " + count(d.Packets) + " packets"
	if by := dropper(d); by != "" {
		what += ", by " + by
	}
	meaning := d.Meaning()
	if meaning == "" {
		meaning = "no more is known than the kernel's name for it"
	}
	if p.shown.Unknown != "" {
		meaning += " The kernel tells of no other drops: " + p.shown.Unknown
	}
	out := []fact{{name: "dropped", value: s.Escape(what)}, {name: "meaning", value: s.Escape(meaning)}}
	name := "latest"
	for i := range d.Latest {
		out = append(out, fact{name, s.Escape(p.packet(&d.Latest[i])), snapshot.OwnerSubject(d.Latest[i].Owner)})
		name = ""
	}
	return out
}

// packet is one dropped packet: when, and from where to where.
func (p *dropsPane) packet(d *probes.DroppedPacket) string {
	text := d.Time.In(p.zone).Format("15:04:05.000") + "  " + d.Protocol
	if d.Local != nil && d.Remote != nil {
		text += "  local " + d.Local.String() + "  remote " + d.Remote.String()
	}
	switch o := d.Owner; {
	case o != nil && o.PID != 0:
		text += "  " + o.Comm + " " + strconv.FormatUint(uint64(o.PID), 10)
	case o != nil:
		text += "  " + o.Comm + " ? (" + d.OwnerReason.String() + ")"
	case d.OwnerReason != probes.NoReason:
		text += "  (" + d.OwnerReason.String() + ")"
	}
	return text
}

func (p *dropsPane) copy(s *styleSet) copied {
	return p.list.copy(s, p.columns(), func(d *probes.Drop) any { return d })
}

func (p *dropsPane) Subject() (subject snapshot.Subject) {
	if d := p.list.selected(); d != nil {
		subject = snapshot.Subject{Kind: snapshot.OfDrop, Number: d.ID}
	}
	return subject
}

func (p *dropsPane) Selected() *snapshot.Detail {
	if row := p.list.selected(); row != nil {
		return &snapshot.Detail{Drop: row}
	}
	return nil
}

func (p *dropsPane) filtered() bool { return p.list.filtered() }

func (p *dropsPane) typing() bool { return p.list.typing() }

func (p *dropsPane) back() bool { return p.list.back() }

// ask puts what this pane wants to see into q.
func (p *dropsPane) ask(q *snapshot.Query) { q.Drops = p.list.wish() }

func (p *dropsPane) rows() clickable { return &p.list }
