package crossconnect

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"

	"github.com/ebpftop/ebpftop/bpf"
)

// TestWire connects two interfaces by each datapath, and by different ones.
func TestWire(t *testing.T) {
	for _, datapaths := range [][]Datapath{{TC}, {XDPGeneric}, {XDP}, {XDP, TC}, {TC, XDPGeneric}, {XDP, XDPGeneric}} {
		t.Run(fmt.Sprint(datapaths), func(t *testing.T) {
			b := newXDPBench(t, 3)
			w := b.own()
			b.expectWires(-1, -1, -1)
			b.set(w, pair(0, 1, datapaths...))
			b.expectWires(1, 0, -1)
			b.expectPairs(w, fmt.Sprintf("p0-p1 active %s/%s", datapaths[0], datapaths[len(datapaths)-1]))
			b.set(w)
			b.expectWires(-1, -1, -1)
			b.expectAttached()
		})
	}
}

// TestAutoOnVirtual is what nobody has to ask for.
func TestAutoOnVirtual(t *testing.T) {
	b := newXDPBench(t, 2)
	w := b.own()
	b.set(w, Pair{A: "p0", B: "p1"})
	s := b.only(w)
	if s.AToB.Datapath != TC || s.AToB.Requested != Auto || s.AToB.DatapathReason != "virtual device: veth" || s.Reason != "" {
		t.Errorf("%+v", s)
	}
}

// TestUnchanged sends frames of all shapes, which must arrive as they are.
func TestUnchanged(t *testing.T) {
	frames := map[string][]byte{
		"LLDP":       append([]byte{1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x88, 0xcc}, make([]byte, 46)...),
		"STP":        append([]byte{1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 38}, make([]byte, 46)...),
		"multicast":  append([]byte{1, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, 1, 8, 0, 0x45}, make([]byte, 50)...),
		"VLAN":       append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0xa0, 100, 8, 6}, make([]byte, 46)...),
		"two VLANs":  append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 8, 6}, make([]byte, 46)...),
		"full MTU":   append(frame(0, 0), make([]byte, 1514-60)...),
		"and a VLAN": append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 1, 0x88, 0xb5}, make([]byte, 1500)...),
	}
	for _, d := range []Datapath{TC, XDPGeneric, XDP} {
		b := newXDPBench(t, 2)
		w := b.own()
		b.set(w, pair(0, 1, d))
		var size uint64
		for name, want := range frames {
			b.check(b.wires[0].Send(want))
			got, err := b.wires[1].Receive(time.Now().Add(5 * time.Second))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %s: %x (%v), want %x", d, name, got, err, want)
			}
			size += uint64(len(want))
		}
		s := b.only(w)
		if s.AToB.Packets != uint64(len(frames)) || s.AToB.Bytes != size || s.BToA.Packets != 0 {
			t.Errorf("%s: counted %+v, want %d frames of %d bytes", d, s, len(frames), size)
		}
	}
}

// TestReflector connects an interface to itself.
func TestReflector(t *testing.T) {
	for _, d := range []Datapath{TC, XDPGeneric, XDP} {
		b := newXDPBench(t, 1)
		w := b.own()
		b.set(w, pair(0, 0, d))
		b.expectWires(0)
		b.expectPairs(w, fmt.Sprintf("p0-p0 active %s/%s", d, d))
	}
}

// TestLargeIfindex is beyond what a table by ifindex would have room for.
func TestLargeIfindex(t *testing.T) {
	for _, d := range []Datapath{TC, XDP} {
		b := newBench(t, 1)
		b.addPort(5000)
		for i := range b.wires {
			b.check(b.far.PrepareForXDP(far(i)))
		}
		w := b.own()
		b.set(w, pair(0, 1, d))
		b.expectWires(1, 0)
	}
}

