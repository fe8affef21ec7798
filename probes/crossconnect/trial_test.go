package crossconnect

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// kindsOfSet open a set of pairs that ends with the process, and one that does not.
var kindsOfSet = map[string]func(*bench) *PairSet{"own": (*bench).own, "kept": (*bench).kept}

// TestTrialExpires lets the kernel alone bring back the set before.
func TestTrialExpires(t *testing.T) {
	for name, open := range kindsOfSet {
		t.Run(name, func(t *testing.T) {
			b := newXDPBench(t, 4)
			w := open(b)
			b.set(w, pair(0, 1), pair(2, 3, XDP))
			b.try(w, time.Second, pair(0, 2, XDP, TC))
			b.expectWires(2, -1, 0, -1)
			b.expectPairs(w, "p0-p1 trial / removed", "p0-p2 trial xdp/tc", "p2-p3 trial / removed")
			b.fails("a trial is under way", func() error { return w.Set(nil, 0) })
			if name == "kept" {
				b.do(w.Close)
			}
			b.await("the trial is over", func() bool { return b.leads(0, soon) == 1 })
			b.expectWires(1, 0, 3, 2)
			b.expectPairs(w, "p0-p1 active tc/tc", "p2-p3 active xdp/xdp")
			b.fails("no trial is under way", w.Confirm)
			b.fails("no trial is under way", w.Rollback)
			b.follow(w)
			b.expectAttached("p0 tc", "p1 tc", "p2 xdp", "p3 xdp")
		})
	}
}

// TestTrialAllAtOnce has frames enter by two ingresses while a trial runs out.
func TestTrialAllAtOnce(t *testing.T) {
	b := newBench(t, 4)
	w := b.own()
	b.set(w, pair(0, 1), pair(2, 3))
	f := b.startFlow(0, 2)
	f.more()
	b.try(w, 300*time.Millisecond, pair(0, 3), pair(2, 1))
	time.Sleep(600 * time.Millisecond)
	var sets []bool
	for n, to := range f.stop() {
		sets = append(sets, (n%2 == 0) == (to == 1))
	}
	if changes := slices.Compact(sets); !slices.Equal(changes, []bool{true, false, true}) {
		t.Errorf("the sets were %v", changes)
	}
}

// TestTrialEnded ends it by either way before its time.
func TestTrialEnded(t *testing.T) {
	for name, open := range kindsOfSet {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 4)
			w := open(b)
			b.try(w, time.Minute, pair(0, 1))
			b.do(w.Rollback)
			b.expectWires(-1, -1, -1, -1)
			b.expectAttached()

			b.try(w, 300*time.Millisecond, pair(0, 1))
			b.do(w.Confirm)
			time.Sleep(400 * time.Millisecond)
			b.expectWires(1, 0, -1, -1)

			b.try(w, time.Minute, pair(0, 1, TC), pair(2, 3))
			var left time.Duration
			b.do(func() (err error) {
				left, err = w.Trial()
				return err
			})
			const tick = 10 * time.Millisecond // at most: deadlines are rounded up to one
			if left < 50*time.Second || left > time.Minute+tick {
				t.Errorf("%v left", left)
			}
			b.expectPairs(w, "p0-p1 trial tc/tc", "p2-p3 trial tc/tc")
			b.do(w.Rollback)
			b.expectWires(1, 0, -1, -1)
			if s := b.only(w); s.AToB.Requested != Auto {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestTrialOfMode asks for what the kernel could not take back by itself.
func TestTrialOfMode(t *testing.T) {
	b := newXDPBench(t, 2)
	w := b.own()
	b.set(w, pair(0, 1, XDP))
	b.fails("a trial cannot put xdp-generic in the place of xdp: change it without a trial", func() error {
		return w.Set([]Pair{pair(0, 1, XDPGeneric)}, time.Minute)
	})
	b.set(w, pair(0, 1, XDPGeneric))
	b.fails("a trial cannot put auto in the place of xdp-generic", func() error {
		return w.Set([]Pair{pair(0, 1)}, time.Minute)
	})
	b.expectWires(1, 0)
}

// TestCountsAcrossTrial has an ingress count for two pairs in turn, of which each
// must be told its own.
func TestCountsAcrossTrial(t *testing.T) {
	for name, open := range kindsOfSet {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 3)
			w := open(b)
			send := func(n int) {
				for i := range n {
					b.check(b.wires[0].Send(frame(0, i)))
				}
			}
			expect := func(ab, ac int) {
				t.Helper()
				for _, s := range b.status(w) {
					want := ab
					if s.B == "p2" {
						want = ac
					}
					if !s.Removed && (s.AToB.Packets != uint64(want) || s.AToB.Bytes != uint64(60*want) || s.BToA.Packets != 0) {
						t.Errorf("%s-%s counted %d frames of %d bytes, want %d", s.A, s.B, s.AToB.Packets, s.AToB.Bytes, want)
					}
				}
			}
			b.set(w, pair(0, 1))
			send(10)
			b.set(w, pair(0, 1))
			send(10)
			expect(20, 0)
			b.try(w, time.Minute, pair(0, 2))
			expect(20, 0)
			send(5)
			expect(0, 5)
			b.do(w.Rollback)
			expect(20, 0)
			send(1)
			expect(21, 0)
			b.set(w, pair(0, 2))
			send(7)
			b.set(w, pair(0, 2, TC))
			send(1)
			expect(0, 8)
			b.set(w, pair(0, 1))
			expect(0, 0)
		})
	}
}

// TestEditFails by what it was told, and by nothing else.
func TestEditFails(t *testing.T) {
	b := newBench(t, 2)
	w := b.own()
	b.set(w, pair(0, 1))
	mine := errors.New("not now")
	err := b.hub.Do(func() error { return w.Edit(0, func([]Pair) ([]Pair, error) { return nil, mine }) })
	if !errors.Is(err, mine) {
		t.Error(err)
	}
	b.expectWires(1, 0)
}
