package ui

import (
	"context"
	"math"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// latest is a box for one value: a new one replaces one nobody took. Putting
// never blocks, which is why the screen may do it. One goroutine puts.
type latest[T any] chan T

func newLatest[T any]() latest[T] { return make(latest[T], 1) }

func (l latest[T]) put(v T) {
	for {
		select {
		case l <- v:
			return
		default:
		}
		select {
		case <-l:
		default:
		}
	}
}

// query is what the panes want to see. The feeder answers each with a frame.
type query struct {
	paused bool
	scope  string // protocols and connections of this interface only
	order  order
	filter string
	need   int // rows of the connection table, from the first
	page   int // rows the pane shows
	pin    connKey
	pinned bool // find the row of pin
}

// sameRows reports whether a frame made for o serves q as well. Where the
// cursor is matters only at the next sample.
func (q query) sameRows(o query) bool {
	return q.paused == o.paused && q.scope == o.scope && q.order == o.order &&
		q.filter == o.filter && q.need <= o.need
}

const (
	// frameGap bounds the frames of a source that delivers faster than people
	// read, a recording at full speed for one.
	frameGap = 50 * time.Millisecond
	execLog  = 1000 // programs kept
)

// The names of series that are not a protocol. None is called like this.
const (
	rxSeries   = " received"
	txSeries   = " sent"
	execSeries = " execs"
)

// feeder stands between source and screen. Its one goroutine takes samples as
// they come, does all that takes time, and leaves finished frames in a box of
// one, where the screen fetches them as fast as it can draw.
type feeder struct {
	source  probes.Source
	frames  latest[*frame]
	queries latest[query]

	q       query
	sample  *probes.Sample // the last one that came
	shown   *probes.Sample // the one on the screen: an older one while paused
	rates   []byteRate     // of shown.Connections
	mixed   protocolFrame  // of shown, without history
	self    probes.Self    // of shown, smoothed
	frame   frame          // the last one built
	stale   bool           // frame is not of shown
	history *history
	meter   rateMeter
	mixer   mixer
	log     []execRow // append only: frames hold parts of it
	logged  uint64
	ended   bool
	built   time.Time
}

func newFeeder(source probes.Source) *feeder {
	return &feeder{
		source:  source,
		frames:  newLatest[*frame](),
		queries: newLatest[query](),
		history: newHistory(),
		meter:   newRateMeter(),
	}
}

// run feeds the screen until ctx ends or the source fails, and returns why the
// source failed.
func (f *feeder) run(ctx context.Context) error {
	samples := f.source.Samples()
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case s, ok := <-samples:
			if !ok {
				if err := f.source.Err(); err != nil {
					return err
				}
				// A recording has run out: its last sample stays.
				samples, f.ended = nil, true
			} else {
				f.take(&s)
			}
		case q := <-f.queries:
			f.ask(q)
		case <-due:
			due = nil
			f.publish()
			continue
		}
		if wait := frameGap - time.Since(f.built); wait <= 0 {
			due = nil
			f.publish()
		} else if due == nil {
			due = time.After(wait)
		}
	}
}

// take remembers a sample: what must not be lost is kept even while paused.
func (f *feeder) take(s *probes.Sample) {
	f.sample = s
	for _, e := range s.Execs.Events {
		f.logged++
		f.log = append(f.log, execRow{number: f.logged, Exec: e})
	}
	if len(f.log) > 2*execLog { // frames still hold the old array
		f.log = append(make([]execRow, 0, 2*execLog+1), f.log[len(f.log)-execLog:]...)
	}
	f.record(s)
	if !f.q.paused || f.shown == nil {
		f.absorb()
	}
}

// absorb derives what depends on consecutive samples from the latest one.
func (f *feeder) absorb() {
	f.shown, f.stale = f.sample, true
	f.rates = f.meter.measure(f.shown)
	f.mixed = f.mixer.mix(f.shown, f.q.scope)
	f.smooth(f.shown)
}

// smooth follows our own share of the processor over some seconds: it comes in
// ticks, and a number that jumps makes a quiet screen be drawn for its sake.
func (f *feeder) smooth(s *probes.Sample) {
	keep := math.Exp(-s.Interval.Seconds() / 5)
	if f.self.RSS == 0 {
		keep = 0
	}
	f.self = probes.Self{CPU: keep*f.self.CPU + (1-keep)*s.Self.CPU, RSS: s.Self.RSS}
}

// record adds a sample's rates to the history.
func (f *feeder) record(s *probes.Sample) {
	f.history.advance(s.Interval)
	sums := make(map[seriesKey]float64)
	for i := range s.Protocols {
		p := &s.Protocols[i]
		if p.BPS > 0 {
			sums[seriesKey{"", p.Name}] += p.BPS
			sums[seriesKey{p.Interface, p.Name}] += p.BPS
			total := rxSeries
			if p.Direction == probes.TX {
				total = txSeries
			}
			sums[seriesKey{"", total}] += p.BPS
			sums[seriesKey{p.Interface, total}] += p.BPS
		}
	}
	for key, rate := range sums {
		f.history.add(key, rate, s.Interval)
	}
	f.history.add(seriesKey{"", execSeries}, s.Execs.PerSecond, s.Interval)
}

// ask takes a new query.
func (f *feeder) ask(q query) {
	old := f.q
	f.q = q
	if f.shown == nil {
		return
	}
	if !q.paused && f.shown != f.sample {
		f.absorb()
		return
	}
	if q.scope != old.scope {
		f.mixed = f.mixer.mix(f.shown, q.scope)
		f.frame.protocols = f.mixed.remember(f.history)
	}
	if !q.sameRows(f.frame.conns.query) {
		f.frame.conns = newConnFrame(f.shown, f.rates, q)
	}
}

// publish hands over a frame, of the latest sample unless paused.
func (f *feeder) publish() {
	f.built = time.Now()
	if f.sample == nil {
		if f.ended {
			f.frames.put(&frame{ended: true})
		}
		return
	}
	if f.stale {
		f.show()
	}
	f.frame.crossConnects, f.frame.linksProblem = f.sample.CrossConnects, f.sample.LinksProblem
	f.frame.wired = f.sample.Time
	f.frame.ended = f.ended
	out := f.frame
	f.frames.put(&out)
}

// show builds the frame of the shown sample.
func (f *feeder) show() {
	s := f.shown
	f.stale = false
	f.frame = frame{
		time:       s.Time,
		hooks:      countHooks(s.Interfaces),
		attaching:  s.Attaching,
		interfaces: s.Interfaces,
		protocols:  f.mixed.remember(f.history),
		conns:      newConnFrame(s, f.rates, f.q),
		execs: execFrame{
			hook:      s.Execs.Hook,
			reason:    s.Execs.HookReason,
			total:     s.Execs.Total,
			failed:    s.Execs.Failed,
			perSecond: s.Execs.PerSecond,
			events:    f.log[max(0, len(f.log)-execLog):len(f.log):len(f.log)],
			history:   f.history.values(seriesKey{"", execSeries}),
		},
		lost: s.Lost,
		self: f.self,
	}
}
