package crossconnect

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
)

// TestProgramsLookedAtOnce lists the pairs of others again and again: of all
// programs there are, only theirs are asked for again, by maps that stay open.
func TestProgramsLookedAtOnce(t *testing.T) {
	const ofOthers, own, foreign = 4, 2, 1
	b := newXDPBench(t, 7)
	cmd := b.helper("own") // p0 to p3
	b.set(b.own(), pair(4, 5, XDP, TC))
	b.check(b.hub.AttachXDP("p6", "foreign"))
	var reader IngressReader
	asked := 0
	others := NewOthers(func(ids []ebpf.ProgramID) (map[ebpf.ProgramID]*KernelIngress, error) {
		asked = len(ids)
		return reader.Read(ids)
	})
	list := func() (list []Status) {
		b.do(func() error {
			links, err := netlink.LinkList()
			if err != nil {
				return err
			}
			list, err = others.StatusAmong(links)
			return err
		})
		return list
	}
	list()
	if want := ofOthers + own + foreign; asked != want {
		t.Errorf("asked for %d programs at first, want %d", asked, want)
	}
	list()
	opened := maps.Clone(reader.known)
	before := list()[0].AToB.Packets
	b.check(b.wires[0].Send(frame(0, 0)))
	b.await("the frame is counted", func() bool { return list()[0].AToB.Packets == before+1 })
	if asked != ofOthers || !maps.Equal(reader.known, opened) {
		t.Errorf("asked for %d programs again, want %d, and the same maps: %v, %v", asked, ofOthers, opened, reader.known)
	}
	b.kill(cmd)
	b.await("others are forgotten", func() bool { return len(list()) == 0 && len(reader.known) == 0 })
	for id, m := range opened {
		if m.here.FD() != -1 {
			t.Errorf("the maps of program %d are still open", id)
		}
	}
	b.check(others.Close())
}

// TestStatusGrowsWithPairs and not with their square, nor what it allocates.
func TestStatusGrowsWithPairs(t *testing.T) {
	const pairs, most = 100, 40 // allocations for a pair
	b := newBench(t, 0)
	w := b.own()
	var set []Pair
	for i := range pairs {
		set = append(set, Pair{A: fmt.Sprint("a", i), B: fmt.Sprint("b", i), Wait: true})
	}
	b.set(w, set...)
	b.do(func() (failure error) {
		got := testing.AllocsPerRun(5, func() {
			_, err := w.Status()
			failure = errors.Join(failure, err)
		})
		if got > pairs*most {
			t.Errorf("%.0f allocations for a pair, want %d at most", got/pairs, most)
		}
		return failure
	})
}