// TestNoFrameOfOthersLost replaces pairs 200 times, and has frames flow through
// one that stays.
func TestNoFrameOfOthersLost(t *testing.T) {
	for _, d := range []Datapath{TC, XDP} {
		t.Run(string(d), func(t *testing.T) {
			b := newXDPBench(t, 6)
			w := b.own()
			b.set(w, pair(0, 1, d), pair(2, 3))
			f := b.startFlow(0)
			for i := range 200 {
				b.set(w, pair(0, 1, d), pair(2, 3+i/10%3), Pair{A: "none0", B: fmt.Sprint("none", i), Wait: true})
			}
			f.stopAt(1)
			if s := b.status(w); s[1].AToB.Packets != uint64(f.sent.Load()) {
				t.Errorf("counted %d of %d", s[1].AToB.Packets, f.sent.Load())
			}
		})
	}
}

// TestAllAtOnce exchanges the pairs of two sets while frames enter by two ingresses
// in turn. There must be one moment from which on all come out by the new set.
func TestAllAtOnce(t *testing.T) {
	const changes = 40
	for _, d := range []Datapath{TC, XDP} {
		t.Run(string(d), func(t *testing.T) {
			b := newXDPBench(t, 4)
			w := b.own()
			sets := [][]Pair{
				{pair(0, 1, d), pair(2, 3, d)},
				{pair(0, 3, d), pair(2, 1, d)},
			}
			b.set(w, sets[0]...)
			f := b.startFlow(0, 2)
			for i := range changes {
				f.more()
				b.set(w, sets[1-i%2]...)
			}
			f.more()
			seen, before := 0, 0
			for n, to := range f.stop() {
				set := 0
				if (n%2 == 0) != (to == 1) {
					set = 1
				}
				if set != before {
					seen++
				}
				before = set
			}
			if seen != changes {
				t.Errorf("the set changed %d times, want %d", seen, changes)
			}
		})
	}
}

// TestFailedSet fails in all ways, and finds everything as it was.
func TestFailedSet(t *testing.T) {
	b := newXDPBench(t, 4)
	b.check(b.hub.AttachXDP("p3", "foreign"))
	w := b.own()
	b.set(w, pair(0, 1, XDP, TC))
	b.set(w, pair(0, 1, XDP, TC)) // some descriptors stay open from the first time on
	before, open, promiscuous := b.attached(), descriptors(t), b.promiscuity()
	f := b.startFlow(0)
	kept := pair(0, 1, XDP, TC)
	for _, test := range []struct {
		says  string
		pairs []Pair
		kind  error // nil: any
	}{
		{`no interface "p9" here`, []Pair{kept, pair(2, 9)}, ErrMissing},
		{`no interface "p8" here: ` + "`ip -br link`" + ` lists those there are; no interface`, []Pair{kept, pair(8, 9)}, ErrMissing},
		{"p2 is to be connected to p3 and to p1: an interface can be in one pair only", []Pair{pair(2, 3), pair(1, 2)}, ErrTaken},
		{"p0 is connected to p1 already", []Pair{kept, kept}, ErrTaken},
		{"p1 is connected to p0 already", []Pair{kept, pair(1, 0)}, ErrTaken},
		{"XDP is taken by another program on p3", []Pair{kept, pair(3, 2, XDP)}, nil},
		// p0 changes its mode first, and must change it back.
		{"XDP is taken by another program on p3", []Pair{pair(0, 1, XDPGeneric, TC), pair(2, 3, XDP)}, nil},
		{"lo is the loopback interface", []Pair{kept, {A: "lo", B: "p2"}}, nil},
		{"bad interface name", []Pair{kept, {A: "p2", B: "a/b"}}, nil},
		{"bad interface name", []Pair{kept, {A: "p2", B: "0123456789abcdef"}}, nil},
		{"bad interface name", []Pair{kept, {A: "p2", B: ".."}}, nil},
		{`unknown datapath "wire"`, []Pair{kept, pair(2, 3, "wire")}, nil},
	} {
		b.refused(w, test.says, test.pairs...)
		if err := w.Set(test.pairs, 0); test.kind != nil && !errors.Is(err, test.kind) {
			t.Errorf("%v is not %v", err, test.kind)
		}
		b.expectAttached(before...)
		if got := b.promiscuity(); !slices.Equal(got, promiscuous) {
			t.Errorf("%s: promiscuity %v, want %v", test.says, got, promiscuous)
		}
	}
	b.fails("a trial of -1s", func() error { return w.Set(nil, -time.Second) })

	spec := w.inKernel.loader.spec
	traffic, program := spec.Maps[bpf.CrossConnectsMapCrossConnectTraffic], spec.Programs[bpf.CrossConnectsProgConnectTc]
	traffic.MaxEntries = 0 // the kernel refuses that
	b.refused(w, "make map cross_connect_traffic", kept, pair(2, 3))
	traffic.MaxEntries = generations
	instructions := program.Instructions
	program.Instructions = asm.Instructions{asm.Return()} // of nothing
	b.refused(w, "load the cross-connect program", kept, pair(2, 3))
	program.Instructions = instructions

	f.quit.Store(true)
	f.running.Wait()
	b.expectPairs(w, "p0-p1 active xdp/tc")
	b.expectAttached(before...)
	b.expectWires(1, 0, -1, -1)
	if got := descriptors(t); got != open {
		t.Errorf("%d descriptors, had %d", got, open)
	}
	b.set(w, kept, pair(2, 3))
	b.expectWires(1, 0, 3, 2)
}

