package snapshot

import "github.com/ebpftop/ebpftop/probes"

// Drops is what the kernel dropped, the reason that drops most now first.
type Drops struct {
	probes.Drops
	History  []float64 // of PerSecond
	Listed   int       // rows without the filter
	Narrowed string    // what the rows are narrowed to, "" if all are there
}

// rankDrops returns the rows of a sample in a steady order, by their rates.
func (p *Presenter) rankDrops(s *probes.Sample) probes.Drops {
	rates, rows := make(map[uint64]float64, len(s.Drops.Rows)), make(map[uint64]*probes.Drop, len(s.Drops.Rows))
	for i := range s.Drops.Rows {
		row := &s.Drops.Rows[i]
		rates[row.ID], rows[row.ID] = row.PerSecond, row
	}
	p.orders.drops.update(rates, s.Interval)
	ranked := s.Drops
	ranked.Rows = make([]probes.Drop, 0, len(rows))
	for _, id := range p.orders.drops.order {
		ranked.Rows = append(ranked.Rows, *rows[id])
	}
	return ranked
}

// dropped are the drops wanted.
func (p *Presenter) dropped() Drops {
	out := Drops{Drops: p.drops, History: p.rates("", dropSeries)}
	if p.query.Narrowable(OfDrop) {
		out.Rows, out.Narrowed = p.narrowDrops(p.drops.Rows), p.query.narrowedTo()
	}
	out.Listed = len(out.Rows)
	out.Rows = dropKind.filtered(out.Rows, p.query.Drops.Filter)
	return out
}
