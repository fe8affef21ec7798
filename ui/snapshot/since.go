package snapshot

import (
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// baseline is what was counted up to the moment from which on totals are shown. The zero value
// is the start: all is shown.
type baseline struct {
	sample     *probes.Sample // nil: the start
	number     uint64         // of the sample
	interfaces map[probes.InterfaceKey]*probes.Interface
	protocols  map[protocolKey]*probes.Protocol
	drops      map[uint64]uint64
	groups     map[groupingKey]Group
}

type protocolKey struct {
	iface, name string
	direction   probes.Direction
}

// groupingKey identifies a group among those of all groupings.
type groupingKey struct {
	by GroupBy
	id GroupKey
}

func keyOfProtocol(p *probes.Protocol) protocolKey {
	return protocolKey{p.Interface, p.Name, p.Direction}
}

// newBaseline takes the counts of a sample, and of the groups as they are then.
func newBaseline(at *instant, groups map[GroupBy][]Group) baseline {
	s := at.Sample
	b := baseline{
		sample:     s,
		number:     at.Number,
		interfaces: make(map[probes.InterfaceKey]*probes.Interface, len(s.Interfaces)),
		protocols:  make(map[protocolKey]*probes.Protocol, len(s.Protocols)),
		drops:      make(map[uint64]uint64, len(s.Drops.Rows)),
		groups:     make(map[groupingKey]Group),
	}
	for i := range s.Interfaces {
		b.interfaces[s.Interfaces[i].Key()] = &s.Interfaces[i]
	}
	for _, rows := range [][]probes.Protocol{s.Protocols, s.Totals.Protocols} {
		for i := range rows {
			b.protocols[keyOfProtocol(&rows[i])] = &rows[i]
		}
	}
	for i := range s.Drops.Rows {
		b.drops[s.Drops.Rows[i].ID] = s.Drops.Rows[i].Packets
	}
	for _, list := range groups {
		for _, g := range list {
			b.groups[groupingKey{g.By, g.ID}] = g
		}
	}
	return b
}

// time is from when on totals are shown, zero for the start.
func (b *baseline) time() (t time.Time) {
	if b.sample != nil {
		t = b.sample.Time
	}
	return t
}

// less takes what was counted before from a counter. One that began anew meanwhile has less
// than it had then, and all of it is new.
func less(now *uint64, before uint64) {
	if *now >= before {
		*now -= before
	}
}

// since returns the sample with totals from then on, but for those of connections, of which
// only some are shown.
func (b *baseline) since(s *probes.Sample) *probes.Sample {
	if b.sample == nil {
		return s
	}
	out := *s
	out.Interfaces = make([]probes.Interface, len(s.Interfaces))
	for i, row := range s.Interfaces {
		if before := b.interfaces[row.Key()]; before != nil {
			lessInterface(&row, before)
		}
		out.Interfaces[i] = row
	}
	out.Protocols = b.protocolsSince(s.Protocols)
	out.Totals.Protocols = b.protocolsSince(s.Totals.Protocols)
	lessTraffic(&out.Totals.Traffic, &b.sample.Totals.Traffic)
	less(&out.Execs.Total, b.sample.Execs.Total)
	if s.Execs.Failed != nil && b.sample.Execs.Failed != nil {
		failed := *s.Execs.Failed
		less(&failed, *b.sample.Execs.Failed)
		out.Execs.Failed = &failed
	}
	less(&out.Drops.Total, b.sample.Drops.Total)
	out.Drops.Rows = make([]probes.Drop, len(s.Drops.Rows))
	for i, row := range s.Drops.Rows {
		less(&row.Packets, b.drops[row.ID])
		out.Drops.Rows[i] = row
	}
	return &out
}

func (b *baseline) protocolsSince(rows []probes.Protocol) []probes.Protocol {
	out := make([]probes.Protocol, len(rows))
	for i, row := range rows {
		if before := b.protocols[keyOfProtocol(&row)]; before != nil {
			less(&row.Packets, before.Packets)
			less(&row.Bytes, before.Bytes)
		}
		out[i] = row
	}
	return out
}

func lessTraffic(now, before *probes.Traffic) {
	less(&now.RXPackets, before.RXPackets)
	less(&now.RXBytes, before.RXBytes)
	less(&now.TXPackets, before.TXPackets)
	less(&now.TXBytes, before.TXBytes)
}

func lessInterface(now, before *probes.Interface) {
	lessTraffic(&now.Traffic, &before.Traffic)
	less(&now.Malformed, before.Malformed)
	less(&now.UnseenRX, before.UnseenRX)
	less(&now.UnseenTX, before.UnseenTX)
	d, was := &now.Driver, &before.Driver
	less(&d.RXPackets, was.RXPackets)
	less(&d.RXBytes, was.RXBytes)
	less(&d.RXDropped, was.RXDropped)
	less(&d.RXErrors, was.RXErrors)
	less(&d.TXPackets, was.TXPackets)
	less(&d.TXBytes, was.TXBytes)
	less(&d.TXDropped, was.TXDropped)
	less(&d.TXErrors, was.TXErrors)
}

// connectionsSince gives rows of the table, which are the caller's own, their totals from then
// on.
func (b *baseline) connectionsSince(rows []probes.Connection, scope string) {
	if b.sample == nil {
		return
	}
	var maybe [1 << 16]bool
	shown := make(map[ConnectionKey]*probes.Connection, len(rows))
	for i := range rows {
		maybe[hint(&rows[i])] = true
		shown[KeyOf(&rows[i])] = &rows[i]
	}
	then := on(scope, b.sample)
	for i := range then {
		before := &then[i]
		if !maybe[hint(before)] {
			continue
		}
		// One that began after that is another one.
		if now := shown[KeyOf(before)]; now != nil && now.Local == before.Local && !now.FirstSeen.After(b.sample.Time) {
			less(&now.RXPackets, before.RXPackets)
			less(&now.RXBytes, before.RXBytes)
			less(&now.TXPackets, before.TXPackets)
			less(&now.TXBytes, before.TXBytes)
		}
	}
}

// groupsSince returns groups with their totals from then on.
func (b *baseline) groupsSince(groups []Group) []Group {
	if b.sample == nil {
		return groups
	}
	out := make([]Group, len(groups))
	for i, g := range groups {
		if before, ok := b.groups[groupingKey{g.By, g.ID}]; ok {
			less(&g.ConnectionsEnded, before.ConnectionsEnded)
			less(&g.RXPackets, before.RXPackets)
			less(&g.RXBytes, before.RXBytes)
			less(&g.TXPackets, before.TXPackets)
			less(&g.TXBytes, before.TXBytes)
			less(&g.Retransmits, before.Retransmits)
		}
		out[i] = g
	}
	return out
}
