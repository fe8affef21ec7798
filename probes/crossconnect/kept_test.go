package crossconnect

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// hooks are what can serve the datapath tc, whatever the kernel.
var hooks = map[string]func(*testing.T, *PairSet){
	"tc":     func(*testing.T, *PairSet) {},
	"clsact": filterHook,
}

// TestKept closes the set, and opens it as another process would.
func TestKept(t *testing.T) {
	for name, prepare := range hooks {
		t.Run(name, func(t *testing.T) {
			b := newXDPBench(t, 6)
			before := descriptors(t)
			w := b.kept()
			prepare(t, w)
			b.set(w, pair(0, 1, XDP, TC), pair(2, 3, XDPGeneric), Pair{A: "p4", B: "none", BToA: TC, Wait: true})
			b.check(b.wires[0].Send(frame(0, 0)))
			b.do(w.Close)
			if got := descriptors(t); got != before {
				t.Errorf("%d descriptors, had %d", got, before)
			}
			b.expectWires(1, 0, 3, 2, -1, -1)
			b.expectPromiscuity(1, 1, 1, 1, 0, 0)

			again := b.kept()
			prepare(t, again)
			list := b.status(again)
			if got := described(list); !slices.Equal(got, []string{
				"p0-p1 active xdp/tc", "p2-p3 active xdp-generic/xdp-generic", "p4-none waiting /",
			}) {
				t.Errorf("%q", got)
			}
			if s := list[0]; s.AToB.Packets != 2 || s.AToB.Bytes != 120 || s.BToA.Packets != 1 || !strings.HasPrefix(s.AToB.DatapathReason, "asked for") {
				t.Errorf("%+v", s)
			}
			if s := list[2]; s.AToB.Requested != Auto || s.BToA.Requested != TC || s.Reason != "none is missing" {
				t.Errorf("%+v", s)
			}
			b.set(again)
			b.expectAttached()
			b.expectPromiscuity(0, 0, 0, 0, 0, 0)
			b.expectNoPins()
		})
	}
}

// TestKeptByTwo has two sets of pairs open at once, which see what the other does.
func TestKeptByTwo(t *testing.T) {
	b := newBench(t, 4)
	one, two := b.kept(), b.kept()
	b.set(one, pair(0, 1))
	b.expectPairs(two, "p0-p1 active tc/tc")
	b.set(two, pair(0, 1), pair(2, 3))
	b.expectPairs(one, "p0-p1 active tc/tc", "p2-p3 active tc/tc")

	// One brings a device back, and two must know or it would end that again.
	b.check(b.hub.DeleteLink("p0"))
	b.follow(one)
	b.plug(0, 0)
	b.follow(one)
	b.follow(two)
	b.follow(one)
	b.expectPairs(two, "p0-p1 active tc/tc", "p2-p3 active tc/tc")
	b.expectAttached("p0 tc", "p1 tc", "p2 tc", "p3 tc") // by one of the two
	b.do(one.Close)
	b.expectWires(1, 0, 3, 2)

	b.set(two)
	b.expectAttached() // though one had looked at it
	b.expectPairs(one)
}

// TestKeptEndsForAll removes a pair whose links another one holds, too.
func TestKeptEndsForAll(t *testing.T) {
	b := newXDPBench(t, 2)
	one, two := b.kept(), b.kept()
	b.set(one, pair(0, 1, XDP, TC))
	b.status(two)
	b.set(one)
	b.expectAttached()
}

