package crossconnect

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestFramesInFlight has set follow set while frames are on their way through the
// program: they have read which generation counts, and not yet where that leads.
// A pair that is in all sets carries them, however long they take.
func TestFramesInFlight(t *testing.T) {
	const sets = 10
	for d, redirected := range map[Datapath]uint32{TC: 7, XDP: 4, XDPGeneric: 4} { // TC_ACT_REDIRECT, XDP_REDIRECT
		t.Run(string(d), func(t *testing.T) {
			b := newXDPBench(t, 6)
			w := b.own()
			for range generations { // so that both have the pair
				b.set(w, pair(0, 1, d), pair(2, 3))
			}
			programs := []*ebpf.Program{b.frozen(w, d, 0), b.frozen(w, d, 1)}
			var quit atomic.Bool
			var frames, lost int
			var flying sync.WaitGroup
			flying.Go(func() {
				for ; !quit.Load(); frames++ {
					verdict, _, err := programs[frames%generations].Test(frame(0, 0))
					if err != nil {
						t.Error(err)
						return
					}
					if verdict != redirected {
						lost++
					}
				}
			})
			for i := range sets {
				b.set(w, pair(0, 1, d), pair(2, 3+i%3))
			}
			quit.Store(true)
			flying.Wait()
			if lost > 0 {
				t.Errorf("of %d frames in flight, %d are lost", frames, lost)
			}
			labtest.Report(t, "frames in flight", frames)
		})
	}
}

// frozen is the program of p0 with a control word of its own that stands still: to
// run it is to be a frame that has read that word.
func (b *bench) frozen(w *PairSet, d Datapath, generation int) (program *ebpf.Program) {
	b.t.Helper()
	still := *w.inKernel.loader
	var err error
	still.control, err = ebpf.NewMap(still.spec.Maps[bpf.CrossConnectsMapControl])
	b.check(err)
	defer still.control.Close() // the program keeps it
	b.check(still.control.Put(uint32(0), &bpf.CrossConnectsGenerationControl{
		Word: uint64(newControlWord(generation, 0)), Lease: math.MaxUint64,
	}))
	program, err = still.load(w.inKernel.ingresses.find(near(0)), d)
	b.check(err)
	b.t.Cleanup(func() { program.Close() })
	return program
}
