package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// TestTaken has sets of pairs of all kinds want the same interface. The first one has
// it.
func TestTaken(t *testing.T) {
	b := newXDPBench(t, 5)
	own, second, kept := b.own(), b.own(), b.kept()
	b.set(own, pair(0, 1, XDP, TC))
	b.refused(second, "p0 is in a pair already: disconnect it first", pair(0, 2, XDP))
	b.refused(kept, "p1 is in a pair already: disconnect it first", pair(1, 2))
	b.set(kept, pair(2, 3, XDP, TC))
	b.refused(own, "p2 is in a pair already: `ebpftop xconnect del p2` ends that", pair(0, 1, XDP, TC), pair(2, 4))
	b.expectWires(1, 0, 3, 2, -1)
	b.set(own)
	b.set(second, pair(0, 1))
	b.expectWires(1, 0, 3, 2, -1)
}

// TestTakenByAnother meets the pairs of another process.
func TestTakenByAnother(t *testing.T) {
	for _, task := range []string{"own", "own clsact"} {
		b := newXDPBench(t, 5)
		cmd := b.helper(task)
		w := b.own()
		by := fmt.Sprintf("is in a pair already: process %d connected it", cmd.Process.Pid)
		b.refused(w, "p0 "+by, pair(0, 4, XDP))
		b.refused(w, "p0 "+by, pair(0, 4))
		b.refused(w, "p3 "+by, pair(4, 3))
		b.expectWires(1, 0, 3, 2, -1)

		others := b.others()
		if got := described(others); !slices.Equal(got, []string{"p0-p1 active xdp/tc", "p2-p3 active tc/tc"}) {
			t.Errorf("%s: %q", task, got)
		}
		if s := others[0]; s.Owner != cmd.Process.Pid || s.Origin != OriginOther || s.AToB.Packets != 1 || s.AToB.Bytes != 60 {
			t.Errorf("%s: %+v", task, s)
		}
		b.check(b.hub.DeleteLink("p0"))
		if got := described(b.others())[0]; got != "p0-p1 waiting /" {
			t.Errorf("%s: %q", task, got)
		}
		b.kill(cmd)
		b.await("others are gone", func() bool { return len(b.others()) == 0 })
	}
}

func (b *bench) others() (list []Status) {
	b.t.Helper()
	b.do(func() (err error) {
		list, err = ListOthers()
		return err
	})
	return list
}

// TestTakenMeanwhile has two pairs wait for the same device. When it comes, the
// second one waits on, and says why.
func TestTakenMeanwhile(t *testing.T) {
	b := newBench(t, 2)
	one, two := b.own(), b.own()
	b.set(one, Pair{A: "p0", B: "p2", Wait: true})
	b.set(two, Pair{A: "p1", B: "p2", Wait: true})
	b.addPort(0)
	b.follow(one)
	b.follow(two)
	b.expectWires(2, -1, 0)
	if s := b.only(two); s.State != Waiting || s.Reason != "p2 is in a pair already: disconnect it first" {
		t.Errorf("%+v", s)
	}
	b.set(one)
	b.follow(two)
	b.expectWires(-1, 2, 1)
}

// TestTakenOnTrial has another set want the interfaces of a trial, and those that it
// disconnected, while it lasts and when it is over and nobody has put things right yet.
func TestTakenOnTrial(t *testing.T) {
	for name, open := range kindsOfSet {
		t.Run(name, func(t *testing.T) {
			b := newXDPBench(t, 5)
			first, second := open(b), b.own()
			b.set(first, pair(2, 3))
			b.try(first, time.Second, pair(0, 1, XDP, TC))
			b.refused(second, "p0 is in a pair already", pair(0, 4))
			b.refused(second, "p2 is in a pair already", pair(2, 4))
			b.await("the trial is over", func() bool { return b.leads(2, soon) == 3 })
			b.refused(second, "p2 is in a pair already", pair(2, 4))
			wish := Auto
			if name == "kept" {
				wish = XDP // which has room for one program
			}
			b.set(second, pair(0, 4, wish))
			b.expectWires(4, -1, 3, 2, 0)
			b.follow(first)
			b.expectWires(4, -1, 3, 2, 0)
			b.refused(first, "p0 is in a pair already", pair(0, 1))
		})
	}
}

// TestTakenAtTheSameTime has two processes connect the same interface at the same time,
// one of which has another bpffs, and so another lock.
func TestTakenAtTheSameTime(t *testing.T) {
	for _, second := range [][]Datapath{{TC}, {XDP}} {
		b := newXDPBench(t, 3)
		b.addFilter("p0")
		one, other := b.own(), b.own()
		var once sync.Once
		one.LookAt = func(id ebpf.ProgramID) (Program, error) {
			// The filter is looked at before anything is attached.
			once.Do(func() {
				b.do(func() error {
					return withOtherBPFFS(func() error { return other.Set([]Pair{pair(0, 1, second...)}, 0) })
				})
			})
			return LookAtProgram(id)
		}
		b.refused(one, "p0 is in a pair already", pair(0, 2, TC))
		b.expectWires(1, 0, -1)
	}
}

