package ui

import (
	"strconv"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// teller says all that is known of a subject. The panes have the words for rows of theirs.
type teller struct {
	connections *connectionsPane
	execs       *execsPane
	drops       *dropsPane
	zone        *time.Location
}

// relatedShown is how many lines a copied detail has at most.
const relatedShown = 400

// absent says why there is nothing of a subject.
func absent(subject snapshot.Subject) string {
	switch subject.Kind {
	case snapshot.OfConnection:
		return "it ended, or other connections needed its place in the table"
	case snapshot.OfInterface:
		return "no interface that is watched is called " + subject.Name
	case snapshot.OfProtocol:
		return "no frames of it were counted"
	case snapshot.OfGroup:
		return "it has no connection in the table"
	case snapshot.OfExec:
		return "newer programs needed its place in the list"
	}
	return "it is no longer there"
}

// title is what a page is called: short, because the way back is of titles.
func (p *detailPage) title() string {
	d := p.seen
	switch {
	case p.subject.Kind == snapshot.OfGroup && p.subject.By == snapshot.ByRemote:
		return p.subject.Group.String()
	case d == nil && p.subject.Kind == snapshot.OfConnection:
		return "connection"
	case d == nil:
		return p.subject.String()
	case d.Connection != nil:
		return d.Connection.Protocol + " " + d.Connection.Remote.String()
	case d.Interface != nil:
		return d.Interface.Name
	case d.Drop != nil:
		return d.Drop.Reason
	case d.Exec != nil:
		return d.Exec.Comm + " " + strconv.FormatUint(uint64(d.Exec.PID), 10)
	case d.Pair != nil:
		return pairName(d.Pair)
	}
	return p.subject.String()
}

// entries are all parts of a detail.
func (t *teller) entries(a area, d *snapshot.Detail) []entry {
	switch {
	case d.Connection != nil:
		return t.connection(a, d)
	case d.Interface != nil:
		return t.interfaceEntries(a, d)
	case d.Protocol != nil:
		return t.protocol(a, d)
	case d.Group != nil:
		return t.group(a, d)
	case d.Drop != nil:
		return t.drop(a, d)
	case d.Exec != nil:
		return t.exec(a, d)
	case d.Pair != nil:
		return t.pair(a, d)
	}
	return nil
}

// facts are entries of facts alone.
func facts(facts ...fact) []entry {
	out := make([]entry, len(facts))
	for i := range facts {
		out[i].fact = facts[i]
	}
	return out
}

func (t *teller) connection(a area, d *snapshot.Detail) []entry {
	s, c := a.styleSet, d.Connection
	out := facts(t.connections.describe(a, c)...)
	if c.Owner != nil && placeWords(c.Owner.Unit, c.Owner.Container, c.Owner.Pod, c.Owner.Hostname, c.Owner.Cgroup) == "" {
		out = append(out, facts(fact{name: "runs in", value: unknown(s, "no control group of its process was seen")})...)
	}
	if c.Protocol == "tcp" && c.State == probes.StateUnknown {
		out = append(out, facts(fact{name: "state", value: unknown(s, "no packet that tells it was seen")})...)
	}
	by := c.Path
	if len(by) == 0 {
		by = []string{c.Interface}
	}
	name := "interface"
	if len(by) > 1 {
		name = "path"
	}
	for _, iface := range by {
		out = append(out, facts(fact{name, s.Escape(iface), snapshot.NamedInterface(iface)})...)
		name = ""
	}
	out = append(out, facts(
		fact{"protocol", s.Escape(c.Protocol), snapshot.ProtocolSubject(c.Protocol)},
		fact{"remote", s.Escape(snapshot.HostSubject(c.Remote).Group.String()) + s.Faint.Paint("  all with this host"), snapshot.HostSubject(c.Remote)},
	)...)
	return append(out, chartEntries(a, d.RX, d.TX, "kept of a connection from when its detail was first opened")...)
}

func (t *teller) interfaceEntries(a area, d *snapshot.Detail) []entry {
	s, i := a.styleSet, d.Interface
	out := facts(describeInterface(a, i)...)
	if i.Discrepancy == "" {
		out = append(out, facts(fact{name: "unseen", value: "none took a way past the hook"})...)
	}
	out = append(out, facts(fact{name: "malformed", value: count(i.Malformed)})...)
	if i.Master == "" {
		out = append(out, facts(fact{name: "master", value: "none"})...)
	}
	name := "stands on"
	for _, lower := range i.Lower {
		if i.NetNS != "" {
			lower = i.NetNS + "/" + lower
		}
		out = append(out, facts(fact{name, s.Escape(lower), snapshot.NamedInterface(lower)})...)
		name = ""
	}
	out = append(out, pairEntries(s, d.Pairs)...)
	out = append(out, chartEntries(a, d.RX, d.TX, "no traffic was counted on it yet")...)
	return append(out, t.connectionEntries(a, d, "no connection of it is in the table")...)
}

func (t *teller) protocol(a area, d *snapshot.Detail) []entry {
	s, p := a.styleSet, d.Protocol
	of := "of all interfaces, each frame once"
	if d.Scope != "" {
		of = "of " + s.Escape(d.Scope)
	}
	out := facts(
		fact{name: "protocol", value: s.Escape(p.Name) + ", " + of},
		fact{name: "share", value: percent(p.Share) + " of all bits in this interval"},
		fact{name: "received", value: "now " + siUnit(p.RXPPS, "pps") + ", " + s.units.rate(p.RXBPS)},
		fact{name: "sent", value: "now " + siUnit(p.TXPPS, "pps") + ", " + s.units.rate(p.TXBPS)},
		fact{name: "counted", value: totals(s, "", p.Packets, p.Bytes) + ", received and sent"},
	)
	if d.Scope != "" {
		out = append(out, facts(fact{"interface", s.Escape(d.Scope), snapshot.NamedInterface(d.Scope)})...)
	}
	if len(d.RX) > 0 {
		out = append(out, entry{draw: func(a area, _ bool) []string {
			return append([]string{""}, chart(a, "received and sent", d.RX, roundUp(highest(d.RX)), chartHeight(a))...)
		}})
	}
	return append(out, t.connectionEntries(a, d, "its frames belong to no connection in the table")...)
}

func (t *teller) group(a area, d *snapshot.Detail) []entry {
	s, g := a.styleSet, d.Group
	out := facts(describeGroup(a, g)...)
	if o := g.Owner; o != nil && g.By == snapshot.ByOwner {
		of := &probes.Connection{Owner: o}
		if o.Unit != "" {
			out = append(out, facts(fact{"unit", s.Escape(o.Unit), snapshot.GroupSubject(snapshot.ByUnit, of)})...)
		}
		if o.Container != "" {
			out = append(out, facts(fact{"container", s.Escape(runsIn("", o.Container, o.Hostname)), snapshot.GroupSubject(snapshot.ByContainer, of)})...)
		}
		if o.Unit == "" && o.Container == "" {
			out = append(out, facts(fact{name: "unit", value: unknown(s, "its control group names no unit, and no container")})...)
		}
	}
	out = append(out, chartEntries(a, d.RX, d.TX, "kept of "+string(g.By)+"s from when the detail was first opened")...)
	out = append(out, t.connectionEntries(a, d, "all of them have ended")...)
	if g.By.KnowsPrograms() {
		out = append(out, t.execEntries(a, d, "executed", t.noPrograms("none was seen since the start, or in the latest of the list"))...)
	}
	return out
}

func (t *teller) drop(a area, d *snapshot.Detail) []entry {
	s := a.styleSet
	out := facts(t.drops.describe(a, d.Drop)...)
	if len(d.Drop.Latest) == 0 {
		out = append(out, facts(fact{name: "latest", value: unknown(s, "who tells of these counts them, and shows none")})...)
	}
	iface := fact{"interface", s.Escape(d.Drop.Interface), snapshot.NamedInterface(d.Drop.Interface)}
	if iface.link.Kind == snapshot.OfNothing {
		iface.value = unknown(s, "the packets had none any more, or it is gone")
	}
	protocol := fact{"protocol", s.Escape(d.Drop.Protocol), snapshot.ProtocolSubject(d.Drop.Protocol)}
	if protocol.link.Kind == snapshot.OfNothing {
		protocol.value = unknown(s, "who tells of these does not say")
	}
	return append(out, facts(iface, protocol)...)
}

func (t *teller) exec(a area, d *snapshot.Detail) []entry {
	s, e := a.styleSet, d.Exec
	var out []entry
	for _, f := range t.execs.describe(a, e) {
		if f.name != "started by" {
			out = append(out, facts(f)...)
		}
	}
	if placeWords(e.Unit, e.Container, e.Pod, e.Hostname, e.Cgroup) == "" {
		out = append(out, facts(fact{name: "runs in", value: unknown(s, "this hook cannot see it")})...)
	}
	name := "started by"
	for i, ancestor := range e.Ancestors {
		f := fact{name: name, value: s.Escape(ancestor.Comm) + " " + strconv.FormatUint(uint64(ancestor.PID), 10)}
		if d.Parents[i] != 0 {
			f.link = snapshot.Subject{Kind: snapshot.OfExec, Number: d.Parents[i]}
		}
		out = append(out, facts(f)...)
		name = ""
	}
	if len(e.Ancestors) == 0 {
		out = append(out, facts(fact{name: name, value: unknown(s, "this hook cannot see the names of parents")})...)
	}
	of := &probes.Connection{Owner: &probes.Owner{Unit: e.Unit, Container: e.Container}}
	if e.Unit != "" {
		out = append(out, facts(fact{"unit", s.Escape(e.Unit), snapshot.GroupSubject(snapshot.ByUnit, of)})...)
	}
	if e.Container != "" {
		out = append(out, facts(fact{"container", s.Escape(runsIn("", e.Container, e.Hostname)), snapshot.GroupSubject(snapshot.ByContainer, of)})...)
	}
	if d.Owner != nil {
		out = append(out, facts(fact{"owner", "of connections, now or before", snapshot.OwnerSubject(d.Owner)})...)
	}
	out = append(out, t.connectionEntries(a, d, "its process has none in the table")...)
	return append(out, t.execEntries(a, d, "executed", "it started no other program that is in the list")...)
}

func (t *teller) pair(a area, d *snapshot.Detail) []entry {
	s, c := a.styleSet, d.Pair
	out := append(facts(describePair(a, c)...), facts(fact{"interface", s.Escape(c.A), snapshot.NamedInterface(c.A)})...)
	if c.A != c.B {
		out = append(out, facts(fact{"interface", s.Escape(c.B), snapshot.NamedInterface(c.B)})...)
	}
	return out
}

// unknown is in the place of what is not known.
func unknown(s *styleSet, why string) string { return s.Faint.Paint("not known: " + s.Escape(why)) }

// noPrograms says why there are none: because nobody watches, or why else.
func (t *teller) noPrograms(otherwise string) string {
	if t.execs.shown.LeftOut {
		return "programs are not watched, because of --no-execs"
	}
	return otherwise
}

func pairEntries(s *styleSet, pairs []probes.CrossConnect) (out []entry) {
	for i := range pairs {
		c := &pairs[i]
		out = append(out, facts(fact{
			"pair", s.Escape(pairName(c) + ", " + pairState(c)),
			snapshot.Subject{Kind: snapshot.OfPair, Pair: snapshot.PairKeyOf(c)},
		})...)
	}
	return out
}

// chartEntries are the charts of both directions, side by side where there is room, with one
// scale; or why there are none yet.
func chartEntries(a area, rx, tx []float64, why string) []entry {
	if len(rx) == 0 && len(tx) == 0 { // it has the room of what comes, so that nothing moves then
		out := facts(fact{}, fact{name: "chart", value: unknown(a.styleSet, why)})
		return append(out, facts(make([]fact, max(0, chartHeight(a)-1))...)...)
	}
	return []entry{{draw: func(a area, _ bool) []string {
		top, height := roundUp(max(highest(rx), highest(tx))), chartHeight(a)
		out := []string{""}
		if a.Width < 60 {
			return append(append(out, chart(a, "received", rx, top, height)...), chart(a, "sent", tx, top, height)...)
		}
		half := a
		half.Width = a.Width / 2
		left, right := chart(half, "received", rx, top, height), chart(half, "sent", tx, top, height)
		for i := range left {
			out = append(out, fitPainted(left[i], half.Width)+right[i])
		}
		return out
	}}}
}

// chartHeight leaves room for what stands above and below.
func chartHeight(a area) int { return max(minChart, min(a.Height/4, 12)) }

// connectionEntries list the connections that belong to a subject.
func (t *teller) connectionEntries(a area, d *snapshot.Detail, none string) []entry {
	return related(a, "connections", none, d.Connections, d.ConnectionsTotal, ", those with the most bytes first",
		t.connections.columns, snapshot.ConnectionSubject)
}

// execEntries list the programs that belong to a subject.
func (t *teller) execEntries(a area, d *snapshot.Detail, name, none string) []entry {
	return related(a, name, none, d.Execs, d.ExecsTotal, " in the list, the latest first", t.execs.columns,
		func(e *snapshot.Exec) snapshot.Subject {
			return snapshot.Subject{Kind: snapshot.OfExec, Number: e.Number}
		})
}

// related draws rows of a table, of which each is a link, below how many of them there are.
func related[R any](a area, name, none string, rows []R, total int, how string,
	columns func(width int) []column[R], subject func(*R) snapshot.Subject,
) []entry {
	if len(rows) == 0 {
		return facts(fact{name: name, value: "none: " + none})
	}
	text := count(uint64(total)) + how
	if total > len(rows) {
		text = "the first " + strconv.Itoa(len(rows)) + " of " + text
	}
	table := newTable(a.styleSet, a.Width, columns(a.Width))
	out := []entry{
		{draw: func(area, bool) []string { return []string{""} }},
		{fact: fact{name: name, value: strings.TrimPrefix(text, ", ")}},
		{draw: func(area, bool) []string { return []string{table.heading()} }},
	}
	for i := range rows {
		row := &rows[i]
		out = append(out, entry{fact: fact{link: subject(row)}, draw: func(a area, isSelected bool) []string {
			return []string{table.row(row, a.Width, isSelected)}
		}})
	}
	return out
}
