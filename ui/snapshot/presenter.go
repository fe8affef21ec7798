package snapshot

import (
	"context"
	"math"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/latest"
	"github.com/ebpftop/ebpftop/ui/snapshot/past"
)

// gap bounds the snapshots of a source that delivers faster than people read,
// a recording at full speed for one.
const gap = 50 * time.Millisecond

// Presenter stands between source and screen. Its one goroutine takes samples
// as they come, does all that takes time, and leaves finished snapshots in a
// box of one, where the screen fetches them as fast as it can draw.
type Presenter struct {
	Snapshots latest.Box[*Snapshot]
	Queries   latest.Box[Query]

	source   probes.Source
	query    Query
	now      instant        // the last sample that came
	taken    instant        // the one on the screen: an older one while that shows the past
	shown    *probes.Sample // of taken, with totals since begun
	base     baseline       // that was asked for
	begun    baseline       // base, unless taken is older
	mixed    Protocols      // of shown, without history
	self     probes.Self    // of shown, smoothed
	snapshot Snapshot       // the last one built
	stale    bool           // snapshot is not of shown
	history  *history
	past     *past.Past
	// What is kept of each moment, of many.
	keptConnections, keptPassages busiestRows
	orders                        orders              // of taken
	live                          orders              // of now, while taken is recalled
	ranked                        []*probes.Interface // of shown
	drops                         probes.Drops        // of shown, ranked
	log                           execLog
	ledger                        *Ledger // of now
	then                          *Ledger // of taken, nil if that is now
	sumsLater                     bool    // then has connections that ended later
	trails                        trails
	ended                         bool
	built                         time.Time
}

// orders are those of rows, which consecutive samples make: rows that jump cannot be read.
type orders struct {
	mixer      mixer
	interfaces steadyOrder[probes.InterfaceKey] // by bit/s, groups by that of all in them
	folded     bool                             // whether interfaces is of groups
	busy       busyConnections                  // of those that are shown
	drops      steadyOrder[uint64]              // rows by their rates
}

// NewPresenter makes the presenter of a source.
func NewPresenter(source probes.Source) *Presenter {
	return &Presenter{
		Snapshots: latest.NewBox[*Snapshot](),
		Queries:   latest.NewBox[Query](),
		source:    source,
		history:   newHistory(),
		past:      past.New(past.Room),
		ledger:    NewLedger(Groupings...),
	}
}

// Run makes snapshots until ctx ends or the source fails, and returns why the
// source failed. Take, Ask and Publish are what it does.
func (p *Presenter) Run(ctx context.Context) error {
	samples := p.source.Samples()
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case s, ok := <-samples:
			if !ok {
				if err := p.source.Err(); err != nil {
					return err
				}
				// A recording has run out: its last sample stays.
				samples, p.ended = nil, true
			} else {
				p.Take(&s)
			}
		case q := <-p.Queries:
			p.Ask(q)
		case <-due:
			due = nil
			p.Publish()
			continue
		}
		if wait := gap - time.Since(p.built); wait <= 0 {
			due = nil
			p.Publish()
		} else if due == nil {
			due = time.After(wait)
		}
	}
}

// Take remembers a sample: counting goes on while the screen shows the past.
func (p *Presenter) Take(s *probes.Sample) {
	p.log.add(s.Execs.Events)
	p.ledger.Take(s)
	p.record(s)
	p.keep()
	p.now = instant{Kept: past.Kept{
		Moment: past.Moment{Number: p.now.Number + 1, At: p.history.past}, Sample: s, Programs: p.log.count,
	}}
	p.past.End(p.now.Number, s.Ended)
	if p.query.Moment == 0 || p.shown == nil {
		p.absorb()
	}
}

// absorb derives what depends on consecutive samples from the latest one.
func (p *Presenter) absorb() {
	p.taken = p.now
	p.derive()
}

