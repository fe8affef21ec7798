package crossconnect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// bench is a namespace with interfaces to connect, and wires at the far ends of
// their cables:
//
//	wires[0]: f0 --- p0 [hub]
//	wires[1]: f1 --- p1 [hub]
type bench struct {
	t        *testing.T
	hub, far *lab.Namespace
	wires    []*lab.Wire
}

func newBench(t *testing.T, ports int) *bench {
	t.Helper()
	b := &bench{t: t, hub: labtest.Namespace(t), far: labtest.Namespace(t)}
	t.Cleanup(b.expectNoPins)
	for range ports {
		b.addPort(0)
	}
	return b
}

// newXDPBench is a bench whose far ends take what native XDP redirects.
func newXDPBench(t *testing.T, ports int) *bench {
	t.Helper()
	b := newBench(t, ports)
	for i := range ports {
		b.check(b.far.PrepareForXDP(far(i)))
	}
	return b
}

func near(i int) string { return fmt.Sprint("p", i) }

func far(i int) string { return fmt.Sprint("f", i) }

// pair connects two interfaces of the bench.
func pair(a, b int, datapaths ...Datapath) Pair {
	p := Pair{A: near(a), B: near(b), AToB: Auto, BToA: Auto}
	if len(datapaths) > 0 {
		p.AToB, p.BToA = datapaths[0], datapaths[len(datapaths)-1]
	}
	return p
}

// addPort adds an ingress with an ifindex of the kernel's choice if that is 0.
func (b *bench) addPort(ifindex int) {
	b.t.Helper()
	i := len(b.wires)
	b.wires = append(b.wires, nil)
	b.plug(i, ifindex)
}

// plug makes the cable of an ingress, which may have had another one before.
func (b *bench) plug(i, ifindex int) {
	b.t.Helper()
	b.check(lab.QuietVethAt(ifindex, b.hub, near(i), b.far, far(i)))
	wire, err := b.far.Open(far(i))
	b.check(err)
	b.t.Cleanup(func() { wire.Close() })
	b.wires[i] = wire
}

func (b *bench) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// do calls fn in the hub, and fails the test if that fails.
func (b *bench) do(fn func() error) {
	b.t.Helper()
	b.check(b.hub.Do(fn))
}

// own opens a set of pairs that ends with the test.
func (b *bench) own() *PairSet { return b.open(New) }

// kept opens the set that is kept, and removes what is in the end.
func (b *bench) kept() *PairSet { return b.open(OpenKept) }

func (b *bench) open(open func() (*PairSet, error)) (w *PairSet) {
	b.t.Helper()
	b.do(func() (err error) {
		w, err = open()
		return err
	})
	b.t.Cleanup(func() {
		err := b.hub.Do(func() error {
			_ = w.Rollback() // of a trial under way, if one is
			return errors.Join(w.Set(nil, 0), w.Close())
		})
		if err != nil {
			b.t.Error(err)
		}
	})
	return w
}

// needsLinks skips a test of what goes with its last descriptor or pin: before
// Linux 6.6, tc programs are filters, which stay.
func needsLinks(t *testing.T) {
	t.Helper()
	if !kernelIsAtLeast(t, 6, 6) {
		t.Skip("filters stay before Linux 6.6")
	}
}

// filterHook makes a set of pairs use a filter where tcx would do, as before Linux 6.6.
func filterHook(t *testing.T, w *PairSet) {
	t.Helper()
	if err := w.inKernel.needLoader(); err != nil {
		t.Fatal(err)
	}
	w.inKernel.loader.tc = probes.HookClsact
}

func (b *bench) set(w *PairSet, pairs ...Pair) {
	b.t.Helper()
	b.do(func() error { return w.Set(pairs, 0) })
}

func (b *bench) try(w *PairSet, trial time.Duration, pairs ...Pair) {
	b.t.Helper()
	b.do(func() error { return w.Set(pairs, trial) })
}

