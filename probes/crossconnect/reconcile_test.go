package crossconnect

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestDeviceReturns deletes a device, and makes one of the same name.
func TestDeviceReturns(t *testing.T) {
	for _, d := range []Datapath{TC, XDP} {
		for name, open := range kindsOfSet {
			t.Run(string(d)+" "+name, func(t *testing.T) {
				b := newXDPBench(t, 2)
				w := open(b)
				b.set(w, pair(0, 1, d))
				old := b.link("p0").Attrs().Index
				b.check(b.hub.DeleteLink("p0"))
				b.follow(w)
				b.expectPairs(w, "p0-p1 waiting /")
				if s := b.only(w); s.Reason != "p0 is missing" {
					t.Errorf("%+v", s)
				}
				if b.leads(1, soon) != -1 {
					t.Error("frames still come out somewhere")
				}
				for _, ifindex := range []int{0, old} {
					b.plug(0, ifindex)
					b.check(b.far.PrepareForXDP("f0"))
					b.follow(w)
					b.expectPairs(w, fmt.Sprintf("p0-p1 active %s/%s", d, d))
					b.expectWires(1, 0)
					b.expectPromiscuity(1, 1)
					b.check(b.hub.DeleteLink("p0")) // and back before anybody looks
				}
				b.plug(0, old)
				b.check(b.far.PrepareForXDP("f0"))
				b.follow(w)
				b.expectWires(1, 0)
			})
		}
	}
}

// TestOthersDoNotWait changes pairs while an unrelated one waits.
func TestOthersDoNotWait(t *testing.T) {
	b := newBench(t, 4)
	w := b.own()
	b.set(w, pair(0, 1))
	b.check(b.hub.DeleteLink("p0"))
	b.follow(w)
	b.set(w, pair(0, 1), pair(2, 3))
	b.expectPairs(w, "p0-p1 waiting /", "p2-p3 active tc/tc")
	b.expectAttached("p1 tc", "p2 tc", "p3 tc") // p1 is not free
	b.plug(0, 0)
	b.follow(w)
	b.expectWires(1, 0, 3, 2)
}

// TestWait connects interfaces that are not there yet.
func TestWait(t *testing.T) {
	b := newBench(t, 1)
	w := b.own()
	b.set(w, Pair{A: "p1", B: "p0", Wait: true})
	b.expectPairs(w, "p1-p0 waiting /")
	b.addPort(0)
	b.follow(w)
	b.expectWires(1, 0)
}

// TestRename has frames flow while a device gets another name.
func TestRename(t *testing.T) {
	b := newXDPBench(t, 2)
	w := b.own()
	b.set(w, pair(0, 1, XDP, TC))
	b.check(b.hub.Rename("p0", "uplink"))
	b.follow(w)
	b.expectWires(1, 0)
	b.expectPairs(w, "uplink-p1 active xdp/tc")
	b.check(b.hub.Rename("uplink", "p0"))
	// Without Reconcile: a change knows, too.
	b.set(w, pair(0, 1, XDP, TC))
	b.expectWires(1, 0)
}

// TestMove moves a device to another namespace, and back.
func TestMove(t *testing.T) {
	for _, d := range []Datapath{TC, XDP} {
		for name, open := range kindsOfSet {
			t.Run(string(d)+" "+name, func(t *testing.T) {
				b := newXDPBench(t, 2)
				elsewhere := labtest.Namespace(t)
				w := open(b)
				b.set(w, pair(0, 1, d))
				for _, looks := range []bool{true, false} {
					b.check(b.hub.Move("p0", elsewhere))
					if looks {
						b.follow(w)
						b.expectPairs(w, "p0-p1 waiting /")
						b.expectWires(-1, -1)
					}
					b.check(elsewhere.Move("p0", b.hub))
					b.follow(w)
					b.expectPairs(w, fmt.Sprintf("p0-p1 active %s/%s", d, d))
					b.expectWires(1, 0)
				}
			})
		}
	}
}

// detachByHand is what somebody else may do.
func (a *attachment) detachByHand() error {
	if l, ok := a.link.(link.Link); ok {
		return l.Detach()
	}
	return a.link.Close()
}

// TestRecheck puts right what no message tells of, and has nothing to do where
// all is well.
func TestRecheck(t *testing.T) {
	for name, prepare := range hooks {
		for kind, open := range kindsOfSet {
			t.Run(name+" "+kind, func(t *testing.T) {
				b := newBench(t, 4)
				w := open(b)
				prepare(t, w)
				b.set(w, pair(0, 1), Pair{A: near(2), B: near(3), Wait: true})
				isDue := func() (due bool) {
					b.do(func() error {
						return w.look(func(m moment) (err error) {
							due, err = w.inKernel.ingresses.isDue(m)
							return err
						})
					})
					return due
				}
				expectDue := func(want bool) {
					t.Helper()
					if got := isDue(); got != want {
						t.Errorf("something to do: %v, want %v", got, want)
					}
				}
				expectDue(false)
				b.do(w.inKernel.ingresses.find(near(0)).attached.tc.detachByHand)
				expectDue(true)
				b.do(w.RetryWaiting)
				expectDue(false)
				b.expectWires(1, 0, 3, 2)
				b.check(b.hub.DeleteLink(near(2)))
				b.follow(w)
				expectDue(true)
				b.plug(2, 0)
				b.do(w.RetryWaiting)
				expectDue(false)
				b.expectWires(1, 0, 3, 2)
				b.try(w, time.Minute, pair(0, 1))
				expectDue(false)
				b.do(w.Rollback)
				b.try(w, 10*time.Millisecond, pair(0, 1))
				b.await("the trial ends", isDue)
				b.do(w.RetryWaiting)
				expectDue(false)
			})
		}
	}
}

// BenchmarkRecheck is what it costs that nothing happens, beside Reconcile.
func BenchmarkRecheck(b *testing.B) {
	const pairs = 50
	hub := labtest.Namespace(b)
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	var set []Pair
	for i := range pairs {
		check(hub.AddBridge(fmt.Sprint("a", i)))
		check(hub.AddBridge(fmt.Sprint("b", i)))
		set = append(set, Pair{A: fmt.Sprint("a", i), B: fmt.Sprint("b", i)})
	}
	var w *PairSet
	check(hub.Do(func() (err error) {
		if w, err = New(); err != nil {
			return err
		}
		b.Cleanup(func() { check(w.Close()) })
		return w.Set(set, 0)
	}))
	for name, keepUp := range map[string]func() error{"recheck": w.RetryWaiting, "follow": w.Reconcile} {
		b.Run(fmt.Sprintf("%s/pairs=%d", name, pairs), func(b *testing.B) {
			check(hub.Do(func() (err error) { // on a thread inside
				for b.Loop() {
					err = errors.Join(err, keepUp())
				}
				return err
			}))
		})
	}
}
