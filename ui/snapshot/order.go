package snapshot

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
)

// Order is by what the connection table is sorted.
type Order int

// The orders there are.
const (
	Busiest Order = iota
	Newest
	Slowest // by round-trip time
)

// Orders are what they are called, as ones of Rows.By.
var Orders = []string{Newest: "newest first", Busiest: "busiest first", Slowest: "slowest first"}

// ranking puts the connections of one sample in order, without touching the
// sample.
type ranking struct {
	conns    []probes.Connection
	by       Order
	reversed bool
}

// compare is a total order: rows with equal values never change places.
func (r *ranking) compare(a, b int32) int {
	if r.reversed {
		a, b = b, a
	}
	x, y := &r.conns[a], &r.conns[b]
	switch r.by {
	case Slowest:
		if c := cmp.Compare(roundTrip(y), roundTrip(x)); c != 0 {
			return c
		}
	case Busiest:
		if c := cmp.Compare(y.RXBPS+y.TXBPS, x.RXBPS+x.TXBPS); c != 0 {
			return c
		}
		if c := cmp.Compare(y.RXBytes+y.TXBytes, x.RXBytes+x.TXBytes); c != 0 {
			return c
		}
	}
	if c := y.FirstSeen.Compare(x.FirstSeen); c != 0 {
		return c
	}
	return compareKeys(x, y)
}

func roundTrip(c *probes.Connection) uint32 {
	if c.Quality == nil {
		return 0
	}
	return c.RTT
}

func compareKeys(x, y *probes.Connection) int {
	if c := netip.AddrPort(x.Remote).Compare(netip.AddrPort(y.Remote)); c != 0 {
		return c
	}
	if c := netip.AddrPort(x.Local).Compare(netip.AddrPort(y.Local)); c != 0 {
		return c
	}
	if c := strings.Compare(x.Protocol, y.Protocol); c != 0 {
		return c
	}
	return strings.Compare(x.Interface, y.Interface)
}

// first returns the first k of rows in order. Only those are sorted: a heap
// whose top is the worst row kept lets most of a large table go by with one
// comparison each.
func (r *ranking) first(rows []int32, k int) []int32 {
	if k >= len(rows)/4 {
		slices.SortFunc(rows, r.compare)
		return rows[:min(k, len(rows))]
	}
	heap := slices.Clone(rows[:k])
	for i := k/2 - 1; i >= 0; i-- {
		r.sink(heap, i)
	}
	for _, row := range rows[k:] {
		if k > 0 && r.compare(row, heap[0]) < 0 {
			heap[0] = row
			r.sink(heap, 0)
		}
	}
	slices.SortFunc(heap, r.compare)
	return heap
}

// sink restores the heap below i.
func (r *ranking) sink(heap []int32, i int) {
	for {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if right := child + 1; right < len(heap) && r.compare(heap[right], heap[child]) > 0 {
			child = right
		}
		if r.compare(heap[i], heap[child]) >= 0 {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}

// position is how many of rows come before row.
func (r *ranking) position(rows []int32, row int32) int {
	n := 0
	for _, other := range rows {
		if r.compare(other, row) < 0 {
			n++
		}
	}
	return n
}
