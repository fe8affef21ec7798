package ui

import (
	"math"
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// frame is all that one refresh shows, computed away from the screen. Once
// handed over it is never changed.
type frame struct {
	time       time.Time
	hooks      []hookCount
	attaching  probes.Progress
	interfaces []probes.Interface
	protocols  protocolFrame
	conns      connFrame
	execs      execFrame
	// What follows is of the sample taken at wired, the latest one even while
	// paused: what is changed by hand has to be seen.
	crossConnects []probes.CrossConnect
	linksProblem  string
	wired         time.Time

	lost  probes.Lost
	self  probes.Self
	ended bool // the source has ended, this is its last sample
}

// hookCount is how many interfaces are watched at one hook.
type hookCount struct {
	hook probes.Hook
	n    int
}

func countHooks(interfaces []probes.Interface) []hookCount {
	var out []hookCount
	for _, hook := range []probes.Hook{probes.HookTracepoint, probes.HookXDP, probes.HookXDPGeneric, probes.HookTC, probes.HookClsact} {
		n := 0
		for i := range interfaces {
			if interfaces[i].Hook == hook {
				n++
			}
		}
		if n > 0 {
			out = append(out, hookCount{hook, n})
		}
	}
	return out
}

// protocolFrame is the protocol mix of one interface or of all, both
// directions summed.
type protocolFrame struct {
	scope    string
	rows     []protocolRow
	pps, bps float64
	rx, tx   []float64 // history of all together, bit/s
}

type protocolRow struct {
	name           string
	rxPPS, txPPS   float64
	rxBPS, txBPS   float64
	packets, bytes uint64
	share          float64   // of all bits in this interval
	history        []float64 // bit/s
}

func (r *protocolRow) pps() float64 { return r.rxPPS + r.txPPS }
func (r *protocolRow) bps() float64 { return r.rxBPS + r.txBPS }

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

func (m *mixer) mix(s *probes.Sample, scope string) protocolFrame {
	if m.score == nil || scope != m.scope {
		m.scope, m.order, m.score = scope, nil, make(map[string]float64)
	}
	out := protocolFrame{scope: scope}
	rows := make(map[string]*protocolRow)
	for i := range s.Protocols {
		p := &s.Protocols[i]
		if scope != "" && p.Interface != scope {
			continue
		}
		row := rows[p.Name]
		if row == nil {
			row = &protocolRow{name: p.Name}
			rows[p.Name] = row
		}
		row.add(p)
		out.pps += p.PPS
		out.bps += p.BPS
	}
	m.rank(rows, s.Interval)
	for _, name := range m.order {
		row := rows[name]
		if out.bps > 0 {
			row.share = row.bps() / out.bps
		}
		out.rows = append(out.rows, *row)
	}
	return out
}

// remember returns p with the history of its rows.
func (p protocolFrame) remember(h *history) protocolFrame {
	p.rx = h.values(seriesKey{p.scope, rxSeries})
	p.tx = h.values(seriesKey{p.scope, txSeries})
	p.rows = slices.Clone(p.rows)
	for i := range p.rows {
		p.rows[i].history = h.values(seriesKey{p.scope, p.rows[i].name})
	}
	return p
}

func (r *protocolRow) add(p *probes.Protocol) {
	r.packets += p.Packets
	r.bytes += p.Bytes
	if p.Direction == probes.TX {
		r.txPPS += p.PPS
		r.txBPS += p.BPS
	} else {
		r.rxPPS += p.PPS
		r.rxBPS += p.BPS
	}
}

// rank brings order up to date with rows.
func (m *mixer) rank(rows map[string]*protocolRow, interval time.Duration) {
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
			m.score[name] = row.bps()
			m.insert(name)
		} else {
			m.score[name] = keep*m.score[name] + (1-keep)*row.bps()
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

// connFrame is the part of the connection table that may be looked at.
type connFrame struct {
	total, matching int
	rows            []connRow // the first of those matching, in order
	pin             connKey
	pinAt           int // where the pinned row is among those matching, or -1
	perSecond       float64
	query           query // what was asked for
}

type connRow struct {
	probes.Connection
	rate byteRate
}

// newConnFrame answers q from one sample and its rates.
func newConnFrame(s *probes.Sample, rates []byteRate, q query) connFrame {
	out := connFrame{total: len(s.Connections), pinAt: -1, pin: q.pin, query: q}
	if s.Interval > 0 {
		out.perSecond = float64(s.NewConnections) / s.Interval.Seconds()
	}
	r := ranking{conns: s.Connections, rates: rates, by: q.order}
	rows := newMatcher(q.scope, q.filter).rows(s.Connections)
	out.matching = len(rows)
	need := q.need
	if q.pinned {
		for _, row := range rows {
			if keyOf(&s.Connections[row]) == q.pin {
				out.pinAt = r.position(rows, row)
				need = max(need, out.pinAt+q.page)
				break
			}
		}
	}
	first := r.first(rows, min(need, len(rows)))
	out.rows = make([]connRow, len(first))
	for i, row := range first {
		out.rows[i] = connRow{Connection: s.Connections[row], rate: rates[row]}
	}
	return out
}

// execFrame is the latest programs, oldest first.
type execFrame struct {
	hook, reason string
	total        uint64
	failed       *uint64
	perSecond    float64
	events       []execRow
	history      []float64
}

// execRow is one program; its number stays its own as the list moves on.
type execRow struct {
	number uint64
	probes.Exec
}
