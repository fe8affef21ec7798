package snapshot

import (
	"context"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// A slow screen gets the latest snapshot, and misses no program.
func TestPresenterCoalesces(t *testing.T) {
	source := fake.NewSource()
	p := NewPresenter(source)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	var want uint64
	for n := range 300 {
		s := fake.Sample(n)
		want += uint64(len(s.Execs.Events))
		source.Send(s)
	}
	deadline := time.After(10 * time.Second)
	for {
		select {
		case shown := <-p.Snapshots:
			if !shown.Time.Equal(fake.Sample(299).Time) {
				continue
			}
			events := shown.Execs.Events
			if len(events) == 0 || events[len(events)-1].Number != want || uint64(len(events)) != min(want, execsKept) {
				t.Fatalf("%d programs, want %d", len(events), want)
			}
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			return
		case <-deadline:
			t.Fatal("no snapshot of the last sample")
		}
	}
}

// Snapshots never change under the reader, also when the log is cut.
func TestPresenterLog(t *testing.T) {
	p := NewPresenter(fake.NewSource())
	var first *Snapshot
	for n := range 100 {
		s := probes.Sample{Time: fake.Start.Add(time.Duration(n) * time.Second), Interval: time.Second}
		for i := range 99 {
			s.Execs.Events = append(s.Execs.Events, probes.Exec{PID: uint32(n*99 + i)})
		}
		p.Take(&s)
		p.Publish()
		shown := <-p.Snapshots
		if n == 30 {
			first = shown
		}
		events := shown.Execs.Events
		if len(events) > execsKept || events[len(events)-1].PID != uint32(n*99+98) {
			t.Fatalf("%d programs", len(events))
		}
	}
	for i, e := range first.Execs.Events {
		if e.PID != first.Execs.Events[0].PID+uint32(i) {
			t.Fatal("an old snapshot has changed")
		}
	}
}

// On a host with a hundred interfaces the busy one is the first within a second.
func TestBusiestFirst(t *testing.T) {
	p := NewPresenter(fake.NewSource())
	for n := range 3 {
		s := probes.Sample{Time: fake.Start.Add(time.Duration(n) * fake.Interval)}
		for i := range 112 {
			row := probes.Interface{Ifindex: 2 + i}
			if n > 0 {
				s.Interval = fake.Interval
				row.RXBPS = float64(100 * (i % 7))
			}
			if i == 77 && n > 0 {
				row.TXBPS = 5e5
			}
			s.Interfaces = append(s.Interfaces, row)
		}
		p.Take(&s)
		p.Publish()
		shown := <-p.Snapshots
		want := 2
		if n > 0 {
			want = 79
		}
		if rows := shown.InterfaceRows.Rows; len(rows) != 112 || rows[0].Ifindex != want || shown.Interfaces[0].Ifindex != 2 {
			t.Errorf("sample %d: %d interfaces, the first has index %d, want %d", n, len(rows), rows[0].Ifindex, want)
		}
	}
}
