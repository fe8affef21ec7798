package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf/features"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// bench is a switch and hosts, each joined to it by a veth that is silent by
// itself:
//
//	hosts[0]: net0 --- sw0
//	hosts[1]: net0 --- sw1
//
// wires are at the hosts' ends.
type bench struct {
	t     *testing.T
	hub   *lab.Namespace
	hosts []*lab.Namespace
	wires []*lab.Wire
}

func newBench(t *testing.T, hosts int) *bench {
	t.Helper()
	b := &bench{t: t, hub: newHub(t)}
	for i := range hosts {
		host := labtest.Namespace(t)
		b.check(lab.QuietVeth(b.hub, port(i), host, "net0"))
		b.hosts = append(b.hosts, host)
		b.wires = append(b.wires, openWire(t, host))
	}
	return b
}

// port is the switch's end of a veth.
func port(i int) string { return fmt.Sprint("sw", i) }

func openWire(t *testing.T, host *lab.Namespace) *lab.Wire {
	t.Helper()
	wire, err := host.Open("net0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wire.Close() })
	return wire
}

func (b *bench) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// isBefore goes by the version alone, so that a kernel that should have a
// feature and has not is noticed.
func (b *bench) isBefore(major, minor uint32) bool {
	b.t.Helper()
	version, err := features.LinuxVersionCode()
	b.check(err)
	return version < major<<16|minor<<8
}

// jumbo lets frames of 9000 bytes pass everywhere. What XDP redirects has to fit
// into a page before Linux 6.3.
func (b *bench) jumbo(datapath crossconnect.Datapath) {
	b.t.Helper()
	if datapath == crossconnect.XDP && b.isBefore(6, 3) {
		b.t.Skip("XDP does not redirect frames longer than a page before Linux 6.3")
	}
	for i, host := range b.hosts {
		b.check(b.hub.SetMTU(port(i), jumboMTU))
		b.check(host.SetMTU("net0", jumboMTU))
	}
}

// prepare readies the hosts for a datapath. Native XDP is the one that asks for
// something.
func (b *bench) prepare(datapath crossconnect.Datapath) {
	b.t.Helper()
	if datapath != crossconnect.XDP {
		return
	}
	for _, host := range b.hosts {
		b.check(host.PrepareForXDP("net0"))
	}
}

const jumboMTU = 9000

// datapaths are all there are, with what each comes down to on a veth.
var datapaths = map[crossconnect.Datapath]crossconnect.Datapath{
	crossconnect.Auto:       crossconnect.TC,
	crossconnect.TC:         crossconnect.TC,
	crossconnect.XDP:        crossconnect.XDP,
	crossconnect.XDPGeneric: crossconnect.XDPGeneric,
}

// onEveryDatapath runs the test on each, with a bench of its own.
func onEveryDatapath(t *testing.T, hosts int, test func(b *bench, datapath crossconnect.Datapath)) {
	for datapath := range datapaths {
		t.Run(string(datapath), func(t *testing.T) {
			b := newBench(t, hosts)
			b.prepare(datapath)
			test(b, datapath)
		})
	}
}

func numbered(number uint64, size int) []byte {
	frame := make([]byte, size)
	copy(frame, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x9a, 0xbc})
	binary.BigEndian.PutUint64(frame[numberOffset:], number)
	return frame
}

func numberOf(frame []byte) uint64 { return binary.BigEndian.Uint64(frame[numberOffset:]) }

// awaitPath sends frames into one host's wire until one comes out of the
// other's, and returns when that was.
func (b *bench) awaitPath(from, to int) time.Time {
	b.t.Helper()
	arrived, err := awaitPath(b.wires[from], b.wires[to])
	if err != nil {
		b.t.Fatalf("from %s to %s: %v", port(from), port(to), err)
	}
	return arrived
}

func awaitPath(from, to *lab.Wire) (time.Time, error) {
	first := uint64(time.Now().UnixNano()) // above those of any earlier call
	deadline := time.Now().Add(patience)
	for number := first; ; number++ {
		// Fails while the interface has no carrier.
		sendErr := from.Send(numbered(number, numberedSize))
		frame, err := to.Receive(time.Now().Add(time.Millisecond))
		now := time.Now()
		switch {
		case err == nil && numberOf(frame) >= first:
			return now, nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return now, err
		case now.After(deadline):
			return now, errors.Join(fmt.Errorf("no frame in %v", patience), sendErr)
		}
	}
}

// flood sends a numbered frame every millisecond, from 0 on.
type flood struct {
	quit chan struct{}
	done chan struct{}
	sent uint64
	err  error
}

func startFlood(wire *lab.Wire) *flood {
	f := &flood{quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(f.done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ; f.err == nil; f.sent++ {
			select {
			case <-tick.C:
				f.err = wire.Send(numbered(f.sent, numberedSize))
			case <-f.quit:
				return
			}
		}
	}()
	return f
}

// end returns how many frames it sent.
func (f *flood) end(t *testing.T) uint64 {
	t.Helper()
	close(f.quit)
	<-f.done
	if f.err != nil {
		t.Fatal(f.err)
	}
	return f.sent
}

// recorder receives the numbered frames of one host in the background.
type recorder struct {
	b        *bench
	host     int
	done     chan struct{}
	mu       sync.Mutex
	arrivals []arrival
}

type arrival struct {
	number uint64
	at     time.Time
}

func (b *bench) record(host int) *recorder {
	r := &recorder{b: b, host: host, done: make(chan struct{})}
	wire := b.wires[host]
	go func() {
		defer close(r.done)
		for {
			frame, err := wire.Receive(time.Time{})
			if err != nil {
				return // closed
			}
			r.mu.Lock()
			r.arrivals = append(r.arrivals, arrival{numberOf(frame), time.Now()})
			r.mu.Unlock()
		}
	}()
	return r
}

// await waits for the frame of that number, or one behind it.
func (r *recorder) await(number uint64) {
	r.b.t.Helper()
	r.b.await(func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if count := len(r.arrivals); count == 0 || r.arrivals[count-1].number < number {
			return fmt.Errorf("%d frames arrived, none of them number %d", count, number)
		}
		return nil
	})
}

// end gives the wire back, and returns what arrived.
func (r *recorder) end() []arrival {
	r.b.t.Helper()
	r.b.wires[r.host].Close()
	<-r.done
	r.b.wires[r.host] = openWire(r.b.t, r.b.hosts[r.host])
	return r.arrivals
}
