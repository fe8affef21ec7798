package snapshot

import (
	"net/netip"
	"slices"

	"github.com/ebpftop/ebpftop/probes"
)

// What all panes are narrowed to is an interface, in Query.Scope, or a group of connections, in
// Query.Narrow. What a pane has that cannot be told by that stays, see Narrowable.

// Narrowable tells whether rows of a kind can be told by what the query narrows to. If not, all
// are shown.
func (q Query) Narrowable(rows SubjectKind) bool {
	by := q.Narrow.By
	switch {
	case q.Scope == "" && by == ByNothing:
		return false
	case rows == OfConnection, rows == OfProtocol, rows == OfPair:
		return true
	case rows == OfInterface: // an interface is chosen among the others
		return by != ByNothing
	case rows == OfExec:
		return by == ByOwner || by == ByUnit || by == ByContainer || by == ByCommand
	case rows == OfDrop:
		return by != ByUnit && by != ByContainer && by != ByNetwork && by != ByPort
	}
	return false
}

// narrowedTo names what is narrowed to: an interface by its name alone. It is "" for nothing.
func (q Query) narrowedTo() string {
	if q.Narrow.Kind != OfNothing {
		return q.Narrow.String()
	}
	return q.Scope
}

// narrowed are the connections that are narrowed to, of those on the interface.
func (q Query) narrowed(conns []probes.Connection, rows []int32) []int32 {
	if q.Narrow.By == ByNothing {
		return rows
	}
	holds := q.Narrow.By.holds(q.Narrow.Group)
	return slices.DeleteFunc(rows, func(row int32) bool { return !holds(&conns[row]) })
}

// narrowInterfaces leaves those that connections pass which are narrowed to.
func (p *Presenter) narrowInterfaces(rows []*probes.Interface) []*probes.Interface {
	if !p.query.Narrowable(OfInterface) {
		return rows
	}
	passed := p.passed()
	return slices.DeleteFunc(slices.Clone(rows), func(i *probes.Interface) bool { return !passed[i.Name] })
}

// passed are the names of the interfaces that connections pass which are narrowed to.
func (p *Presenter) passed() map[string]bool {
	if p.query.Narrow.By == ByNothing {
		return map[string]bool{p.query.Scope: true}
	}
	passed, holds := make(map[string]bool), p.query.Narrow.By.holds(p.query.Narrow.Group)
	for i := range p.shown.Connections {
		c := &p.shown.Connections[i]
		if holds(c) {
			passed[c.Interface] = true
			for _, name := range c.Path {
				passed[name] = true
			}
		}
	}
	return passed
}

// narrowPairs leaves those that join an interface of passed, and that the filter lets through.
func (p *Presenter) narrowPairs(pairs []probes.CrossConnect) []probes.CrossConnect {
	pairs = pairKind.filtered(pairs, p.query.Pairs.Filter)
	if p.shown == nil || !p.query.Narrowable(OfPair) {
		return pairs
	}
	passed := p.passed()
	return slices.DeleteFunc(slices.Clone(pairs), func(c probes.CrossConnect) bool { return !passed[c.A] && !passed[c.B] })
}

// narrowExecs leaves the programs that who is narrowed to executed.
func (p *Presenter) narrowExecs(events []Exec) []Exec {
	if !p.query.Narrowable(OfExec) {
		return events
	}
	g, ok := p.sums().group(p.query.Narrow.By, p.query.Narrow.Group, p.shown)
	var out []Exec
	for i := range events {
		if ok && g.executed(&events[i].Exec) || g.By == ByCommand && events[i].Comm == g.Key {
			out = append(out, events[i])
		}
	}
	return out
}

// narrowDrops leaves the rows that are of what is narrowed to: those of an owner or a host are
// the ones that have a packet of it among the latest.
func (p *Presenter) narrowDrops(rows []probes.Drop) []probes.Drop {
	if !p.query.Narrowable(OfDrop) {
		return rows
	}
	is := func(d *probes.Drop) bool { return d.Interface == p.query.Scope }
	switch by, key := p.query.Narrow.By, p.query.Narrow.Group; by {
	case ByNothing:
	case ByProtocol:
		is = func(d *probes.Drop) bool { return d.Protocol == key.name }
	case ByInterface:
		is = func(d *probes.Drop) bool { return d.Interface == key.name }
	default:
		is = func(d *probes.Drop) bool {
			return slices.ContainsFunc(d.Latest, func(packet probes.DroppedPacket) bool { return by.hasDropped(key, &packet) })
		}
	}
	return slices.DeleteFunc(slices.Clone(rows), func(d probes.Drop) bool { return !is(&d) })
}

// hasDropped tells whether a dropped packet is of a group.
func (by GroupBy) hasDropped(key GroupKey, packet *probes.DroppedPacket) bool {
	of := probes.Connection{Owner: packet.Owner, OwnerReason: packet.OwnerReason}
	if packet.Remote != nil {
		of.Remote = *packet.Remote
	}
	if by == ByRemote {
		return packet.Remote != nil && netip.AddrPort(of.Remote).IsValid() && by.keyOf(&of) == key
	}
	return packet.Owner != nil && by.keyOf(&of) == key
}

// mix is the protocols that are narrowed to. Those of a group are what its connections carry.
func (p *Presenter) mix() Protocols {
	if p.query.Narrow.By == ByNothing {
		return p.orders.mixer.mix(p.shown, p.query.Scope)
	}
	if p.query.Narrow != p.orders.mixer.narrow {
		p.orders.mixer = mixer{narrow: p.query.Narrow}
	}
	rows := make(map[string]*Protocol)
	out, holds := Protocols{OfConnections: true}, p.query.Narrow.By.holds(p.query.Narrow.Group)
	for i := range p.shown.Connections {
		c := &p.shown.Connections[i]
		if !holds(c) {
			continue
		}
		row := rows[c.Protocol]
		if row == nil {
			row = &Protocol{Name: c.Protocol}
			rows[c.Protocol] = row
		}
		row.RXBPS, row.TXBPS = row.RXBPS+c.RXBPS, row.TXBPS+c.TXBPS
		row.Packets, row.Bytes = row.Packets+c.RXPackets+c.TXPackets, row.Bytes+c.RXBytes+c.TXBytes
		out.RXBPS, out.TXBPS = out.RXBPS+c.RXBPS, out.TXBPS+c.TXBPS
	}
	p.orders.mixer.arrange(&out, rows, p.shown.Interval)
	return out
}

// remembered are the protocols with their history: of a group, that of all together.
func (p *Presenter) remembered() Protocols {
	out := p.mixed
	if out.OfConnections {
		out.RX, out.TX = p.trails.values(p.query.Narrow, p.history, p.taken.step())
	} else {
		out = out.remember(p.rates)
	}
	out.Narrowed = p.query.narrowedTo()
	out.Total = len(out.Rows)
	out.Rows = protocolKind.filtered(out.Rows, p.query.Protocols.Filter)
	return out
}