// derive is absorb for the sample that is taken already.
func (p *Presenter) derive() {
	if p.begun = p.base; p.base.number > p.taken.Number {
		p.begun = baseline{}
	}
	p.shown, p.stale = p.begun.since(p.taken.Sample), true
	p.mixed = p.mix()
	p.ranked = p.rank(p.shown)
	p.drops = p.rankDrops(p.shown)
	p.smooth(p.shown)
}

// rank returns the interfaces of a sample, the busiest first. While they are folded, a group
// is as busy as all that is in it.
func (p *Presenter) rank(s *probes.Sample) []*probes.Interface {
	rows := make(map[probes.InterfaceKey]*probes.Interface, len(s.Interfaces))
	ranked := make([]*probes.Interface, 0, len(rows))
	for i := range s.Interfaces {
		row := &s.Interfaces[i]
		rows[row.Key()] = row
		ranked = append(ranked, row)
	}
	if p.query.IsFolded() != p.orders.folded {
		p.orders.interfaces, p.orders.folded = steadyOrder[probes.InterfaceKey]{}, p.query.IsFolded()
	}
	rates := make(map[probes.InterfaceKey]float64, len(rows))
	for t, i := newTree(ranked), 0; i < len(ranked); i++ {
		rates[ranked[i].Key()] = t.rank(ranked[i], p.orders.folded)
	}
	p.orders.interfaces.update(rates, s.Interval)
	ranked = ranked[:0]
	for _, key := range p.orders.interfaces.order {
		ranked = append(ranked, rows[key])
	}
	return ranked
}

// smooth follows our own share of the processor over some seconds: it comes in
// ticks, and a number that jumps makes a quiet screen be drawn for its sake.
func (p *Presenter) smooth(s *probes.Sample) {
	keep := math.Exp(-s.Interval.Seconds() / 5)
	if p.self.RSS == 0 || p.taken.isRecalled {
		keep = 0
	}
	p.self = probes.Self{CPU: keep*p.self.CPU + (1-keep)*s.Self.CPU, RSS: s.Self.RSS}
}

// record adds a sample's rates to the history.
func (p *Presenter) record(s *probes.Sample) {
	p.history.advance(s.Interval)
	// What is shown of the whole host comes first: it must not lack room for the
	// interfaces' sake.
	p.history.add(seriesKey{"", execSeries}, s.Execs.PerSecond, s.Interval)
	p.history.add(seriesKey{"", dropSeries}, s.Drops.PerSecond, s.Interval)
	p.trails.record(s, p.history)
	p.recordProtocols(s.Totals.Protocols, s.Interval)
	p.recordProtocols(s.Protocols, s.Interval)
}

// recordProtocols adds the rates of an interface's protocols, or the totals', each and all
// of a direction together.
func (p *Presenter) recordProtocols(rows []probes.Protocol, interval time.Duration) {
	for i := range rows {
		row := &rows[i]
		series := rxSeries
		if row.Direction == probes.TX {
			series = txSeries
		}
		p.history.add(seriesKey{row.Interface, series}, row.BPS, interval)
		p.history.add(seriesKey{row.Interface, row.Name}, row.BPS, interval)
	}
}

// Ask takes a new query.
func (p *Presenter) Ask(q Query) {
	old := p.query
	p.query = q
	p.trails.want(q.Narrow, p.history)
	p.trails.want(q.Detail, p.history)
	if p.shown == nil {
		return
	}
	if q.Moment != old.Moment {
		p.turn(q.Moment)
	}
	if q.Since != old.Since {
		p.begin(q.Since)
	}
	if q.Scope != old.Scope || q.Narrow != old.Narrow {
		p.mixed = p.mix()
	}
	if q.IsFolded() != old.IsFolded() {
		p.ranked = p.rank(p.shown)
	}
	if p.stale { // all is built anew
		return
	}
	if !q.sameOthers(old) {
		p.snapshot.Protocols = p.remembered()
		p.snapshot.Execs, p.snapshot.Drops = p.execs(), p.dropped()
		p.snapshot.InterfaceRows = p.interfaces()
		p.snapshot.Noticed = notice(p.shown, q)
	}
	if !q.sameConnections(p.snapshot.Connections.Query) {
		p.snapshot.Connections = p.connections(0)
		p.snapshot.Groups = p.groups()
	}
	if q.Detail != old.Detail || q.Since != old.Since || q.Scope != old.Scope {
		p.snapshot.Detail = p.detail()
	}
	if !q.sameInterfaces(p.snapshot.InterfaceRows.Query) {
		p.snapshot.InterfaceRows = p.interfaces()
	}
}

