package snapshot

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// eventful is a sample in which connections end, pairs come, and what was dropped goes up.
func eventful(n int) *probes.Sample {
	s := fake.Sample(n)
	if n == 0 {
		s.Interval = 0
	}
	all := s.Connections
	s.Connections = slices.Clone(all[n%40:])
	for _, c := range all[:n%40] {
		if (n+int(c.RXBytes))%7 == 0 {
			s.Ended = append(s.Ended, c)
		}
	}
	for i := range n % 3 {
		s.CrossConnects = append(s.CrossConnects, probes.CrossConnect{A: "eth1", B: string(rune('a' + i)), AToB: probes.Leg{Packets: uint64(n)}})
	}
	round(reflect.ValueOf(&s).Elem())
	return &s
}

// round leaves of rates what is kept of them.
func round(v reflect.Value) {
	switch v.Kind() {
	case reflect.Float64:
		v.SetFloat(float64(float32(v.Float())))
	case reflect.Slice:
		for i := range v.Len() {
			round(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			round(v.Field(i))
		}
	}
}

// inOrder is what a snapshot shows, its rows in an order that does not depend on what was before.
func inOrder(s *Snapshot) map[string]any {
	protocols, groups, drops := slices.Clone(s.Protocols.Rows), slices.Clone(s.Groups), slices.Clone(s.Drops.Rows)
	connections, interfaces := slices.Clone(s.Connections.Rows), slices.Clone(s.InterfaceRows.Rows)
	slices.SortFunc(protocols, func(a, b Protocol) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(drops, func(a, b probes.Drop) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(interfaces, func(a, b Interface) int { return cmp.Compare(a.Key(), b.Key()) })
	slices.SortFunc(connections, func(a, b probes.Connection) int { return compareKeys(&a, &b) })
	slices.SortFunc(groups, func(a, b Group) int { return cmp.Compare(a.Key, b.Key) })
	for i := range groups { // of connections from then on, whichever came first
		groups[i].Owner = nil
	}
	return map[string]any{
		"protocols": protocols, "received": s.Protocols.RX, "sum": s.Protocols.Traffic,
		"connections": connections, "of all": s.Connections.Total, "matching": s.Connections.Matching,
		"groups": groups, "interfaces": interfaces, "drops": drops, "dropped": s.Drops.Total, "drops before": s.Drops.History,
		"programs": s.Execs.Events, "executed": s.Execs.Total, "programs before": s.Execs.History,
		"pairs": s.PairRows, "since": s.Since.UnixNano(), "time": s.Time.UnixNano(), "lost": s.Lost,
	}
}

// text is for values that pointers lead to, and for times of any zone.
func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// seen publishes, and returns what that shows.
func (p *Presenter) seen() *Snapshot {
	p.Publish()
	return <-p.Snapshots
}

// queries are what is asked for in the past, as it was asked for then.
var queries = map[string]Query{
	"all":          {Need: 1000, By: ByOwner},
	"filtered":     {Need: 1000, Connections: Rows{By: int(Newest), Filter: "proto:tcp"}, Drops: Rows{Filter: "udp"}, By: ByRemote},
	"narrowed":     {Need: 1000, Narrow: Subject{Kind: OfGroup, By: ByProtocol, Group: GroupKey{name: "tcp"}}, By: ByProtocol},
	"an interface": {Need: 1000, Scope: "eth1", Folding: &Folding{}, By: ByNetwork},
	"since":        {Need: 1000, Since: 1, By: ByCommand},
}

// TestPast has every moment as it was, whatever is asked for, and now as if nobody had left it.
func TestPast(t *testing.T) {
	const samples = 400
	for name, q := range queries {
		t.Run(name, func(t *testing.T) {
			p, stayed := NewPresenter(fake.NewSource()), NewPresenter(fake.NewSource())
			was := make(map[uint64]map[string]any)
			for n := range samples {
				asked := q
				if n < samples/2+2 { // of a moment that is not kept, because that is seen in both ways
					asked.Since = 0
				}
				p.Ask(asked)
				p.Take(eventful(n))
				s := p.seen()
				was[s.Moment.Number] = inOrder(s)
				stayed.Ask(asked)
				stayed.Take(eventful(n))
				stayed.seen()
			}
			moments := p.seen().Moments
			if want := (samples - 1) / 4; len(moments) != want {
				t.Fatalf("%d moments, want %d", len(moments), want)
			}
			for _, m := range moments {
				q.Moment = m.Number
				p.Ask(q)
				s := p.seen()
				if s.Moment != m || !s.Ago.IsPast || s.Ago.Time != p.now.At-m.At {
					t.Fatalf("%+v is %+v, %+v", m, s.Moment, s.Ago)
				}
				now := inOrder(s)
				for what, want := range was[m.Number] {
					if got := now[what]; text(t, got) != text(t, want) {
						t.Fatalf("%s of %+v:\n%s\nwant\n%s", what, m, text(t, got), text(t, want))
					}
				}
			}
			for n := samples; n < samples+20; n++ {
				p.Take(eventful(n))
				stayed.Take(eventful(n))
			}
			q.Moment = 0
			p.Ask(q)
			if got, want := inOrder(p.seen()), inOrder(stayed.seen()); !reflect.DeepEqual(got, want) {
				t.Errorf("now is\n%s\nwant\n%s", text(t, got), text(t, want))
			}
		})
	}
}

// TestFrozen: the moment that was on the screen stays there, whatever comes.
func TestFrozen(t *testing.T) {
	p := NewPresenter(fake.NewSource())
	q := Query{Need: 100, By: ByPort}
	p.Ask(q)
	for n := range 10 {
		p.Take(eventful(n))
	}
	want := inOrder(p.seen())
	q.Moment = p.now.Number
	p.Ask(q)
	for n := 10; n < 1500; n++ {
		p.Take(eventful(n))
	}
	s := p.seen()
	if got := inOrder(s); text(t, got) != text(t, want) {
		t.Errorf("is\n%s\nwant\n%s", text(t, got), text(t, want))
	}
	if s.Ago.Time != 1490*fake.Interval || s.Ago.Connections+s.Ago.Programs > 0 || s.Ago.SumsLater {
		t.Errorf("%+v", s.Ago)
	}
}

// TestPastLeftOut says what is not there: connections beyond the busiest, and programs that are
// forgotten.
func TestPastLeftOut(t *testing.T) {
	p := NewPresenter(fake.NewSource())
	const connections, programs = mostKept + 1234, 200
	for n := range 20 * int(time.Second/fake.Interval) {
		s := fake.Sample(n)
		s.Connections = fake.Connections(connections, 0, s.Time)
		s.Connections[connections-1].RXBPS = 1e6
		s.Execs.Events = make([]probes.Exec, programs)
		p.Take(&s)
	}
	p.Ask(Query{Need: 10, Moment: p.past.Moments()[0].Number})
	s := p.seen()
	if want := (Ago{IsPast: true, Time: p.now.At - s.Moment.At, Connections: 1234, Programs: int(s.Moment.Number) * programs}); s.Ago != want {
		t.Errorf("%+v, want %+v", s.Ago, want)
	}
	if got := s.Connections; got.Total != mostKept || got.Rows[0].RXBPS != 1e6 {
		t.Errorf("%d connections, the first is %+v", got.Total, got.Rows[0])
	}
}

// TestLedgerBefore takes back what ended, also what was put together for want of room.
func TestLedgerBefore(t *testing.T) {
	l := NewLedger(ByRemote, ByProtocol)
	first, later := fake.Connections(2*mostEndedGroups, 0, fake.Start), fake.Connections(100, 0, fake.Start)
	l.Take(&probes.Sample{Ended: first})
	want := l.Groups(ByRemote, &probes.Sample{})
	l.Take(&probes.Sample{Ended: later})
	ended := func(yield func([]probes.Connection) bool) { _ = yield(later[:50]) && yield(later[50:]) }
	got := l.before(ended).Groups(ByRemote, &probes.Sample{})
	for _, list := range [][]Group{got, want} {
		for i := range list {
			list[i].Owner = nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%d groups, want %d", len(got), len(want))
	}
}

// BenchmarkTake is what a sample costs that nobody looks at, with what is kept of it; every
// fourth one is.
func BenchmarkTake(b *testing.B) {
	for name, n := range map[string]int{"connections=100": 100, "connections=10000": 10_000, "connections=131072": 131_072} {
		b.Run(name, func(b *testing.B) {
			p := NewPresenter(fake.NewSource())
			p.Ask(Query{Moment: 1})
			s := fake.Sample(1)
			s.Connections = fake.Connections(n, n, s.Time)
			for i := range s.Connections {
				s.Connections[i].RXBPS = float64(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Take(&s)
			}
		})
	}
}