// refused sets pairs, which must fail and say so.
func (b *bench) refused(w *PairSet, says string, pairs ...Pair) {
	b.t.Helper()
	b.fails(says, func() error { return w.Set(pairs, 0) })
}

// fails calls fn in the hub, which must fail and say so in a line.
func (b *bench) fails(says string, fn func() error) {
	b.t.Helper()
	err := b.hub.Do(fn)
	if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		b.t.Errorf("error %q, want %q", fmt.Sprint(err), says)
	}
}

func (b *bench) follow(w *PairSet) {
	b.t.Helper()
	b.do(w.Reconcile)
}

func (b *bench) status(w *PairSet) (list []Status) {
	b.t.Helper()
	b.do(func() (err error) {
		list, err = w.Status()
		return err
	})
	return list
}

// expectPairs compares pairs as "p0-p1 active tc/xdp".
func (b *bench) expectPairs(w *PairSet, want ...string) {
	b.t.Helper()
	if got := described(b.status(w)); !slices.Equal(got, want) {
		b.t.Errorf("pairs %q, want %q", got, want)
	}
}

func described(list []Status) (pairs []string) {
	for _, s := range list {
		removed := ""
		if s.Removed {
			removed = " removed"
		}
		pairs = append(pairs, fmt.Sprintf("%s-%s %s %s/%s%s", s.A, s.B, s.State, s.AToB.Datapath, s.BToA.Datapath, removed))
	}
	return pairs
}

// only is the status of the one pair there is.
func (b *bench) only(w *PairSet) Status {
	b.t.Helper()
	list := b.status(w)
	if len(list) != 1 {
		b.t.Fatalf("%d pairs, want one: %+v", len(list), list)
	}
	return list[0]
}

// frame is number n of those that enter by an ingress.
func frame(port, n int) []byte {
	f := make([]byte, 60)
	copy(f, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5, byte(port)})
	binary.BigEndian.PutUint32(f[15:], uint32(n))
	return f
}

// origin is the reverse.
func origin(f []byte) (port, n int) {
	return int(f[14]), int(binary.BigEndian.Uint32(f[15:]))
}

// soon is when a frame that is not there yet does not come any more.
const soon = 200 * time.Millisecond

// leads tells where a frame comes out that enters by an ingress; -1: nowhere in that
// time.
func (b *bench) leads(from int, within time.Duration) int {
	b.t.Helper()
	b.check(b.wires[from].Send(frame(from, 0)))
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		for i, wire := range b.wires {
			f, err := wire.Receive(time.Now().Add(time.Millisecond))
			if err != nil {
				continue // none, or the interface is gone
			}
			if port, _ := origin(f); port == from {
				return i
			}
		}
	}
	return -1
}

// expectWires tests where frames come out: want[i] is for those that enter by
// ingress i.
func (b *bench) expectWires(want ...int) {
	b.t.Helper()
	for from, want := range want {
		within := 10 * time.Second
		if want == -1 {
			within = soon
		}
		if got := b.leads(from, within); got != want {
			b.t.Errorf("from %d to %d, want %d", from, got, want)
		}
	}
}

// await waits until fn is content.
func (b *bench) await(what string, fn func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !fn(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("not after 10 s: %s", what)
		}
	}
}

// flow is frames that enter by ingresses in turn, one after the other.
type flow struct {
	b       *bench
	from    []int
	quit    atomic.Bool
	running sync.WaitGroup
	sent    atomic.Int64
	mu      sync.Mutex
	arrived map[int][]int // by number: the ingresses where it came out
}