// TestKeptElsewhere has pairs kept by pins in another bpffs, beside those that are kept
// here.
func TestKeptElsewhere(t *testing.T) {
	needsLinks(t)
	b := newXDPBench(t, 5)
	here, own := b.kept(), b.own()
	b.do(func() error {
		return withOtherBPFFS(func() error {
			elsewhere, err := OpenKept()
			if err != nil {
				return err
			}
			if err := elsewhere.Set([]Pair{pair(0, 1, XDP, TC)}, 0); err != nil {
				return err
			}
			for range 2 { // without any pair here, and with one
				b.refused(own, "p0 is in a pair already: it is kept by pins in another bpffs", pair(0, 4))
				b.refused(here, "p1 is in a pair already: it is kept by pins in another bpffs", pair(1, 4))
				if got := described(b.others()); !slices.Equal(got, []string{"p0-p1 active xdp/tc"}) {
					t.Errorf("others: %q", got)
				}
				b.set(here, pair(2, 3))
			}
			if s := b.others()[0]; !s.Kept || s.Owner != 0 || s.Origin != OriginOther {
				t.Errorf("%+v", s)
			}
			b.expectWires(1, 0, 3, 2)
			return errors.Join(elsewhere.Set(nil, 0), elsewhere.Close())
		})
	})
	if got := b.others(); len(got) > 0 {
		t.Errorf("others: %+v", got)
	}
}

// TestUnknownAtTheSameTime has a process look again that may look at no program, not even
// at its own: these it knows.
func TestUnknownAtTheSameTime(t *testing.T) {
	for _, filters := range []bool{false, true} {
		b := newBench(t, 2)
		w := b.own()
		if filters {
			filterHook(t, w)
		}
		w.LookAt = func(ebpf.ProgramID) (Program, error) { return Program{}, os.ErrPermission }
		b.set(w, pair(0, 1))
		b.expectWires(1, 0)
	}
}

// addFilter adds a filter of somebody else, which passes all.
func (b *bench) addFilter(iface string) {
	b.t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()}, // TC_ACT_UNSPEC
	})
	b.check(err)
	defer program.Close()
	b.do(func() error {
		_, err := attach.AddFilter(program, b.link(iface).Attrs().Index, attach.Ingress, 1, "foreign")
		return err
	})
}

// withOtherBPFFS calls fn on a thread that has a bpffs of its own.
func withOtherBPFFS(fn func() error) error {
	return withOwnMounts(func() error { return unix.Mount("bpffs", bpffs, "bpf", 0, "mode=0700") }, fn)
}

// withOwnMounts calls fn on a thread that has mounts of its own, which prepare changes.
func withOwnMounts(prepare, fn func() error) error {
	result := make(chan error)
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer namespace.Close()
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		for _, do := range []func() error{
			func() error { return unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET) },
			func() error { return unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS) },
			func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
			prepare,
		} {
			if err := do(); err != nil {
				result <- err
				return
			}
		}
		result <- fn()
	}()
	return <-result
}

// TestForeignXDPStays connects by tc where a foreign program has XDP.
func TestForeignXDPStays(t *testing.T) {
	b := newXDPBench(t, 2)
	b.check(b.hub.AttachXDP("p0", "foreign"))
	w := b.own()
	b.refused(w, "XDP is taken by another program on p0", pair(0, 1, XDP))
	b.refused(w, "XDP is taken by another program on p0", pair(0, 1, XDPGeneric))
	b.set(w, pair(0, 1))
	b.expectWires(1, 0)
	b.set(w)
	b.expectProgram("foreign")
}

// TestXDPYields asks the caller's own program to make room, and no other time.
func TestXDPYields(t *testing.T) {
	b := newXDPBench(t, 2)
	b.check(b.hub.AttachXDP("p0", "own"))
	asked := 0
	w := b.own()
	w.YieldXDP = func(ifindex int) bool {
		asked++
		return removeXDP(b.link("p0")) == nil
	}
	b.set(w, pair(0, 1, TC))
	if asked != 0 {
		t.Error("asked to make room for tc")
	}
	b.set(w, pair(0, 1, XDP))
	b.expectWires(1, 0)
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func removeXDP(device netlink.Link) error {
	return netlink.LinkSetXdpFdWithFlags(device, -1, unix.XDP_FLAGS_DRV_MODE)
}
