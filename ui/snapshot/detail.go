package snapshot

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// relatedMost is how many connections, programs and pairs a detail lists at most.
const relatedMost = 64

// Detail is all that is known of one subject.
type Detail struct {
	Subject Subject
	Time    time.Time // of the sample
	// Found tells whether the sample has it. If not, all that follows is empty.
	Found bool

	// Of these, one is set.
	Connection *probes.Connection
	Interface  *Interface
	Protocol   *Protocol
	Group      *Group
	Drop       *probes.Drop
	Exec       *Exec
	Pair       *probes.CrossConnect

	// RX and TX are its history in bit/s, oldest first; a protocol's is all in RX. They are
	// nil where none is kept, and begin where they are known.
	RX, TX []float64

	// What belongs to it: the first of so many.
	Connections      []probes.Connection // those with the most bytes first
	ConnectionsTotal int
	Execs            []Exec // the latest first
	ExecsTotal       int
	Pairs            []probes.CrossConnect
	// Owner is whose connections a program's process has, if it has any.
	Owner *probes.Owner
	// Parents are the programs that its ancestors executed, by their place among them; 0:
	// not in the list.
	Parents []uint64
	Scope   string // of a protocol: the interface that it is counted on, "" for all
}

// Value is what was found, for JSON.
func (d *Detail) Value() any {
	switch {
	case d.Connection != nil:
		return d.Connection
	case d.Interface != nil:
		return d.Interface.Interface
	case d.Protocol != nil:
		return d.Protocol
	case d.Group != nil:
		return d.Group
	case d.Drop != nil:
		return d.Drop
	case d.Exec != nil:
		return &d.Exec.Exec
	}
	return d.Pair
}

// detail finds what the query asks for.
func (p *Presenter) detail() *Detail {
	d := &Detail{Subject: p.query.Detail, Time: p.shown.Time}
	switch d.Subject.Kind {
	case OfNothing:
		return nil
	case OfConnection:
		p.connectionDetail(d)
	case OfInterface:
		p.interfaceDetail(d)
	case OfProtocol:
		p.protocolDetail(d)
	case OfGroup:
		p.groupDetail(d)
	case OfDrop:
		if i := slices.IndexFunc(p.drops.Rows, func(row probes.Drop) bool { return row.ID == d.Subject.Number }); i >= 0 {
			d.Found, d.Drop = true, &p.drops.Rows[i]
		}
	case OfExec:
		p.execDetail(d)
	case OfPair:
		if i := slices.IndexFunc(p.taken.Sample.CrossConnects, func(c probes.CrossConnect) bool { return PairKeyOf(&c) == d.Subject.Pair }); i >= 0 {
			d.Found, d.Pair = true, &p.taken.Sample.CrossConnects[i]
		}
	}
	return d
}

// connectionDetail finds it as it is on its whole path, or else as one interface counted it.
func (p *Presenter) connectionDetail(d *Detail) {
	maybe := d.Subject.Connection.hint()
	for _, rows := range [][]probes.Connection{p.shown.Connections, p.shown.Passages} {
		for i := range rows {
			if hint(&rows[i]) == maybe && KeyOf(&rows[i]) == d.Subject.Connection {
				own := []probes.Connection{rows[i]}
				p.begun.connectionsSince(own, "")
				d.Found, d.Connection = true, &own[0]
				d.RX, d.TX = p.trails.values(d.Subject, p.history, p.taken.step())
				return
			}
		}
	}
}

func (p *Presenter) interfaceDetail(d *Detail) {
	rows := selectInterfaces(p.ranked, Query{}).Rows
	at := slices.IndexFunc(rows, func(row Interface) bool { return d.Subject.Interface != 0 && row.Key() == d.Subject.Interface })
	if at < 0 {
		at = slices.IndexFunc(rows, func(row Interface) bool { return row.Name == d.Subject.Name })
	}
	if at < 0 {
		return
	}
	row := &rows[at]
	d.Found, d.Interface = true, row
	d.RX = known(p.rates(row.Name, rxSeries))
	d.TX = known(p.rates(row.Name, txSeries))
	p.relate(d, func(c *probes.Connection) bool { return c.Passes(row.Name) })
	for _, pair := range p.taken.Sample.CrossConnects {
		if pair.A == row.Name || pair.B == row.Name {
			d.Pairs = append(d.Pairs, pair)
		}
	}
}

func (p *Presenter) protocolDetail(d *Detail) {
	name := d.Subject.Name
	d.Scope = p.mixed.Scope
	if i := slices.IndexFunc(p.mixed.Rows, func(row Protocol) bool { return row.Name == name }); i >= 0 {
		row := p.mixed.Rows[i]
		d.Found, d.Protocol = true, &row
		d.RX = known(p.rates(d.Scope, name))
		p.relate(d, func(c *probes.Connection) bool {
			return c.Protocol == name && (d.Scope == "" || c.Passes(d.Scope))
		})
	}
}