// TestEditsOneAfterTheOther has sets of pairs add pairs at the same time. None is lost.
func TestEditsOneAfterTheOther(t *testing.T) {
	const pairs = 6
	b := newBench(t, 2*pairs)
	var editing sync.WaitGroup
	sets := make([]*PairSet, pairs)
	for i := range sets {
		sets[i] = b.kept()
	}
	for i, w := range sets {
		editing.Go(func() {
			err := b.hub.Do(func() error {
				return w.Edit(0, func(now []Pair) ([]Pair, error) {
					time.Sleep(10 * time.Millisecond)
					return append(now, pair(2*i, 2*i+1)), nil
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	editing.Wait()
	if got := b.status(sets[0]); len(got) != pairs {
		t.Errorf("%d pairs, want %d: %v", len(got), pairs, described(got))
	}
}

// TestKeptRenamed has a device get another name while nobody looks.
func TestKeptRenamed(t *testing.T) {
	for name, prepare := range hooks {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 2)
			w := b.kept()
			prepare(t, w)
			b.set(w, pair(0, 1))
			b.do(w.Close)
			b.check(b.hub.Rename("p0", "uplink"))
			b.expectWires(1, 0)
			again := b.kept()
			prepare(t, again)
			b.follow(again)
			b.expectPairs(again, "uplink-p1 active tc/tc")
			b.expectWires(1, 0)
		})
	}
}

// TestKeptReplaced has a device deleted and made anew while nobody looks.
func TestKeptReplaced(t *testing.T) {
	for name, prepare := range hooks {
		t.Run(name, func(t *testing.T) {
			b := newXDPBench(t, 2)
			w := b.kept()
			prepare(t, w)
			b.set(w, pair(0, 1, XDP, TC))
			b.do(w.Close)
			ifindex := b.link("p0").Attrs().Index
			b.check(b.hub.DeleteLink("p0"))
			b.plug(0, ifindex) // the same one: only the kernel's links tell
			b.check(b.far.PrepareForXDP("f0"))
			again := b.kept()
			prepare(t, again)
			b.follow(again)
			b.expectPairs(again, "p0-p1 active xdp/tc")
			b.expectWires(1, 0)
			b.expectPromiscuity(1, 1)
		})
	}
}

// TestPromiscuityOfOthersStays does not take back what it did not give.
func TestPromiscuityOfOthersStays(t *testing.T) {
	b := newBench(t, 2)
	b.do(func() error { return netlink.SetPromiscOn(b.link("p0")) })
	w := b.kept()
	b.set(w, pair(0, 1))
	b.expectPromiscuity(1, 1)
	b.set(w)
	b.expectPromiscuity(1, 0)
}

// TestPinsRemovedByHand removes the pins of a kept pair, with which its tcx programs go. Whoever
// changes anything next gives promiscuity back, and leaves that of others alone.
func TestPinsRemovedByHand(t *testing.T) {
	b := newBench(t, 4)
	if !attach.HasTCX() {
		t.Skip("filters stay: TestUnpinnedAreRemoved")
	}
	w := b.kept()
	b.set(w, pair(0, 1))
	root := string(w.inKernel.pins)
	b.do(w.Close)
	b.check(os.RemoveAll(root))
	b.expectAttached()
	b.expectPromiscuity(1, 1, 0, 0)
	again := b.kept()
	b.set(again, pair(2, 3))
	b.expectPromiscuity(0, 0, 1, 1)
	for i := range 2 {
		if names := b.link(near(i)).Attrs().AltNames; len(names) != 0 {
			t.Errorf("p%d is noted still: %q", i, names)
		}
	}
	b.set(again)
}

// TestHalfMadePort finds what a process leaves that is killed between two pins.
func TestHalfMadePort(t *testing.T) {
	b := newBench(t, 4)
	w := b.kept()
	b.set(w, pair(0, 1))
	half := b.pins().below("ingress-9")
	b.check(half.make())
	m, err := half.newMap(w.inKernel.loader.spec.Maps[bpf.CrossConnectsMapRecord])
	b.check(err)
	b.check(m.Close())

	looking := b.kept()
	b.expectPairs(looking, "p0-p1 active tc/tc")
	if !half.exists() {
		t.Error("to look removed what a process may be making just now")
	}
	b.set(looking, pair(0, 1), pair(2, 3))
	b.expectWires(1, 0, 3, 2)
	if half.exists() {
		t.Error("half an ingress is left")
	}
}

// TestLonelyPort finds half a pair: someone removed files.
func TestLonelyPort(t *testing.T) {
	b := newBench(t, 4)
	w := b.kept()
	b.set(w, pair(0, 1))
	b.do(w.Close)
	b.check(b.pins().below("ingress-1").remove())
	again := b.kept()
	b.expectPairs(again)
	b.set(again, pair(0, 1), pair(2, 3))
	b.expectWires(1, 0, 3, 2)
}

// TestPinsVanish has someone remove all files: then nothing is kept.
func TestPinsVanish(t *testing.T) {
	needsLinks(t)
	b := newBench(t, 2)
	w := b.kept()
	b.set(w, pair(0, 1))
	b.check(b.pins().remove())
	b.follow(w)
	b.expectPairs(w)
	b.expectAttached()
	b.set(w, pair(0, 1))
	b.expectWires(1, 0)
}

// TestLeftWithoutControlWord is what a process leaves that is killed at once.
func TestLeftWithoutControlWord(t *testing.T) {
	b := newBench(t, 2)
	w := b.kept()
	b.check(b.pins().below("ingress-0").make())
	b.expectPairs(w)
	b.set(w, pair(0, 1))
	b.expectWires(1, 0)
}

// TestAnotherVersion finds maps of another shape, and says what to do.
func TestAnotherVersion(t *testing.T) {
	b := newBench(t, 2)
	w := b.kept()
	b.set(w, pair(0, 1))
	b.do(w.Close)
	file := b.pins().below("ingress-0").path(bpf.RecordMapName)
	b.check(os.Remove(file))
	other := w.inKernel.loader.spec.Maps[bpf.CrossConnectsMapRecord].Copy()
	other.ValueSize, other.Value, other.Contents = 8, nil, nil
	m, err := b.pins().below("ingress-0").newMap(other)
	b.check(err)
	b.check(m.Close())
	again := b.kept()
	b.fails("was kept by another version of ebpftop (rm -r", func() error {
		_, err := again.Status()
		return err
	})
	b.check(b.pins().remove())
}

// TestReadOnlyPins cannot keep anything, and leaves nothing.
func TestReadOnlyPins(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	mountBare(t)
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", bpffs, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	b := newBench(t, 2)
	w := b.kept()
	t.Cleanup(func() { remount(0) }) // the first to be called: the others remove
	remount(unix.MS_RDONLY)
	b.refused(w, "read-only file system", pair(0, 1))
	b.expectAttached()
	remount(0)
	b.set(w, pair(0, 1))
	before := b.attached()
	remount(unix.MS_RDONLY)
	b.refused(w, "read-only file system", pair(0, 1, XDPGeneric))
	b.expectAttached(before...)
	b.expectWires(1, 0)
	remount(0)
}

// TestNamesOfKept is for messages: a kept pair is said to be one.
func TestNamesOfKept(t *testing.T) {
	b := newBench(t, 3)
	kept, own := b.kept(), b.own()
	b.set(kept, pair(0, 1))
	b.refused(own, "p1 is in a pair already: `ebpftop xconnect del p1` ends that", pair(1, 2))
	if p := string(b.pins()); !strings.HasPrefix(p, pinRoot+"/") {
		t.Error(fmt.Sprint("kept in ", p))
	}
}
