package crossconnect

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// forEachKept calls fn for each datapath and hook with a kept pair of p0 and p1, which
// no process looks after.
func forEachKept(t *testing.T, fn func(*bench, Datapath)) {
	for _, d := range []Datapath{TC, XDPGeneric, XDP} {
		for name, prepare := range hooks {
			if d != TC && name != "tc" {
				continue
			}
			t.Run(string(d)+" "+name, func(t *testing.T) {
				b := newXDPBench(t, 2)
				w := b.kept()
				prepare(t, w)
				b.set(w, pair(0, 1, d))
				b.expectWires(1, 0)
				b.do(w.Close)
				fn(b, d)
			})
		}
	}
}

// addStranger gives an ifindex to an interface that nobody connected, and listens at
// its far end.
func (b *bench) addStranger(at *lab.Namespace, ifindex int) {
	b.t.Helper()
	b.check(lab.QuietVethAt(ifindex, at, "stranger", b.far, "beyond"))
	wire, err := b.far.Open("beyond")
	b.check(err)
	b.t.Cleanup(func() { wire.Close() })
	b.wires = append(b.wires, wire)
}

// expectHost tests that what enters p1 reaches its host.
func (b *bench) expectHost(host *lab.Namespace) {
	b.t.Helper()
	b.check(host.AddAddress("p1", "10.11.12.1/24"))
	b.check(b.far.AddAddress("f1", "10.11.12.2/24"))
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	if err := b.far.Ping(ctx, netip.MustParseAddr("10.11.12.1"), 1); err != nil {
		b.t.Errorf("the host is not reached: %v", err)
	}
}

// TestEgressGoes deletes a device, and another one gets its ifindex, while nobody looks.
func TestEgressGoes(t *testing.T) {
	forEachKept(t, func(b *bench, _ Datapath) {
		gone := b.link("p0").Attrs().Index
		b.check(b.hub.DeleteLink("p0"))
		b.addStranger(b.hub, gone)
		if to := b.leads(1, soon); to != -1 {
			b.t.Errorf("what enters p1 comes out of %d, want nowhere", to)
		}
		b.expectHost(b.hub)
		again := b.kept()
		b.expectPairs(again, "p0-p1 waiting /")
		if s := b.only(again); s.Reason != "p0 is missing" {
			t.Errorf("%+v", s)
		}
	})
}

// TestEgressMoves moves the device to another namespace instead of deleting it.
func TestEgressMoves(t *testing.T) {
	forEachKept(t, func(b *bench, _ Datapath) {
		gone := b.link("p0").Attrs().Index
		b.check(b.hub.Move("p0", labtest.Namespace(t)))
		b.addStranger(b.hub, gone)
		if to := b.leads(1, soon); to != -1 {
			b.t.Errorf("what enters p1 comes out of %d, want nowhere", to)
		}
		b.expectHost(b.hub)
	})
}

// TestIngressMoves moves a device with its programs to another namespace, where one that
// nobody connected has the ifindex of its peer, while nobody looks.
func TestIngressMoves(t *testing.T) {
	forEachKept(t, func(b *bench, d Datapath) {
		elsewhere := labtest.Namespace(t)
		b.addStranger(elsewhere, b.link("p0").Attrs().Index)
		gone := b.link("p1").Attrs().Index
		b.check(b.hub.Move("p1", elsewhere))
		if to := b.leads(1, soon); to != -1 {
			b.t.Errorf("what enters p1 comes out of %d, want nowhere", to)
		}
		b.expectHost(elsewhere)

		// It is not taken for one that got its ifindex, either.
		b.check(lab.QuietVethAt(gone, b.hub, "heir", b.far, "afar"))
		again := b.kept()
		b.follow(again)
		b.expectPairs(again, "p0-p1 waiting /")
		b.check(b.hub.DeleteLink("heir"))
		b.check(elsewhere.Move("p1", b.hub))
		b.follow(again)
		b.expectPairs(again, "p0-p1 active "+string(d)+"/"+string(d))
		b.set(again)
		if l := b.link("p1"); l.Attrs().Promisc != 0 {
			b.t.Errorf("promiscuity %d of who was away", l.Attrs().Promisc)
		}
	})
}
