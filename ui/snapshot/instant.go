package snapshot

import (
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot/past"
)

// instant is a sample, and what else was so when it came.
type instant struct {
	past.Kept
	isRecalled bool // it is not the sample that came, but what was kept of it
}

// step is the one of the history that it is in.
func (i *instant) step() int64 { return int64(i.At / HistoryStep) }

// Ago is how far in the past what is shown is. The zero value is the latest sample.
type Ago struct {
	IsPast bool
	Time   time.Duration // since then
	// What was left out of what is kept: connections, and programs that had been executed
	// shortly before.
	Connections, Programs int
	// SumsLater tells that sums have connections, too, that ended later.
	SumsLater bool
}

// mostKept bounds the connections that are kept of a moment, and their passages, so that this
// takes a few milliseconds at most: the busiest ones, and those with the most bytes.
const mostKept = 1 << 14

// keep keeps the sample before, if it was the last one of its step in history: so it stands for
// that, and each step back is one in the charts.
func (p *Presenter) keep() {
	if p.now.Sample == nil || p.now.step() == p.history.step {
		return
	}
	k, s := p.now.Kept, *p.now.Sample
	s.Connections, s.Passages = p.keptConnections.of(s.Connections), p.keptPassages.of(s.Passages)
	s.Ended, s.Execs.Events = nil, nil
	k.LeftOut = len(p.now.Sample.Connections) - len(s.Connections)
	k.Sample = &s
	p.past.Add(k)
}

// busiestRows picks the rows that are kept. It takes turns with the memory for them, because
// those of the moment before are still compared with.
type busiestRows struct {
	numbers   []int32
	now, last []probes.Connection
}

// of are as many rows as are kept, until of is called once more after the next time.
func (b *busiestRows) of(conns []probes.Connection) []probes.Connection {
	if len(conns) <= mostKept {
		return conns
	}
	b.numbers = slices.Grow(b.numbers[:0], len(conns))[:len(conns)]
	for i := range b.numbers {
		b.numbers[i] = int32(i)
	}
	r := ranking{conns: conns}
	rows := r.first(b.numbers, mostKept)
	slices.Sort(rows) // so that they are found again where they were
	b.now, b.last = b.last[:0], b.now
	for _, row := range rows {
		b.now = append(b.now, conns[row])
	}
	return b.now
}

// turn shows another moment: the sample with that number or what is kept next to it, 0 for the
// latest one from now on.
func (p *Presenter) turn(number uint64) {
	if number == 0 {
		p.then = nil
		p.comeBack()
		return
	}
	if p.taken.Number != number {
		p.goTo(number)
	}
	p.then = p.ledger.before(p.past.EndedAfter(p.taken.Number))
	p.sumsLater = p.past.MissesEnded(p.taken.Number)
}

// goTo takes the sample with that number, or what is kept next to it.
func (p *Presenter) goTo(number uint64) {
	kept, ok := p.past.Recall(number)
	if !ok || past.Distance(p.now.Number, number) <= past.Distance(kept.Number, number) {
		p.comeBack()
		return
	}
	if !p.taken.isRecalled {
		p.live = p.orders
	}
	p.taken = instant{Kept: kept, isRecalled: true}
	p.orders = orders{}
	p.derive()
}

// comeBack takes the latest sample, if it is not there yet.
func (p *Presenter) comeBack() {
	if p.taken.isRecalled {
		p.orders = p.live
	}
	if p.taken.Number != p.now.Number {
		p.absorb()
	}
}

// ago says how far in the past what is shown is.
func (p *Presenter) ago() (a Ago) {
	if p.query.Moment == 0 {
		return a
	}
	a = Ago{IsPast: true, Time: p.now.At - p.taken.At, Connections: p.taken.LeftOut, SumsLater: p.sumsLater}
	a.Programs = int(min(p.taken.Programs, execsKept)) - len(p.log.until(p.taken.Programs))
	return a
}

// sums are the ledger as it was then.
func (p *Presenter) sums() *Ledger {
	if p.then != nil {
		return p.then
	}
	return p.ledger
}
