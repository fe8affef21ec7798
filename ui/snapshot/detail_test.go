package snapshot

import (
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// TestDetailHistory is kept from the moment on that a detail was opened, also while another one
// is looked at, and has nothing from before.
func TestDetailHistory(t *testing.T) {
	p := NewPresenter(fake.NewSource())
	feed := func(from, to int) {
		for n := from; n < to; n++ {
			s := fake.Sample(n)
			s.Connections[0].RXBPS = 1000
			p.Take(&s)
		}
		p.Publish()
	}
	steps := func(n int) int { return n * int(HistoryStep/fake.Interval) }
	feed(0, steps(5))
	s := fake.Sample(0)
	subject := ConnectionSubject(&s.Connections[0])
	p.Ask(Query{Detail: subject})
	p.Publish()
	if d := (<-p.Snapshots).Detail; !d.Found || len(d.RX) != 0 {
		t.Fatalf("found %v, with %v from before", d.Found, d.RX)
	}
	feed(steps(5), steps(8))
	p.Ask(Query{Detail: Subject{Kind: OfProtocol, Name: "tcp"}})
	feed(steps(8), steps(10))
	p.Ask(Query{Detail: subject})
	p.Publish()
	d := (<-p.Snapshots).Detail
	if len(d.RX) < 4 || len(d.RX) > 5 {
		t.Fatalf("%d steps of history, want those since it was opened: %v", len(d.RX), d.RX)
	}
	for _, rate := range d.RX {
		if rate != 1000 {
			t.Errorf("history %v, want 1000 all the time", d.RX)
		}
	}
}

// TestTrailsBounded: what was not looked at for longest makes room.
func TestTrailsBounded(t *testing.T) {
	var kept trails
	h := newHistory()
	of := func(n uint32) Subject { return OwnerSubject(&probes.Owner{PID: n, Comm: "x"}) }
	for n := range uint32(3 * trailsMost) {
		kept.want(of(n), h)
		kept.want(of(0), h)
	}
	if len(kept.kept) != trailsMost {
		t.Errorf("%d are kept, want %d", len(kept.kept), trailsMost)
	}
	if rx, _ := kept.values(of(0), h, h.step); kept.kept[trailsMost-1].subject != of(0) || len(rx) > 0 {
		t.Error("the one that was looked at all the time made room")
	}
}

// TestDetailGroup has the sums that the list of groups has, and the programs of an owner that
// its process, or what that started, executed.
func TestDetailGroup(t *testing.T) {
	p := NewPresenter(fake.NewSource())
	s := fake.Sample(3)
	owner := *s.Connections[0].Owner
	owner.Started = s.Time.Add(-time.Hour)
	s.Connections[0].Owner = &owner
	s.Execs.Events = []probes.Exec{
		{Time: s.Time, PID: 9001, PPID: owner.PID, Comm: "child"},
		{Time: s.Time, PID: 9002, PPID: 9001, Comm: "grandchild", Ancestors: []probes.Ancestor{{PID: 9001}, {PID: owner.PID}}},
		{Time: s.Time, PID: 9003, PPID: 9004, Comm: "other"},
		{Time: owner.Started.Add(-time.Second), PID: owner.PID, Comm: "before"},
	}
	p.Take(&s)
	for _, by := range Groupings {
		want := p.ledger.Groups(by, &s)[0]
		got, ok := p.ledger.group(by, want.ID, &s)
		if !ok || got != want {
			t.Errorf("%s: %+v, want %+v", by, got, want)
		}
	}
	p.Ask(Query{Detail: OwnerSubject(&owner)})
	p.Publish()
	d := (<-p.Snapshots).Detail
	if d.ExecsTotal != 2 || d.Execs[0].Comm != "grandchild" || d.Execs[1].Comm != "child" {
		t.Errorf("executed %+v, want grandchild and child", d.Execs)
	}
	if d.ConnectionsTotal != len(d.Connections) || d.Connections[0].Owner.PID != owner.PID {
		t.Errorf("%d connections: %+v", d.ConnectionsTotal, d.Connections)
	}
}