// TestChangeOfDatapath changes that of a pair in use.
func TestChangeOfDatapath(t *testing.T) {
	all := []Datapath{TC, XDP, XDPGeneric}
	b := newXDPBench(t, 2)
	w := b.own()
	for _, from := range all {
		for _, to := range all {
			b.set(w, pair(0, 1, from))
			b.expectWires(1, 0)
			b.set(w, pair(0, 1, to))
			b.expectWires(1, 0)
			b.expectAttached("p0 "+string(to), "p1 "+string(to))
		}
	}
}

// TestFromXDPToTC must not lose a frame, nor its header: both are there while it
// changes.
func TestFromXDPToTC(t *testing.T) {
	b := newBench(t, 2)
	w := b.own()
	// Generic: a veth throws away what it holds when native XDP ends.
	b.set(w, pair(0, 1, XDPGeneric))
	f := b.startFlow(0)
	for range 20 {
		b.set(w, pair(0, 1, TC))
		b.set(w, pair(0, 1, XDPGeneric))
	}
	f.stopAt(1)
}

// TestCloseLeavesNothing counts what is open, attached and promiscuous.
func TestCloseLeavesNothing(t *testing.T) {
	b := newXDPBench(t, 4)
	before := descriptors(t)
	for range 2 {
		w := b.own()
		b.set(w, pair(0, 1, XDP, TC), pair(2, 3))
		b.set(w, pair(0, 2, XDP, TC))
		b.expectPromiscuity(1, 0, 1, 0)
		b.status(w)
		b.follow(w)
		b.do(w.Close)
		b.expectAttached()
		b.expectPromiscuity(0, 0, 0, 0)
		if got := descriptors(t); got != before {
			t.Errorf("%d descriptors, had %d", got, before)
		}
	}
}

// TestOwnAndKeptLookTheSame but for who ends them.
func TestOwnAndKeptLookTheSame(t *testing.T) {
	b := newBench(t, 4)
	own, kept := b.own(), b.kept()
	b.set(own, pair(0, 1))
	b.set(kept, pair(2, 3))
	o, k := b.only(own), b.only(kept)
	if o.Kept || o.Origin != OriginScreen || o.Owner == 0 || !k.Kept || k.Origin != OriginKept || k.Owner != 0 {
		t.Errorf("own %+v, kept %+v", o, k)
	}
}
