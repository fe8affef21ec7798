package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// received are the frames that came in by an interface and passed a program: all, those of
// UDP, and those of connections.
type received struct{ frames, udp, connections uint64 }

func (s *stats) received(iface string) (got received) {
	s.t.Helper()
	var object struct {
		Interfaces  []probes.Interface
		Protocols   []probes.Protocol
		Connections []struct {
			Path      []string
			RXPackets uint64 `json:"rx_packets"`
			TXPackets uint64 `json:"tx_packets"`
		}
	}
	s.decode(&object)
	for _, i := range object.Interfaces {
		if i.Name == iface {
			got.frames = i.RXPackets - i.UnseenRX
		}
	}
	for _, p := range object.Protocols {
		if p.Interface == iface && p.Direction == probes.RX && p.Name == "udp" {
			got.udp = p.Packets
		}
	}
	for _, c := range object.Connections {
		// A pair forwards, so which end is local says nothing; the frames go one way.
		if slices.Contains(c.Path, iface) {
			got.connections += c.RXPackets + c.TXPackets
		}
	}
	return got
}

// decode reads the last object.
func (s *stats) decode(object any) {
	s.t.Helper()
	if err := json.Unmarshal(s.lines.Bytes(), object); err != nil {
		s.t.Fatal(err)
	}
}

// awaitReceived waits until so many frames of UDP were counted, and expects
// them everywhere.
func (s *stats) awaitReceived(iface string, count uint64) {
	s.t.Helper()
	s.until(func(sample) bool { return s.received(iface).udp >= count })
	s.next()
	if got, want := s.received(iface), (received{count, count, count}); got != want {
		s.t.Errorf("received by %s: %+v, want %+v", iface, got, want)
	}
}

// errHook says what the next object has of an interface, if it is not on that
// hook, or gives another reason.
func (s *stats) errHook(iface string, want probes.Hook, reason string) error {
	s.t.Helper()
	s.next()
	var object struct{ Interfaces []probes.Interface }
	s.decode(&object)
	for _, i := range object.Interfaces {
		if i.Name == iface && i.Hook == want && strings.Contains(i.HookReason, reason) {
			return nil
		}
	}
	return fmt.Errorf("want %s on hook %s, reason %q: %+v", iface, want, reason, object.Interfaces)
}

// sendUDP sends frames from host 1, and expects all at host 0.
func (b *bench) sendUDP(count int) {
	b.t.Helper()
	frame := udpFrame(b.t, 4000)
	for range count {
		b.check(b.wires[1].Send(frame))
	}
	for i := range count {
		got, err := b.wires[0].Receive(time.Now().Add(patience))
		if err != nil || !bytes.Equal(got, frame) {
			b.t.Fatalf("frame %d of %d: %v, received %x", i+1, count, err, got)
		}
	}
}

// xdpName is what the XDP program on an interface is called.
func (b *bench) xdpName(iface string) string {
	b.t.Helper()
	program, err := ebpf.NewProgramFromID(ebpf.ProgramID(b.xdpProgram(iface)))
	b.check(err)
	defer program.Close()
	info, err := program.Info()
	b.check(err)
	return info.Name
}

// TestKeptPairIsWatched counts what a pair redirects that was there before, and
// is there after.
func TestKeptPairIsWatched(t *testing.T) {
	onVeths(t, 2, func(b *bench, datapath crossconnect.Datapath) {
		const count = 2000
		b.run("add", port(0), port(1), "--datapath", string(datapath))
		before := attachments(b.t, b.hub, port(1))
		sent := b.startStream()
		sent.goesOn()
		s := openStats(b.t, b.hub)
		b.sendUDP(count)
		s.awaitReceived(port(1), count)
		var object struct {
			Pairs []crossconnect.Status `json:"cross_connects"`
		}
		s.decode(&object)
		if len(object.Pairs) != 1 || object.Pairs[0].BToA.Packets != count {
			b.t.Errorf("pairs %+v, want one that redirected %d frames", object.Pairs, count)
		}
		if status := s.stop(syscall.SIGTERM); status != 0 || s.errOut.Len() > 0 {
			b.t.Errorf("status %d, %s", status, s.errOut.String())
		}
		sent.goesOn()
		b.sendUDP(count)
		sent.end()
		b.awaitAttached(port(1), before)
		b.lists("sw0-sw1 active")
		if pair := b.only(); pair.BToA.Packets != 2*count || pair.AToB.Dropped+pair.BToA.Dropped != 0 {
			b.t.Errorf("pair %+v, want %d frames redirected", pair, 2*count)
		}
	})
}