// interfaces are the rows of those wanted.
func (p *Presenter) interfaces() Interfaces {
	return selectInterfaces(p.narrowInterfaces(p.ranked), p.query)
}

// connections are those wanted, interval after the sample of the last time.
func (p *Presenter) connections(interval time.Duration) Connections {
	out := selectConnections(p.shown, p.query, &p.orders.busy, interval)
	p.begun.connectionsSince(out.Rows, p.query.Scope)
	return out
}

// begin begins totals anew, from what is shown now on, or has them from the start on again.
func (p *Presenter) begin(since int) {
	p.base = baseline{}
	if since > 0 {
		p.base = newBaseline(&p.taken, p.allGroups())
	}
	p.derive()
}

// rates are a line of history up to what is shown.
func (p *Presenter) rates(iface, name string) []float64 {
	return p.history.values(seriesKey{iface, name}, p.taken.step())
}

func (p *Presenter) allGroups() map[GroupBy][]Group {
	groups := make(map[GroupBy][]Group)
	for _, by := range Groupings {
		groups[by] = p.sums().Groups(by, p.shown)
	}
	return groups
}

// groups are the sums that are wanted.
func (p *Presenter) groups() []Group {
	if p.query.By == ByNothing {
		return nil
	}
	return groupKind.filtered(p.begun.groupsSince(p.sums().Groups(p.query.By, p.shown)), p.query.Groups.Filter)
}

// Publish hands over a snapshot, of the moment that the query wants.
func (p *Presenter) Publish() {
	p.built = time.Now()
	if p.now.Sample == nil {
		if p.ended {
			p.Snapshots.Put(&Snapshot{Ended: true})
		}
		return
	}
	if p.stale {
		p.build()
	}
	p.snapshot.Pairs = len(p.taken.Sample.CrossConnects)
	p.snapshot.PairRows = p.narrowPairs(p.taken.Sample.CrossConnects)
	p.snapshot.CrossConnects, p.snapshot.PairsTime = p.now.Sample.CrossConnects, p.now.Sample.Time
	p.snapshot.Moments, p.snapshot.Ago = p.past.Moments(), p.ago()
	p.snapshot.Ended = p.ended
	out := p.snapshot
	p.Snapshots.Put(&out)
}

// build makes the snapshot of the shown sample.
func (p *Presenter) build() {
	s := p.shown
	p.stale = false
	p.snapshot = Snapshot{
		Sample:        p.taken.Sample,
		Moment:        p.taken.Moment,
		Since:         p.begun.time(),
		Time:          s.Time,
		Hooks:         countHooks(s.Interfaces, s.Attaching),
		Attaching:     s.Attaching,
		Interfaces:    s.Interfaces,
		Protocols:     p.remembered(),
		Connections:   p.connections(s.Interval),
		Noticed:       notice(s, p.query),
		Groups:        p.groups(),
		InterfaceRows: p.interfaces(),
		Execs:         p.execs(),
		OwnersProblem: s.OwnersProblem,
		LinksProblem:  s.LinksProblem,
		OthersUnknown: s.OthersUnknown,
		KeptUnknown:   s.KeptUnknown,
		InspectorNews: s.InspectorNews,
		Drops:         p.dropped(),
		Lost:          s.Lost,
		Self:          p.self,
		Detail:        p.detail(),
	}
}