// startFlow lets frames flow at a modest pace, and listens at all ingresses.
func (b *bench) startFlow(from ...int) *flow {
	f := &flow{b: b, from: from, arrived: make(map[int][]int)}
	for to := range b.wires {
		f.running.Go(func() { f.listen(to) })
	}
	f.running.Go(func() {
		for n := 0; !f.quit.Load(); n++ {
			port := from[n%len(from)]
			if err := b.wires[port].Send(frame(port, n)); err != nil {
				b.t.Error(err)
				return
			}
			f.sent.Add(1)
			if n%16 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	return f
}

func (f *flow) listen(to int) {
	for !f.quit.Load() {
		f.receive(to)
	}
	time.Sleep(50 * time.Millisecond) // for what is on its way
	for f.receive(to) {
	}
}

func (f *flow) receive(to int) bool {
	got, err := f.b.wires[to].Receive(time.Now().Add(20 * time.Millisecond))
	if err != nil {
		return false
	}
	_, n := origin(got)
	f.mu.Lock()
	f.arrived[n] = append(f.arrived[n], to)
	f.mu.Unlock()
	return true
}

// stop returns where each frame came out: once, or the test fails.
func (f *flow) stop() []int {
	f.b.t.Helper()
	f.quit.Store(true)
	f.running.Wait()
	ports := make([]int, f.sent.Load())
	lost, doubled := 0, 0
	for n := range ports {
		switch to := f.arrived[n]; len(to) {
		case 0:
			ports[n] = -1
			lost++
		case 1:
			ports[n] = to[0]
		default:
			doubled++
		}
	}
	if lost > 0 || doubled > 0 || len(ports) == 0 {
		f.b.t.Errorf("of %d frames %d are lost, %d came twice", len(ports), lost, doubled)
	}
	return ports
}

// more waits until some more frames are sent.
func (f *flow) more() {
	f.b.t.Helper()
	enough := f.sent.Load() + 8
	f.b.await("frames flow", func() bool { return f.sent.Load() >= enough })
}

// stopAt is stop for a flow that always leads to one ingress.
func (f *flow) stopAt(to int) {
	f.b.t.Helper()
	for n, got := range f.stop() {
		if got != to {
			f.b.t.Fatalf("frame %d came out of port %d, want %d", n, got, to)
		}
	}
}

// attached lists what is attached to the interfaces of the hub.
func (b *bench) attached() (programs []string) {
	b.t.Helper()
	b.do(func() error {
		links, err := listLinks()
		for name, device := range links {
			found, err := programsOn(device)
			if err != nil {
				return err
			}
			for _, d := range found {
				programs = append(programs, name+" "+string(d))
			}
		}
		slices.Sort(programs)
		return err
	})
	return programs
}

func (b *bench) expectAttached(want ...string) {
	b.t.Helper()
	if got := b.attached(); !slices.Equal(got, want) {
		b.t.Errorf("attached %q, want %q", got, want)
	}
}

// promiscuity is how many want each ingress promiscuous.
func (b *bench) promiscuity() (counts []int) {
	b.t.Helper()
	for i := range b.wires {
		l, err := b.hub.Link(near(i))
		b.check(err)
		counts = append(counts, l.Attrs().Promisc)
	}
	return counts
}

func (b *bench) expectPromiscuity(want ...int) {
	b.t.Helper()
	if got := b.promiscuity(); !slices.Equal(got, want) {
		b.t.Errorf("promiscuity %v, want %v", got, want)
	}
}

// pins is where the hub's pairs are kept.
func (b *bench) pins() (p pins) {
	b.t.Helper()
	b.do(func() (err error) {
		p, err = keptPins()
		return err
	})
	return p
}

// exists is exist for who may look.
func (p pins) exists() bool {
	exist, err := p.exist()
	return exist && err == nil
}

// expectNoPins also removes them: they would stay for good.
func (b *bench) expectNoPins() {
	p := b.pins()
	if p.exists() {
		b.t.Errorf("%s is left", p)
	}
	b.check(p.remove())
}

// descriptors counts the open files of the process.
func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func (b *bench) link(iface string) netlink.Link {
	b.t.Helper()
	l, err := b.hub.Link(iface)
	b.check(err)
	return l
}
