package packets

import (
	"cmp"
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/names"
)

// Values of enum direction in headers/counters.h.
const (
	directionRX = iota
	directionTX
	directionCount
)

var directions = [directionCount]probes.Direction{directionRX: probes.RX, directionTX: probes.TX}

// tally holds the counts of one interface at the last poll. The next rates are the
// difference.
type tally struct {
	base   bpf.PacketsProtocolCounts // what was in its block before
	ip     bpf.PacketsProtocolCounts
	seen   [directionCount]seen
	unseen unseen
	others map[bpf.PacketsOtherKey]bpf.PacketsTraffic
}

// newTally is for an interface that begins to count in a block.
func (c *counters) newTally(block uint16) *tally {
	return &tally{base: c.sum(block), others: make(map[bpf.PacketsOtherKey]bpf.PacketsTraffic)}
}

// poll reads the counters of one interface: it appends its protocol rows, fills in what
// they sum up to, and adds what grew to all, unless that is nil. Rates are over interval.
// The table of others, and the driver's statistics in row, were read before.
func (c *counters) poll(probe *packetProbe, past *tally, interval time.Duration, row *probes.Interface, rows []probes.Protocol, all *totals) []probes.Protocol {
	first := len(rows)
	rows = c.pollSlots(probe, past, interval, row.Name, rows, all)
	past.seen = [directionCount]seen{}
	for _, other := range c.others.of(probe.id) {
		if other.key.Kind == otherMalformed {
			row.Malformed += other.total.Packets
			continue
		}
		if other.key.Kind == otherAggregated {
			past.seen[other.key.Direction].aggregated += other.total.Packets
			continue
		}
		protocol := protocolOf(other.key)
		protocol.Interface = row.Name
		growth := less(other.total, past.others[other.key])
		countProtocol(&protocol, other.total, growth, interval)
		all.add(other.key, growth)
		past.others[other.key] = other.total
		rows = addProtocol(rows, first, protocol)
	}
	rows = past.pollUnseen(row, interval, rows, first, all)
	sortProtocols(rows[first:])
	for i := range rows[first:] {
		row.Traffic.Add(&rows[first+i]) // every frame is in exactly one
	}
	return rows
}

// pollUnseen appends a row for what the driver carried past the hook, where its statistics
// are of the frames that pass there. An interface that is gone has none.
func (t *tally) pollUnseen(row *probes.Interface, interval time.Duration, rows []probes.Protocol, first int, all *totals) []probes.Protocol {
	if row.Ifindex == 0 {
		return rows
	}
	for i := range rows[first:] {
		direction := slices.Index(directions[:], rows[first+i].Direction)
		t.seen[direction].frames += rows[first+i].Packets
	}
	t.unseen.tell(row.Kind, t.seen, &row.Driver)
	row.UnseenRX, row.UnseenTX = t.unseen.ways[directionRX].total.Packets, t.unseen.ways[directionTX].total.Packets
	row.Discrepancy = discrepancy(row, t.unseen.ways[directionTX].behind)
	if !carriesFrames(row.Kind) {
		return rows
	}
	for direction := range directions {
		key := bpf.PacketsOtherKey{Direction: uint8(direction), Kind: otherUnseen}
		total := t.unseen.ways[direction].total
		growth := less(total, t.others[key])
		all.add(key, growth)
		t.others[key] = total
		if total.Packets == 0 {
			continue
		}
		protocol := protocolOf(key)
		protocol.Interface = row.Name
		countProtocol(&protocol, total, growth, interval)
		rows = append(rows, protocol)
	}
	return rows
}

// protocolOf names a row of the table of others.
func protocolOf(key bpf.PacketsOtherKey) probes.Protocol {
	protocol := probes.Protocol{Direction: directions[key.Direction]}
	if key.Kind == otherUnseen {
		protocol.Name = "unseen"
		return protocol
	}
	if key.Kind == otherProtocol {
		number := uint8(key.Number)
		protocol.Name, protocol.Number = names.IPProtocol(number), &number
		return protocol
	}
	ethertype := key.Number
	if key.Kind == otherRest {
		ethertype = names.EthertypeOther
	}
	protocol.Name, protocol.Ethertype = names.Ethertype(ethertype), &ethertype
	return protocol
}

// addProtocol appends a row, or adds it to the row of the same protocol. A protocol that
// has counters in memory is in the table, too, if a CPU found no counters.
func addProtocol(rows []probes.Protocol, first int, more probes.Protocol) []probes.Protocol {
	for i := first; i < len(rows) && more.Number != nil; i++ {
		row := &rows[i]
		if row.Direction == more.Direction && row.Name == more.Name && row.Number != nil {
			row.Packets += more.Packets
			row.Bytes += more.Bytes
			row.PPS += more.PPS
			row.BPS += more.BPS
			return rows
		}
	}
	return append(rows, more)
}

// sortProtocols orders the rows of one interface by direction, then packets.
func sortProtocols(rows []probes.Protocol) {
	slices.SortFunc(rows, func(a, b probes.Protocol) int {
		return cmp.Or(
			cmp.Compare(a.Direction, b.Direction),
			cmp.Compare(b.Packets, a.Packets),
			cmp.Compare(a.Name, b.Name),
		)
	})
}

func (c *counters) pollSlots(probe *packetProbe, past *tally, interval time.Duration, name string, rows []probes.Protocol, all *totals) []probes.Protocol {
	sum := c.sum(probe.block)
	for direction := range directions {
		for slot := range slotProtocols {
			total := less(sum.Ip[direction][slot], past.base.Ip[direction][slot])
			if total.Packets == 0 {
				continue
			}
			before := &past.ip.Ip[direction][slot]
			growth := less(total, *before)
			*before = total
			protocol := slotProtocols[slot]
			row := probes.Protocol{
				Interface: name,
				Direction: directions[direction],
				Name:      names.IPProtocol(protocol),
				Number:    &protocol,
			}
			countProtocol(&row, total, growth, interval)
			rows = append(rows, row)
			all.add(bpf.PacketsOtherKey{
				Direction: uint8(direction), Kind: otherProtocol, Number: uint16(protocol),
			}, growth)
		}
	}
	return rows
}

func less(traffic, by bpf.PacketsTraffic) bpf.PacketsTraffic {
	return bpf.PacketsTraffic{Packets: traffic.Packets - by.Packets, Bytes: traffic.Bytes - by.Bytes}
}

func more(traffic, by bpf.PacketsTraffic) bpf.PacketsTraffic {
	return bpf.PacketsTraffic{Packets: traffic.Packets + by.Packets, Bytes: traffic.Bytes + by.Bytes}
}

// countProtocol sets totals, and rates from what they grew by in interval.
func countProtocol(p *probes.Protocol, total, growth bpf.PacketsTraffic, interval time.Duration) {
	p.Packets, p.Bytes = total.Packets, total.Bytes
	p.PPS = perSecond(growth.Packets, interval)
	p.BPS = 8 * perSecond(growth.Bytes, interval)
}

// perSecond is the rate of count over interval, 0 if that is 0, or if something was taken
// back.
func perSecond(count uint64, interval time.Duration) float64 {
	if interval <= 0 || int64(count) < 0 {
		return 0
	}
	return float64(count) / interval.Seconds()
}
