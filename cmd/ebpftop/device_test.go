package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// awaitLost waits until a frame from one host does not reach another any more.
func (b *bench) awaitLost(from, to int) {
	b.t.Helper()
	b.await(func() error {
		b.check(b.wires[from].Send(numbered(0, numberedSize)))
		if _, err := b.wires[to].Receive(time.Now().Add(20 * time.Millisecond)); err == nil {
			return fmt.Errorf("a frame from %s reaches %s", port(from), port(to))
		}
		return nil
	})
}

// waits expects the only pair to wait for an interface, soon.
func (b *bench) waits(missing string) {
	b.t.Helper()
	var pairs []crossconnect.Status
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		pairs = b.list()
		if len(pairs) == 1 && pairs[0].State == crossconnect.Waiting && strings.Contains(pairs[0].Reason, missing) {
			return
		}
	}
	b.t.Errorf("without %s: %+v, want a pair that waits for it", missing, pairs)
}

// departure is a way for an interface to go, and the way back.
type departure struct {
	name        string
	leave, come func(b *bench)
	// isPlugged: the host at the other end stays connected to the interface.
	isPlugged bool
}

var departures = []departure{
	{
		name:  "deleted",
		leave: func(b *bench) { b.check(b.hub.DeleteLink(port(1))) },
		come:  func(b *bench) { b.plug(0) },
	},
	{
		name:  "deleted, back with a high index",
		leave: func(b *bench) { b.check(b.hub.DeleteLink(port(1))) },
		come:  func(b *bench) { b.plug(5000) },
	},
	{
		name: "moved",
		leave: func(b *bench) {
			b.check(b.hub.Move(port(1), b.hosts[2]))
			b.awaitBare(b.hosts[2], port(1))
		},
		come:      func(b *bench) { b.check(b.hosts[2].Move(port(1), b.hub)) },
		isPlugged: true,
	},
}

// TestDeviceGoesAndComes takes away an interface in each of the ways there are,
// and brings it back.
func TestDeviceGoesAndComes(t *testing.T) {
	for _, d := range departures {
		for datapath := range datapaths {
			t.Run(d.name+" "+string(datapath), func(t *testing.T) {
				b := newBench(t, 3)
				b.prepare(datapath)
				r := b.start(newLinksFile(t, fmt.Sprintf("sw0: {peer: sw1, datapath: %s}", datapath)))
				b.awaitPath(0, 1)
				d.leave(b)
				b.waits(port(1))
				if d.isPlugged {
					b.awaitLost(0, 1)
				}

				d.come(b)
				if !d.isPlugged {
					b.prepareAgain(datapath, 1) // no frame could arrive before
				}
				start := time.Now()
				t.Logf("back after %v", b.awaitPath(0, 1).Sub(start))
				b.awaitPath(1, 0)
				b.awaitList("sw0-sw1 active")
				r.end(syscall.SIGTERM)
				b.awaitBare(b.hub, port(0), port(1))
			})
		}
	}
}

// TestRenamed: a pair follows its device to another name.
func TestRenamed(t *testing.T) {
	for datapath := range datapaths {
		t.Run(string(datapath), func(t *testing.T) {
			b := newBench(t, 3)
			b.prepare(datapath)
			r := b.start(newLinksFile(t, fmt.Sprintf("sw0: {peer: sw1, datapath: %s}", datapath)))
			b.awaitPath(0, 1)
			b.check(b.hub.Rename(port(1), "other"))
			b.awaitList("sw0-other active")
			b.awaitPath(0, 1)
			b.awaitPath(1, 0)
			b.check(b.hub.Rename("other", port(1)))
			b.awaitList("sw0-sw1 active")
			r.end(syscall.SIGTERM)
			b.awaitBare(b.hub, port(0), port(1))
		})
	}
}

// plug makes the veth of host 1 anew.
func (b *bench) plug(index int) {
	b.t.Helper()
	b.check(lab.QuietVethAt(index, b.hub, port(1), b.hosts[1], "net0"))
	b.wires[1] = openWire(b.t, b.hosts[1])
}

// TestHighIndex connects interfaces whose index is beyond the slots of a devmap
// of 1024.
func TestHighIndex(t *testing.T) {
	onEveryDatapath(t, 2, func(b *bench, datapath crossconnect.Datapath) {
		b.check(b.hub.DeleteLink(port(1)))
		b.plug(1 << 20)
		b.prepareAgain(datapath, 1)
		b.run("add", port(0), port(1), "--datapath", string(datapath))
		b.awaitPath(0, 1)
		b.awaitPath(1, 0)
	})
}

// prepareAgain prepares the new interface of a host.
func (b *bench) prepareAgain(datapath crossconnect.Datapath, host int) {
	b.t.Helper()
	if datapath == crossconnect.XDP {
		b.check(b.hosts[host].PrepareForXDP("net0"))
	}
}

// TestWait accepts an interface that comes later.
func TestWait(t *testing.T) {
	b := newBench(t, 2)
	b.check(b.hub.DeleteLink(port(1)))
	r := b.start(newLinksFile(t, "sw0: {peer: sw1, wait: true}"))
	b.waits(port(1))
	b.plug(0)
	b.awaitPath(0, 1)
	b.awaitList("sw0-sw1 active")
	r.end(syscall.SIGINT)

	b.run("add", port(1), "later0", "--wait")
	b.waits("later0")
	if !b.only().Kept {
		t.Error("a pair that waits is not kept")
	}
}
