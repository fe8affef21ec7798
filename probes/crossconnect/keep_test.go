package crossconnect

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestKeep lets pairs stay while frames flow through them.
func TestKeep(t *testing.T) {
	for _, d := range []Datapath{TC, XDP, XDPGeneric} {
		for name, prepare := range hooks {
			t.Run(string(d)+" "+name, func(t *testing.T) {
				b := newXDPBench(t, 6)
				own, kept := b.own(), b.kept()
				prepare(t, own)
				prepare(t, kept)
				b.set(kept, pair(4, 5))
				b.set(kept, pair(4, 5), pair(2, 3))
				b.set(kept, pair(4, 5)) // so that another generation counts there
				b.set(own, pair(0, 1, d))
				f := b.startFlow(0)
				f.more()
				b.do(func() error { return own.Keep(kept) })
				f.more()
				b.do(own.Close)
				f.more()
				b.set(kept, pair(4, 5), pair(0, 1, d), pair(2, 3))
				f.more()
				b.do(kept.Close)
				f.stopAt(1)
				if name == "clsact" {
					time.Sleep(leaseTime)
				}
				b.expectWires(1, 0, 3, 2, 5, 4)
				again := b.kept()
				prepare(t, again)
				if s := b.status(again)[0]; s.AToB.Packets != uint64(f.sent.Load())+1 || !s.Kept {
					t.Errorf("%+v, want %d frames", s, f.sent.Load()+1)
				}
				b.expectPromiscuity(1, 1, 1, 1, 1, 1)
			})
		}
	}
}

// TestKeepFails leaves all pairs where they were.
func TestKeepFails(t *testing.T) {
	b := newXDPBench(t, 6)
	own, kept := b.own(), b.kept()
	b.set(kept, pair(4, 5))
	b.set(own, pair(0, 1, XDP), pair(2, 3))
	before := b.attached()
	b.check(kept.inKernel.needLoader())
	program := kept.inKernel.loader.spec.Programs[bpf.CrossConnectsProgConnectTc]
	good := program.Instructions
	program.Instructions = asm.Instructions{asm.Return()} // of nothing
	b.fails("load the cross-connect program", func() error { return own.Keep(kept) })
	program.Instructions = good
	if ingresses, err := filepath.Glob(b.pins().path("ingress-*")); err != nil || len(ingresses) != 2 {
		t.Errorf("%q (%v), want two", ingresses, err)
	}
	b.expectAttached(before...)
	b.expectPairs(kept, "p4-p5 active tc/tc")
	b.set(own, pair(0, 2, XDP), pair(1, 3))
	b.expectWires(2, 3, 0, 1)
	b.do(func() error { return own.Keep(kept) })
	b.expectPairs(own)
	b.expectWires(2, 3, 0, 1)
}

// TestKeepOnTrial is refused on either side.
func TestKeepOnTrial(t *testing.T) {
	b := newBench(t, 4)
	own, kept := b.own(), b.kept()
	b.set(own, pair(0, 1))
	b.try(kept, time.Minute, pair(2, 3))
	if err := b.hub.Do(func() error { return own.Keep(kept) }); !errors.Is(err, ErrTrial) {
		t.Error(err)
	}
	b.do(kept.Rollback)
	b.try(own, time.Minute, pair(2, 3))
	if err := b.hub.Do(func() error { return own.Keep(kept) }); !errors.Is(err, ErrTrial) {
		t.Error(err)
	}
}

// TestKeepInOwnMounts has a process keep pairs that has no bpffs but one that would end with
// it, as `ip netns exec` has it.
func TestKeepInOwnMounts(t *testing.T) {
	b := newBench(t, 2)
	w := b.kept()
	b.fails("nothing can be kept here: no bpffs is mounted on /sys/fs/bpf", func() error {
		return withOwnMounts(unmountBPFFS, func() error { return w.Set([]Pair{pair(0, 1)}, 0) })
	})
	b.expectAttached()
	b.set(w, pair(0, 1))
	b.expectWires(1, 0)
}

// unmountBPFFS unmounts all there are, one above the other.
func unmountBPFFS() error {
	for {
		err := unix.Unmount(bpffs, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) {
			return nil // none is left
		}
		if err != nil {
			return err
		}
	}
}

// TestNamespaceGone keeps pairs in network namespaces, of which some go. With the next pairs
// that are kept anywhere, their pins go, too, and no others.
func TestNamespaceGone(t *testing.T) {
	keep := func(b *bench) {
		b.do(func() error {
			w, err := OpenKept()
			if err != nil {
				return err
			}
			return errors.Join(w.Set([]Pair{pair(0, 1, TC)}, 0), w.Close())
		})
	}
	stays := newBench(t, 2)
	stays.kept()
	keep(stays)
	stays.check(stays.hub.DeleteLink("p0")) // its devices may go
	stays.check(stays.hub.DeleteLink("p1"))
	var gone []pins
	for range 2 {
		hub, err := lab.New()
		stays.check(err)
		b := &bench{t: t, hub: hub, far: labtest.Namespace(t)}
		for range 2 {
			b.check(lab.QuietVeth(b.hub, near(len(b.wires)), b.far, far(len(b.wires))))
			b.wires = append(b.wires, nil)
		}
		keep(b)
		gone = append(gone, b.pins())
		b.check(hub.Close())
	}
	next := newBench(t, 2)
	w := next.kept()
	next.await("pins are gone", func() bool { // the kernel takes its time
		next.set(w, pair(0, 1))
		next.set(w)
		return !gone[0].exists() && !gone[1].exists()
	})
	if !stays.pins().exists() {
		t.Error("pins of a namespace that is there are gone")
	}
}
