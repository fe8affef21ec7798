package snapshot

import (
	"net/netip"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

const (
	// busyCandidates is how many connections can enter the order of the busiest at a sample:
	// more than a screen has rows.
	busyCandidates = 256
	// busyKept is how many that order has at most.
	busyKept = 2 * busyCandidates
	// busyIdle is after how long without a packet a connection leaves it.
	busyIdle = 5 * time.Second
)

// busyConnections keeps the busiest of the connections that are shown in a steady order, by
// their rates over some seconds. The others follow in the order of their rates now.
type busyConnections struct {
	steady  steadyOrder[uint64] // by number
	numbers map[ConnectionKey]uint64
	keys    map[uint64]ConnectionKey
	last    uint64 // number given
	// maybe says of a connection by its hint whether it can be one with a number: a table can
	// have a million, and to look each up costs more than all else.
	maybe [1 << 16]bool
}

// hint is the same for the same connection, and different for most others. It must not depend
// on which end is local.
func hint(c *probes.Connection) uint16 {
	local, remote := netip.AddrPort(c.Local), netip.AddrPort(c.Remote)
	a, b := local.Addr().As16(), remote.Addr().As16()
	return local.Port() ^ remote.Port() ^ uint16(a[14]^b[14])<<8 ^ uint16(a[15]^b[15])
}

// first returns the first k of the rows of conns in order, the latest of which are of the time
// now. The interval is 0 if they are of the same sample as before.
func (b *busyConnections) first(conns []probes.Connection, rows []int32, k int, now time.Time, interval time.Duration) []int32 {
	if b.numbers == nil {
		b.numbers, b.keys = make(map[ConnectionKey]uint64), make(map[uint64]ConnectionKey)
	}
	rowOf, rates := make(map[uint64]int32), make(map[uint64]float64)
	take := func(number uint64, row int32) {
		rowOf[number], rates[number] = row, conns[row].RXBPS+conns[row].TXBPS
	}
	for _, row := range rows {
		if c := &conns[row]; !isOver(c) && now.Sub(c.LastSeen) < busyIdle && b.maybe[hint(c)] {
			if number, ok := b.numbers[KeyOf(c)]; ok {
				take(number, row)
			}
		}
	}
	// As many as to have k even if all those in the order are among them.
	atOnce := ranking{conns: conns}
	others := atOnce.first(rows, min(k+busyKept, len(rows)))
	for _, row := range others[:min(busyCandidates, len(others))] {
		if conns[row].RXBPS+conns[row].TXBPS == 0 {
			break
		}
		key := KeyOf(&conns[row])
		if _, ok := b.numbers[key]; !ok {
			b.last++
			b.numbers[key], b.keys[b.last] = b.last, key
			take(b.last, row)
		}
	}
	b.steady.update(rates, interval)
	b.forget(conns, rowOf)
	out, isPlaced := make([]int32, 0, k+busyKept), make(map[int32]bool)
	for _, number := range b.steady.order {
		out = append(out, rowOf[number])
		isPlaced[rowOf[number]] = true
	}
	for _, row := range others {
		if !isPlaced[row] {
			out = append(out, row)
		}
	}
	return out[:min(k, len(out))]
}

// isOver tells whether a connection is to make room at once, because it carries nothing more.
func isOver(c *probes.Connection) bool {
	return (c.State == probes.StateClosed || c.State == probes.StateTimeWait) && c.RXBPS+c.TXBPS == 0
}

// forget leaves those out that are idle, gone, or too many.
func (b *busyConnections) forget(conns []probes.Connection, rowOf map[uint64]int32) {
	kept := b.steady.order[:0]
	for _, number := range b.steady.order {
		if len(kept) < busyKept && b.steady.score[number] >= 1 {
			kept = append(kept, number)
		} else {
			delete(b.steady.score, number)
		}
	}
	b.steady.order = kept
	clear(b.maybe[:])
	for number, key := range b.keys {
		if _, ok := b.steady.score[number]; !ok {
			delete(b.keys, number)
			delete(b.numbers, key)
			continue
		}
		b.maybe[hint(&conns[rowOf[number]])] = true
	}
}
