package crossconnect

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// unpin has a set of pairs keep pairs by filters, and somebody remove their pins.
func (b *bench) unpin(pairs ...Pair) *PairSet {
	b.t.Helper()
	w := b.kept()
	filterHook(b.t, w)
	b.set(w, pairs...)
	b.do(w.Close)
	b.check(b.pins().remove())
	return w
}

func (b *bench) removeUnpinned(w *PairSet, name, peer string) (removed bool) {
	b.t.Helper()
	b.do(func() (err error) {
		removed, err = w.RemoveUnpinned(name, peer)
		return err
	})
	return removed
}

// TestUnpinnedAreRemoved finds the filters that stay, both of a pair and none
// of any other.
func TestUnpinnedAreRemoved(t *testing.T) {
	b := newBench(t, 6)
	b.unpin(pair(0, 1), pair(2, 3))
	b.expectWires(1, 0, 3, 2, -1, -1)
	w := b.kept()
	if b.removeUnpinned(w, near(0), near(3)) || b.removeUnpinned(w, near(4), "") || b.removeUnpinned(w, "none", "") {
		t.Error("removed what is no pair")
	}
	b.expectAttached("p0 tc", "p1 tc", "p2 tc", "p3 tc")
	b.expectPromiscuity(1, 1, 1, 1, 0, 0)
	if !b.removeUnpinned(w, near(1), near(0)) {
		t.Error("not found")
	}
	b.expectWires(-1, -1, 3, 2, -1, -1)
	b.expectAttached("p2 tc", "p3 tc")
	b.expectPromiscuity(0, 0, 1, 1, 0, 0)
	if !b.removeUnpinned(w, near(2), "") {
		t.Error("not found")
	}
	b.expectAttached()
}

// TestUnpinnedMakeRoom for a pair of one of their interfaces.
func TestUnpinnedMakeRoom(t *testing.T) {
	b := newBench(t, 4)
	b.unpin(pair(0, 1))
	b.refused(b.own(), "p0 is in a pair already: `ebpftop xconnect del p0` ends that", pair(0, 2))
	w := b.kept()
	filterHook(t, w)
	b.set(w, pair(0, 2))
	b.expectWires(2, -1, 0, -1)
	b.expectAttached("p0 tc", "p2 tc")
	b.expectPromiscuity(1, 0, 1, 0)
}

// TestUnpinnedHalf has the pins of one end removed: that of the other are there.
func TestUnpinnedHalf(t *testing.T) {
	b := newBench(t, 4)
	w := b.kept()
	filterHook(t, w)
	b.set(w, pair(0, 1), pair(2, 3))
	b.do(w.Close)
	b.check(b.pins().below("ingress-1").remove())
	again := b.kept()
	filterHook(t, again)
	b.set(again, pair(0, 1), pair(2, 3))
	b.expectWires(1, 0, 3, 2)
	b.expectAttached("p0 tc", "p1 tc", "p2 tc", "p3 tc") // one on each
	b.expectPromiscuity(1, 1, 1, 1)
}

// TestPinnedAreNotUnpinned leaves alone what is kept, what ends with a process,
// and what only has the name.
func TestPinnedAreNotUnpinned(t *testing.T) {
	b := newBench(t, 6)
	kept, own := b.kept(), b.own()
	filterHook(t, kept)
	filterHook(t, own)
	b.set(kept, pair(0, 1))
	b.set(own, pair(2, 3))
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "MIT", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, -1), asm.Return(), // TC_ACT_UNSPEC
	}})
	b.check(err)
	defer pass.Close()
	b.do(func() error {
		_, err := attach.AddFilter(pass, b.link(near(4)).Attrs().Index, attach.Ingress, attach.LastPriority, attach.KeptFilter)
		return err
	})
	for i := range b.wires {
		if b.removeUnpinned(kept, near(i), "") {
			t.Errorf("removed a filter of p%d", i)
		}
	}
	b.set(kept, pair(0, 1), pair(4, 5))
	b.expectWires(1, 0, 3, 2, 5, 4)
	b.expectAttached("p0 tc", "p1 tc", "p2 tc", "p3 tc", "p4 tc", "p4 tc", "p5 tc")
}