func (p *Presenter) groupDetail(d *Detail) {
	g, ok := p.sums().group(d.Subject.By, d.Subject.Group, p.shown)
	if !ok {
		return
	}
	d.Found, d.Group = true, &p.begun.groupsSince([]Group{g})[0]
	d.RX, d.TX = p.trails.values(d.Subject, p.history, p.taken.step())
	p.relate(d, d.Subject.By.holds(d.Subject.Group))
	events := p.executed()
	for i := len(events) - 1; i >= 0; i-- {
		if d.Group.executed(&events[i].Exec) {
			if d.ExecsTotal++; len(d.Execs) < relatedMost {
				d.Execs = append(d.Execs, events[i])
			}
		}
	}
}

// executed tells whether a program was executed by whom the group is of, or by what that
// started.
func (g *Group) executed(e *probes.Exec) bool {
	switch {
	case g.Owner == nil:
		return false
	case g.By == ByUnit:
		return g.Owner.Unit != "" && e.Unit == g.Owner.Unit
	case g.By == ByContainer:
		return g.Owner.Container != "" && e.Container == g.Owner.Container
	case g.By != ByOwner || g.Owner.PID == 0 || e.Time.Before(g.Owner.Started):
		return false
	}
	return e.PID == g.Owner.PID || e.PPID == g.Owner.PID ||
		slices.ContainsFunc(e.Ancestors, func(a probes.Ancestor) bool { return a.PID == g.Owner.PID })
}

// KnowsPrograms tells whether programs can be told by what a group is of.
func (by GroupBy) KnowsPrograms() bool { return by == ByOwner || by == ByUnit || by == ByContainer }

func (p *Presenter) execDetail(d *Detail) {
	events := p.executed()
	at := slices.IndexFunc(events, func(e Exec) bool { return e.Number == d.Subject.Number })
	if at < 0 {
		return
	}
	e := &events[at]
	d.Found, d.Exec = true, e
	for _, a := range e.Ancestors {
		number := uint64(0)
		for i := at - 1; i >= 0 && number == 0; i-- {
			if events[i].PID == a.PID {
				number = events[i].Number
			}
		}
		d.Parents = append(d.Parents, number)
	}
	for i := len(events) - 1; i > at; i-- {
		if child := &events[i]; child.PPID == e.PID && child.PPID != 0 {
			if d.ExecsTotal++; len(d.Execs) < relatedMost {
				d.Execs = append(d.Execs, *child)
			}
		}
	}
	p.relate(d, func(c *probes.Connection) bool {
		o := c.Owner
		return o != nil && o.PID == e.PID && o.PID != 0 && !o.Started.After(e.Time)
	})
	if len(d.Connections) > 0 {
		d.Owner = d.Connections[0].Owner
	}
}

// relate lists the connections that belong to a subject, those with the most bytes first: an
// order in which rows seldom change places.
func (p *Presenter) relate(d *Detail, belongs func(*probes.Connection) bool) {
	conns := p.shown.Connections
	var rows []int32
	for i := range conns {
		if belongs(&conns[i]) {
			rows = append(rows, int32(i))
		}
	}
	d.ConnectionsTotal = len(rows)
	slices.SortFunc(rows, func(a, b int32) int {
		x, y := &conns[a], &conns[b]
		return cmp.Or(cmp.Compare(y.RXBytes+y.TXBytes, x.RXBytes+x.TXBytes), compareKeys(x, y))
	})
	for _, row := range rows[:min(len(rows), relatedMost)] {
		d.Connections = append(d.Connections, conns[row])
	}
	p.begun.connectionsSince(d.Connections, "")
}

// known are values from the first one on that is known.
func known(values []float64) []float64 {
	for len(values) > 0 && values[0] < 0 {
		values = values[1:]
	}
	return values
}

// group returns the sum that Groups has of one group, false if there is none.
func (l *Ledger) group(by GroupBy, key GroupKey, s *probes.Sample) (g Group, ok bool) {
	if ended := l.ended[by][key]; ended != nil {
		g, ok = *ended, true
	}
	holds := by.holds(key)
	for i := range s.Connections {
		if c := &s.Connections[i]; holds(c) {
			g.addListed(c)
			ok = true
		}
	}
	g.name(by, key)
	return g, ok
}

// String names it for people, as "owner nginx 812".
func (s *Subject) String() string {
	switch s.Kind {
	case OfConnection:
		return strings.Join([]string{s.Connection.protocol, s.Connection.local.String(), "with", s.Connection.remote.String()}, " ")
	case OfGroup:
		return string(s.By) + " " + s.Group.String()
	case OfPair:
		return "pair " + s.Pair.A + " <-> " + s.Pair.B
	case OfInterface, OfProtocol:
		return string(s.Kind) + " " + s.Name
	}
	return string(s.Kind)
}
