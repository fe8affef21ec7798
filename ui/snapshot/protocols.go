package snapshot

import (
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Protocols is the protocol mix of one interface, or of all with each frame once.
type Protocols struct {
	Scope string // the interface, "" for the totals
	// OfConnections tells that they are made of the connections that are narrowed to, so that
	// packets a second and history are not known of each.
	OfConnections bool
	Narrowed      string // what they are narrowed to, "" for nothing
	Rows          []Protocol
	Total         int // without the filter
	probes.Traffic
	RX, TX []float64 // history of all together, bit/s
}

// Protocol is one row of the mix.
type Protocol struct {
	Name    string    `json:"protocol"`
	RXPPS   float64   `json:"rx_pps"`
	TXPPS   float64   `json:"tx_pps"`
	RXBPS   float64   `json:"rx_bps"`
	TXBPS   float64   `json:"tx_bps"`
	Packets uint64    `json:"packets"`
	Bytes   uint64    `json:"bytes"`
	Share   float64   `json:"share"` // of all bits in this interval
	History []float64 `json:"-"`     // bit/s
}

// PPS is packets per second, both directions together.
func (r *Protocol) PPS() float64 { return r.RXPPS + r.TXPPS }

// BPS is bits per second, both directions together.
func (r *Protocol) BPS() float64 { return r.RXBPS + r.TXBPS }

// mixer sums protocol counters up and keeps the order of their rows.
type mixer struct {
	scope               string
	narrow              Subject
	steadyOrder[string] // of names, by bit/s
}

func (m *mixer) mix(s *probes.Sample, scope string) Protocols {
	if scope != m.scope || m.narrow.Kind != OfNothing {
		*m = mixer{scope: scope}
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
	m.arrange(&out, rows, s.Interval)
	return out
}

// arrange puts the rows in their order, interval after the last time.
func (m *mixer) arrange(out *Protocols, rows map[string]*Protocol, interval time.Duration) {
	rates := make(map[string]float64, len(rows))
	for name, row := range rows {
		rates[name] = row.BPS()
	}
	m.update(rates, interval)
	for _, name := range m.order {
		row := rows[name]
		if sum := out.RXBPS + out.TXBPS; sum > 0 {
			row.Share = row.BPS() / sum
		}
		out.Rows = append(out.Rows, *row)
	}
}

// remember returns p with the history of its rows.
func (p Protocols) remember(rates func(iface, name string) []float64) Protocols {
	p.RX, p.TX = rates(p.Scope, rxSeries), rates(p.Scope, txSeries)
	p.Rows = slices.Clone(p.Rows)
	for i := range p.Rows {
		p.Rows[i].History = rates(p.Scope, p.Rows[i].Name)
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