func (b *bench) awaitAttached(iface string, want []string) {
	b.t.Helper()
	b.await(func() error {
		if got := attachments(b.t, b.hub, iface); !slices.Equal(got, want) {
			return fmt.Errorf("attached to %s: %v, want %v", iface, got, want)
		}
		if slices.Contains(want, "xdp") && b.xdpName(iface) != "connect_xdp" {
			return fmt.Errorf("program %s on %s, want connect_xdp", b.xdpName(iface), iface)
		}
		return nil
	})
}

// TestWatcherIsKilled leaves a kept pair with the program of a process that was
// killed. It goes on as if nothing had been, and the next process clears up.
func TestWatcherIsKilled(t *testing.T) {
	for name, next := range map[string]func(b *bench){
		"add":  func(b *bench) { b.run("add", port(2), port(3)) },
		"list": func(b *bench) { b.lists("sw0-sw1 active") },
		"start": func(b *bench) {
			s := openStats(b.t, b.hub)
			b.sendUDP(100)
			s.awaitReceived(port(1), 100)
			s.stop(syscall.SIGTERM)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onVeths(t, 4, func(b *bench, datapath crossconnect.Datapath) {
				b.run("add", port(0), port(1), "--datapath", string(datapath))
				before := attachments(b.t, b.hub, port(1))
				s := openStats(b.t, b.hub)
				sent := b.startStream()
				sent.goesOn()
				s.stop(syscall.SIGKILL)
				sent.goesOn()
				if datapath == crossconnect.XDP && b.xdpName(port(1)) != "xdp_connect" {
					b.t.Errorf("program %s is left, want the one that counts", b.xdpName(port(1)))
				}
				next(b)
				b.awaitAttached(port(1), before)
				b.awaitAttached(port(0), before)
				sent.goesOn()
				sent.end()
				b.run("del", port(0))
				b.awaitBare(b.hub, port(0), port(1))
			})
		})
	}
}

// TestTwoWatchers has two processes count on what becomes a pair. In the place
// of its XDP program there is room for one: the other forgets nothing, and takes
// over.
func TestTwoWatchers(t *testing.T) {
	const count = 500
	b := newBench(t, 2)
	b.prepare(crossconnect.XDP)
	watcher, other := openStats(t, b.hub), openStats(t, b.hub)
	b.check(b.wires[1].Send(slices.Repeat([][]byte{udpFrame(t, 4000)}, count)...))
	watcher.awaitReceived(port(1), count)
	other.awaitReceived(port(1), count)

	b.run("add", port(0), port(1), "--datapath", "xdp")
	b.await(func() error {
		watcher, other = other, watcher
		return watcher.errHook(port(1), probes.HookXDP, "")
	})
	b.sendUDP(count)
	watcher.awaitReceived(port(1), 2*count)
	other.awaitReceived(port(1), count)
	watchedBy := fmt.Sprint("watched by process ", watcher.cmd.Process.Pid)
	b.check(other.errHook(port(1), probes.HookTracepoint, watchedBy))

	watcher.stop(syscall.SIGTERM)
	b.await(func() error { return other.errHook(port(1), probes.HookXDP, "") })
	b.sendUDP(count)
	other.awaitReceived(port(1), 2*count)
	b.run("del", port(1))
	b.await(func() error { return other.errHook(port(1), probes.HookTracepoint, "") })
	b.check(b.wires[1].Send(slices.Repeat([][]byte{udpFrame(t, 4000)}, count)...))
	other.awaitReceived(port(1), 3*count)
}

// TestChangesBesideWatcher changes what is kept while another process looks.
func TestChangesBesideWatcher(t *testing.T) {
	b := newBench(t, 2)
	s := openStats(t, b.hub, "--interval", "50ms")
	for range 50 {
		b.run("add", port(0), port(1))
		b.run("del", port(0))
	}
	s.stop(syscall.SIGTERM)
	b.awaitBare(b.hub, port(0), port(1))
	b.nothingPinned()
}

// TestPairBesideCounterOnTC has a pair made while tc counts, and tc count where there is a
// pair. All that is redirected is counted.
func TestPairBesideCounterOnTC(t *testing.T) {
	const count = 100
	for _, args := range [][]string{nil, {"--protocols-only"}} {
		b := newBench(t, 2)
		add := func() { b.run("add", port(0), port(1)) }
		args = append([]string{"--hook", string(tcHook)}, args...)
		s := openStats(t, b.hub, args...)
		s.next()
		add()
		b.sendUDP(count)
		s.until(func(sample) bool { return s.received(port(1)).udp == count })
		s.stop(syscall.SIGINT)

		s = openStats(t, b.hub, args...)
		s.next()
		b.run("list") // which puts pairs in front of programs of others
		b.sendUDP(count)
		s.until(func(sample) bool { return s.received(port(1)).udp == count })
		s.stop(syscall.SIGINT)
		b.run("del", port(0))
	}
}
