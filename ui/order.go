package ui

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
)

// order is by what the connection table is sorted.
type order int

const (
	newest order = iota
	busiest
)

func (o order) String() string {
	if o == busiest {
		return "busiest first"
	}
	return "newest first"
}

// ranking puts the connections of one sample in order, without touching the
// sample.
type ranking struct {
	conns []probes.Connection
	rates []byteRate
	by    order
}

// compare is a total order: rows with equal values never change places.
func (r *ranking) compare(a, b int32) int {
	x, y := &r.conns[a], &r.conns[b]
	if r.by == busiest {
		p, q := r.rates[a], r.rates[b]
		if c := cmp.Compare(q.rx+q.tx, p.rx+p.tx); c != 0 {
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

// matcher tells which connections a filter lets through: those that hold each
// of its words somewhere in interface, protocol or addresses.
type matcher struct {
	scope string // only this interface, "" for all
	words [][]byte
	text  []byte // reused from row to row
}

func newMatcher(scope, filter string) *matcher {
	m := &matcher{scope: scope}
	for _, word := range strings.Fields(strings.ToLower(filter)) {
		m.words = append(m.words, []byte(word))
	}
	return m
}

func (m *matcher) match(c *probes.Connection) bool {
	if m.scope != "" && c.Interface != m.scope {
		return false
	}
	if len(m.words) == 0 {
		return true
	}
	t := append(m.text[:0], strings.ToLower(c.Interface)...)
	t = append(append(t, ' '), strings.ToLower(c.Protocol)...)
	t = appendEndpoint(append(t, ' '), c.Local)
	t = appendEndpoint(append(t, ' '), c.Remote)
	m.text = t
	for _, word := range m.words {
		if !bytes.Contains(t, word) {
			return false
		}
	}
	return true
}

// appendEndpoint is Endpoint.String without the garbage.
func appendEndpoint(b []byte, e probes.Endpoint) []byte {
	ap := netip.AddrPort(e)
	if ap.Port() == 0 {
		return ap.Addr().AppendTo(b)
	}
	return ap.AppendTo(b)
}

// rows returns the indices of the connections that match.
func (m *matcher) rows(conns []probes.Connection) []int32 {
	rows := make([]int32, 0, len(conns))
	for i := range conns {
		if m.match(&conns[i]) {
			rows = append(rows, int32(i))
		}
	}
	return rows
}
