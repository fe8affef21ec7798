package packets

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
)

const tcpHeaders = 14 + 20 + 20 + 12 // Ethernet, IPv4, TCP with timestamps

// transfer is what TCP itself says of a transfer.
type transfer struct {
	sender, receiver *unix.TCPInfo
}

// send transfers size bytes over TCP from one namespace to another.
func send(t *testing.T, from, to *lab.Namespace, address string, size int64) transfer {
	t.Helper()
	var listener net.Listener
	var err error
	if err := to.Do(func() error {
		listener, err = net.Listen("tcp", net.JoinHostPort(address, "0"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	received := make(chan *unix.TCPInfo, 1)
	go func() {
		defer close(received)
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Error(err)
		}
		received <- tcpInfo(t, conn)
	}()
	var result transfer
	if err := from.Do(func() error {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := io.CopyN(conn, zeros{}, size); err != nil {
			return err
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			return err
		}
		result.receiver = <-received
		result.sender = tcpInfo(t, conn)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return result
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func tcpInfo(t *testing.T, conn net.Conn) (info *unix.TCPInfo) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		})
	}
	if err != nil {
		t.Error(err)
	}
	return info
}

// addresses gives host and peer an address each.
func (r *rig) addresses() (host, peer string) {
	r.t.Helper()
	r.check(r.host.AddAddress(hostInterface, "10.0.0.2/24"))
	r.check(r.peer.AddAddress(peerInterface, "10.0.0.1/24"))
	return "10.0.0.2", "10.0.0.1"
}

// near returns an error unless got is within a share of want.
func near(what string, got, want uint64, share float64) error {
	if off := float64(got)/float64(want) - 1; off > share || off < -share {
		return fmt.Errorf("%s: %d, want %d: off by %.3f %%", what, got, want, 100*off)
	}
	return nil
}

// TestAggregatesCountAsSegments transfers bytes over TCP with segmentation
// offload, where an skb of 64 KiB stands for some 45 frames, and expects the
// frames and bytes that TCP says it sent.
func TestAggregatesCountAsSegments(t *testing.T) {
	const size = 256 << 20
	for _, hook := range slices.Compact([]probes.Hook{tcHook, probes.HookClsact}) {
		t.Run(string(hook), func(t *testing.T) {
			r := newRig(t, hook, 1000)
			host, peer := r.addresses()

			out := send(t, r.host, r.peer, peer, size)
			row, _ := r.poll()
			if got, want := row.TXPackets, uint64(out.sender.Segs_out); !within(got, want) {
				t.Errorf("%d frames sent, TCP says %d", got, want)
			}
			if err := near("bytes sent", row.TXBytes, out.sender.Bytes_sent+uint64(out.sender.Segs_out)*tcpHeaders, 0.0001); err != nil {
				t.Error(err)
			}

			in := send(t, r.peer, r.host, host, size)
			before := row
			row, _ = r.poll()
			frames := uint64(in.receiver.Segs_in)
			if got := row.RXPackets - before.RXPackets; !within(got, frames) {
				t.Errorf("%d frames received, TCP says %d", got, frames)
			}
			// What came twice TCP counts among the frames, not among the bytes.
			once := in.receiver.Bytes_received + frames*tcpHeaders
			if got := row.RXBytes - before.RXBytes; got+1000 < once || got > once+in.sender.Bytes_retrans+1000 {
				t.Errorf("%d bytes received, TCP says %d and %d again", got, once, in.sender.Bytes_retrans)
			}

			if row.TXPackets == row.Driver.TXPackets {
				t.Error("no aggregates: the interface itself counts as many frames")
			}
		})
	}
}

// within allows for what TCP does not count with the connection: ARP, which asks
// again in a transfer of more than 5 s, and the segments that close it.
func within(got, want uint64) bool {
	const difference = 4
	return got+difference >= want && got <= want+difference
}

// TestBytesAgreeWithInterface transfers bytes without aggregates, so that the
// interface's own statistics mean frames on the wire too.
func TestBytesAgreeWithInterface(t *testing.T) {
	for _, hook := range allHooks {
		t.Run(string(hook), func(t *testing.T) {
			attempts := 1
			if hook == probes.HookTracepoint {
				attempts = tracedAttempts
			}
			anyOf(t, attempts, func() error { return compareWithDriver(t, hook) })
		})
	}
}

func compareWithDriver(t *testing.T, hook probes.Hook) error {
	const size = 32 << 20
	r := newRig(t, hook, 1000)
	host, peer := r.addresses()
	r.check(withoutAggregates(r.host, hostInterface))
	r.check(withoutAggregates(r.peer, peerInterface))
	send(t, r.host, r.peer, peer, size)
	send(t, r.peer, r.host, host, size)
	row, _ := r.poll()
	if hook == probes.HookXDP {
		// Under XDP, veth counts without the Ethernet header what it
		// receives: veth_xdp_rcv_skb in drivers/net/veth.c.
		row.Driver.RXBytes += 14 * row.Driver.RXPackets
	}
	r.checkOneRowEach(size)
	return errors.Join(
		near("bytes sent", row.TXBytes, row.Driver.TXBytes, 0.001),
		near("bytes received", row.RXBytes, row.Driver.RXBytes, 0.001),
		near("frames sent", row.TXPackets, row.Driver.TXPackets, 0.001),
		near("frames received", row.RXPackets, row.Driver.RXPackets, 0.001))
}

// checkOneRowEach expects two TCP connections, each in one row with both
// directions, and as many bytes as were sent in it.
func (r *rig) checkOneRowEach(size uint64) {
	r.t.Helper()
	const syn, fin = 2, 1
	connections := r.tcpConnections()
	hasEnded := func(c probes.Connection) bool { return c.RXFlags&c.TXFlags&(syn|fin) == syn|fin }
	// Whoever received everything closes a moment later.
	for deadline := time.Now().Add(10 * time.Second); !all(connections, hasEnded); connections = r.tcpConnections() {
		if time.Now().After(deadline) {
			r.t.Fatalf("connections %+v, want SYN and FIN both ways", connections)
		}
		time.Sleep(time.Millisecond)
	}
	if len(connections) != 2 {
		r.t.Fatalf("%d TCP connections, want 2: %+v", len(connections), connections)
	}
	for _, c := range connections {
		if c.RXPackets == 0 || c.TXPackets == 0 || max(c.RXBytes, c.TXBytes) < size {
			r.t.Errorf("connection %+v carried %d bytes", c, size)
		}
	}
}

func all(connections []probes.Connection, is func(probes.Connection) bool) bool {
	return !slices.ContainsFunc(connections, func(c probes.Connection) bool { return !is(c) })
}

func (r *rig) tcpConnections() (connections []probes.Connection) {
	r.t.Helper()
	for _, row := range r.pollConnections().Connections {
		if row.Protocol == "tcp" {
			connections = append(connections, row)
		}
	}
	return connections
}

func withoutAggregates(n *lab.Namespace, iface string) error {
	return n.Do(func() error {
		l, err := netlink.LinkByName(iface)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetGSOMaxSegs(l, 1); err != nil {
			return fmt.Errorf("switch off aggregates of %s: %w", iface, err)
		}
		return nil
	})
}
