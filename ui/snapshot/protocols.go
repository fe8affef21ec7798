package snapshot

import (
	"math"
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Protocols is the protocol mix of one interface, or of all with each frame once.
type Protocols struct {
	Scope string // the interface, "" for the totals
	Rows  []Protocol
	probes.Traffic
	RX, TX []float64 // history of all together, bit/s
}

// Protocol is one row of the mix.
type Protocol struct {
	Name           string
	RXPPS, TXPPS   float64
	RXBPS, TXBPS   float64
	Packets, Bytes uint64
	Share          float64   // of all bits in this interval
	History        []float64 // bit/s
}

// PPS is packets per second, both directions together.
func (r *Protocol) PPS() float64 { return r.RXPPS + r.TXPPS }

// BPS is bits per second, both directions together.
func (r *Protocol) BPS() float64 { return r.RXBPS + r.TXBPS }

// mixer sums protocol counters up and keeps the order of their rows.
type mixer struct {
	scope string
	order []string           // of names, as last shown
	score map[string]float64 // smoothed bit/s, what the order is by
}

// Rows change places only when one is clearly ahead over some time: rows that
// jump cannot be read, and moving them costs a line each.
const (
	rankMemory = 10 * time.Second
	rankMargin = 1.25
)

func (m *mixer) mix(s *probes.Sample, scope string) Protocols {
	if m.score == nil || scope != m.scope {
		m.scope, m.order, m.score = scope, nil, make(map[string]float64)
	}
	out := Protocols{Scope: scope}
	protocols := s.Totals.Protocols
	if scope != "" {
		protocols = s.Protocols
	}
	rows := make(map[string]*Protocol)
	for i := range protocols {
		p := &protocols[i]
		if p.Interface != scope {
			continue
		}
		row := rows[p.Name]
		if row == nil {
			row = &Protocol{Name: p.Name}
			rows[p.Name] = row
		}
		row.add(p)
		out.Traffic.Add(p)
	}
	m.rank(rows, s.Interval)
	for _, name := range m.order {
		row := rows[name]
		if sum := out.RXBPS + out.TXBPS; sum > 0 {
			row.Share = row.BPS() / sum
		}
		out.Rows = append(out.Rows, *row)
	}
	return out
}

// remember returns p with the history of its rows.
func (p Protocols) remember(h *history) Protocols {
	p.RX = h.values(seriesKey{p.Scope, rxSeries})
	p.TX = h.values(seriesKey{p.Scope, txSeries})
	p.Rows = slices.Clone(p.Rows)
	for i := range p.Rows {
		p.Rows[i].History = h.values(seriesKey{p.Scope, p.Rows[i].Name})
	}
	return p
}

func (r *Protocol) add(p *probes.Protocol) {
	r.Packets += p.Packets
	r.Bytes += p.Bytes
	if p.Direction == probes.TX {
		r.TXPPS += p.PPS
		r.TXBPS += p.BPS
	} else {
		r.RXPPS += p.PPS
		r.RXBPS += p.BPS
	}
}

// rank brings order up to date with rows.
func (m *mixer) rank(rows map[string]*Protocol, interval time.Duration) {
	keep := math.Exp(-interval.Seconds() / rankMemory.Seconds())
	kept := m.order[:0:0]
	for _, name := range m.order {
		if rows[name] != nil {
			kept = append(kept, name)
		}
	}
	m.order = kept
	for name, row := range rows {
		if _, known := m.score[name]; !known {
			m.score[name] = row.BPS()
			m.insert(name)
		} else {
			m.score[name] = keep*m.score[name] + (1-keep)*row.BPS()
		}
	}
	for i := 1; i < len(m.order); i++ {
		for j := i; j > 0 && m.score[m.order[j]] > rankMargin*m.score[m.order[j-1]]+1; j-- {
			m.order[j], m.order[j-1] = m.order[j-1], m.order[j]
		}
	}
}

// insert puts a new name where it belongs; the name decides between equals,
// because rows come out of a map in no order.
func (m *mixer) insert(name string) {
	i := len(m.order)
	for i > 0 {
		above := m.order[i-1]
		if m.score[above] > m.score[name] || (m.score[above] == m.score[name] && above < name) {
			break
		}
		i--
	}
	m.order = append(m.order, "")
	copy(m.order[i+1:], m.order[i:])
	m.order[i] = name
}
