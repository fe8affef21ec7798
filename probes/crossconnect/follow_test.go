package crossconnect

import (
	"fmt"
	"testing"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// TestDeviceReturns deletes a device, and makes one of the same name.
func TestDeviceReturns(t *testing.T) {
	for _, d := range []Datapath{TC, XDP} {
		for name, open := range wirings {
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
	// Without Follow: a change knows, too.
	b.set(w, pair(0, 1, XDP, TC))
	b.expectWires(1, 0)
}

// TestMove moves a device to another namespace, and back.
func TestMove(t *testing.T) {
	for _, d := range []Datapath{TC, XDP} {
		for name, open := range wirings {
			t.Run(string(d)+" "+name, func(t *testing.T) {
				b := newXDPBench(t, 2)
				elsewhere := lab.ForTest(t)
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
