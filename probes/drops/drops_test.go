package drops

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
)

// TestReasons provokes drops, and has each shown under the kernel's name for it, with the
// exact number.
func TestReasons(t *testing.T) {
	const packets = 40
	for _, c := range []struct {
		name, reason    string
		major, minor    uint32 // that first has the reason there
		iface, protocol string
		provoke         func(*rig) func() int
	}{
		{"closed UDP port", "NO_SOCKET", 5, 18, "host0", "udp", func(r *rig) func() int {
			return func() int { r.send(packet{}, packets); return packets }
		}},
		{"closed TCP port", "NO_SOCKET", 5, 18, "host0", "tcp", func(r *rig) func() int {
			return func() int { r.send(packet{protocol: unix.IPPROTO_TCP}, packets); return packets }
		}},
		{"full receive buffer", "SOCKET_RCVBUFF", 5, 18, "host0", "udp", func(r *rig) func() int {
			conn := r.listen(5000, 2048)
			return func() int {
				r.send(packet{port: 5000, payload: 1000}, packets)
				return packets - unread(conn)
			}
		}},
		{"bad checksum", "UDP_CSUM", 5, 18, "host0", "udp", func(r *rig) func() int {
			r.listen(5000, 0) // of longer ones, the checksum is looked at when they are read
			return func() int { r.send(packet{port: 5000, payload: 10, badChecksum: true}, packets); return packets }
		}},
		{"bad TCP checksum", "TCP_CSUM", 5, 18, "host0", "tcp", func(r *rig) func() int {
			return func() int {
				r.send(packet{protocol: unix.IPPROTO_TCP, badChecksum: true}, packets)
				return packets
			}
		}},
		{"nftables", "NETFILTER_DROP", 5, 18, "host0", "udp", func(r *rig) func() int {
			r.check(r.nftablesDrop())
			return func() int { r.send(packet{}, packets); return packets }
		}},
		{"reverse path", "IP_RPFILTER", 5, 18, "host0", "udp", func(r *rig) func() int {
			r.sysctl("net/ipv4/conf/host0/rp_filter", "1")
			return func() int { r.send(packet{from: netip.MustParseAddr("10.2.0.77")}, packets); return packets }
		}},
		{"no route", "IP_INNOROUTES", 5, 19, "host0", "udp", func(r *rig) func() int {
			return func() int { r.send(packet{to: netip.MustParseAddr("192.0.2.1")}, packets); return packets }
		}},
		{"longer than the MTU", "PKT_TOO_BIG", 6, 1, "host0", "udp", func(r *rig) func() int {
			r.check(r.host.SetMTU("host1", 1000))
			return func() int {
				r.send(packet{to: farAddress, payload: 1200, noFragments: true}, packets)
				return packets
			}
		}},
		{"for another host", "OTHERHOST", 5, 18, "host0", "udp", func(r *rig) func() int {
			foreign := net.HardwareAddr{2, 0, 0, 0, 0, 99}
			return func() int { r.send(packet{receiver: foreign}, packets); return packets }
		}},
		{"queueing discipline", "QDISC_DROP", 5, 18, "host1", "udp", func(r *rig) func() int {
			r.shape("host1")
			return func() int { return packets - r.forwarded(packets) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			reason := c.reason
			if !isAtLeast(t, c.major, c.minor) {
				reason = "" // counted all the same
			}
			row := r.expect(reason, c.iface, c.protocol, c.provoke(r))
			if row.Packets == 0 {
				return
			}
			if row.Source != probes.DropSKB || row.Last == nil || row.Last.Local == nil || row.Last.Protocol != c.protocol {
				t.Errorf("%+v, last %+v", row, row.Last)
			}
			if reason == "" && row.Function == "" {
				t.Errorf("neither reason nor function: %+v", row)
			}
		})
	}
}

// shape has an interface send next to nothing, and drop the rest.
func (r *rig) shape(iface string) {
	r.t.Helper()
	l, err := r.host.Link(iface)
	r.check(err)
	r.check(r.host.Do(func() error {
		return netlink.QdiscAdd(&netlink.Tbf{
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Parent: netlink.HANDLE_ROOT, Handle: netlink.MakeHandle(1, 0)},
			Rate:       100, Buffer: 1 << 20, Limit: 2000,
		})
	}))
}

// forwarded sends frames by way of the host, and returns how many arrive or wait.
func (r *rig) forwarded(packets int) int {
	r.t.Helper()
	l, err := r.far.Link("far0")
	r.check(err)
	before, waiting := l.Attrs().Statistics.RxPackets, r.waiting("host1")
	r.send(packet{to: farAddress, payload: 700}, packets)
	time.Sleep(50 * time.Millisecond)
	l, err = r.far.Link("far0")
	r.check(err)
	return int(l.Attrs().Statistics.RxPackets-before) + r.waiting("host1") - waiting
}

// waiting returns how many packets a queueing discipline holds.
func (r *rig) waiting(iface string) (n int) {
	r.t.Helper()
	l, err := r.host.Link(iface)
	r.check(err)
	r.check(r.host.Do(func() error {
		list, err := netlink.QdiscList(l)
		for _, q := range list {
			if q.Attrs().Parent == netlink.HANDLE_ROOT && q.Attrs().Statistics != nil {
				n = int(q.Attrs().Statistics.Queue.Qlen)
			}
		}
		return err
	}))
	return n
}

// TestEnds has the last dropped packet with both ends, the local one first.
func TestEnds(t *testing.T) {
	r := newRig(t)
	row := r.expect(reasonOr(t, "NO_SOCKET"), "host0", "udp", func() int { r.send(packet{port: 77}, 3); return 3 })
	if row.Last == nil {
		t.Fatal("none")
	}
	if local, remote := row.Last.Local.String(), row.Last.Remote.String(); local != "10.1.0.1:77" || remote != "10.1.0.2:4000" {
		t.Errorf("local %s, remote %s", local, remote)
	}
	if since := time.Since(row.Last.Time); since < -time.Second || since > time.Minute {
		t.Errorf("%v ago", since)
	}
	if row.Last.Owner != nil || row.Last.OwnerReason != probes.OwnersLeftOut {
		t.Errorf("owner %v, %q", row.Last.Owner, row.Last.OwnerReason)
	}
}

// reasonOr returns a reason, "" where the kernel has none.
func reasonOr(t *testing.T, reason string) string {
	if isAtLeast(t, 5, 18) {
		return reason
	}
	return ""
}

// TestAggregate: what stands for several packets is as many drops.
func TestAggregate(t *testing.T) {
	r := newRig(t)
	conn := r.dialUDP()
	const segments = 20
	r.expect(reasonOr(t, "NO_SOCKET"), "host0", "udp", func() int {
		_, _, err := conn.WriteMsgUDP(make([]byte, segments*100), nil, nil)
		r.check(ignoreRefused(err))
		return segments
	})
}

// ignoreRefused ignores the answer to an earlier packet.
func ignoreRefused(err error) error {
	if err != nil && err.(*net.OpError).Err.Error() == "sendmsg: connection refused" {
		return nil
	}
	return err
}

// dialUDP opens a socket of the peer whose data leave in segments of 100 bytes.
func (r *rig) dialUDP() *net.UDPConn {
	r.t.Helper()
	var conn *net.UDPConn
	r.check(r.peer.Do(func() (err error) {
		dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
			_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 100) })
			return err
		}}
		c, err := dialer.Dial("udp4", "10.1.0.1:9")
		if err == nil {
			conn = c.(*net.UDPConn)
		}
		return err
	}))
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// TestNoDrops: what reaches its end is not dropped. TCP connections are opened, used and
// closed by either end, and hosts are pinged. Before Linux 5.18 the kernel gives no reason, and
// frees the last segments of a connection, and the answers to a ping, as it drops others.
func TestNoDrops(t *testing.T) {
	r := newRig(t)
	var listener net.Listener
	r.check(r.host.Do(func() (err error) {
		listener, err = net.Listen("tcp4", "10.1.0.1:80")
		return err
	}))
	defer listener.Close()
	for n := range 20 {
		var dialled net.Conn
		r.check(r.peer.Do(func() (err error) {
			dialled, err = net.Dial("tcp4", "10.1.0.1:80")
			return err
		}))
		accepted, err := listener.Accept()
		r.check(err)
		first, second := accepted, dialled
		if n%2 == 0 {
			first, second = dialled, accepted
		}
		_, err = first.Write([]byte("hello"))
		r.check(err)
		_, err = second.Read(make([]byte, 5))
		r.check(err)
		first.Close()
		second.Close()
	}
	r.check(r.peer.Ping(t.Context(), hostAddress, 10))
	r.check(r.host.Ping(t.Context(), peerAddress, 10))
	// After them, so that all was counted when these are.
	r.expect(reasonOr(t, "NO_SOCKET"), "host0", "udp", func() int { r.send(packet{}, 1); return 1 })
	drops, uncounted := r.poll()
	for _, d := range drops.Rows {
		if d.Protocol == "tcp" && d.Reason == "TCP_OLD_DATA" { // sent again, for want of time
			continue
		}
		if (d.Protocol == "tcp" || d.Protocol == "icmp") && !isAtLeast(t, 5, 18) {
			continue
		}
		if d.Protocol != "udp" {
			t.Errorf("counted: %+v, last %+v", d, d.Last)
		}
	}
	if uncounted != 0 {
		t.Errorf("%d without row", uncounted)
	}
}

// TestOtherNamespaces: what is dropped elsewhere is not counted.
func TestOtherNamespaces(t *testing.T) {
	r := newRig(t)
	r.knows(r.peer, "peer0", r.host, "host0", hostAddress)
	var conn net.Conn
	r.check(r.host.Do(func() (err error) {
		conn, err = net.Dial("udp4", "10.1.0.2:9")
		return err
	}))
	defer conn.Close()
	for range 20 {
		_, _ = conn.Write([]byte("hello")) // refused, from the second one on
	}
	row := r.expect(reasonOr(t, "NO_SOCKET"), "host0", "udp", func() int { r.send(packet{}, 1); return 1 })
	drops, _ := r.poll()
	if drops.Total != row.Packets {
		t.Errorf("%+v", drops.Rows)
	}
}

// TestUnnamedEthertypes: those that have no name share a row.
func TestUnnamedEthertypes(t *testing.T) {
	r := newRig(t)
	const madeUp = 300
	r.expect("", "host0", "other", func() int {
		var frames [][]byte
		for n := range madeUp {
			p := packet{receiver: r.mac(r.host, "host0"), source: r.mac(r.peer, "peer0"), from: peerAddress, to: hostAddress}
			frame := p.frame()
			frame[12], frame[13] = 0xa0+byte(n>>8), byte(n)
			frames = append(frames, frame)
		}
		r.check(r.peer.Inject("peer0", frames...))
		return madeUp
	})
	if drops, _ := r.poll(); len(drops.Rows) != 1 {
		t.Errorf("%d rows", len(drops.Rows))
	}
}

// TestUnnamedProtocols: those of IP that have no name share a row.
func TestUnnamedProtocols(t *testing.T) {
	r := newRig(t)
	const first, madeUp = 200, 40 // numbers that nobody has assigned
	r.expect("", "host0", "other", func() int {
		for n := range madeUp {
			r.send(packet{protocol: byte(first + n)}, 1)
		}
		return madeUp
	})
	if drops, _ := r.poll(); len(drops.Rows) != 1 {
		t.Errorf("%d rows", len(drops.Rows))
	}
}

// TestFullTable: what has no row is counted nevertheless.
func TestFullTable(t *testing.T) {
	r := newRigOf(t, 1)
	r.expect(reasonOr(t, "NO_SOCKET"), "host0", "udp", func() int { r.send(packet{}, 5); return 5 })
	for range attempts {
		_, before := r.poll()
		r.send(packet{protocol: unix.IPPROTO_TCP}, 7)
		for range 100 {
			if _, uncounted := r.poll(); uncounted == before+7 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	_, uncounted := r.poll()
	t.Errorf("%d without row", uncounted)
}

// TestInterfaceGoes: what was dropped stays in the total, and makes room in the table.
func TestInterfaceGoes(t *testing.T) {
	r := newRig(t)
	reason := reasonOr(t, "NO_SOCKET")
	row := r.expect(reason, "host0", "udp", func() int { r.send(packet{}, 9); return 9 })
	r.check(r.host.DeleteLink("host0"))
	for range 3 {
		r.poll()
	}
	drops, _ := r.poll()
	if got := find(drops.Rows, reason, probes.NoInterface, "udp"); got.Packets != row.Packets || got.Last == nil || got.PerSecond != 0 {
		t.Errorf("%+v", drops.Rows)
	}
	if keys, _, err := r.probe.table.read(); err != nil || len(keys) != 0 {
		t.Errorf("%d rows in the kernel, %v", len(keys), err)
	}
}

// TestXDP has a program fail: in the driver, where there is no skb, and behind it, where
// the kernel drops one. Each frame counts once.
func TestXDP(t *testing.T) {
	for _, mode := range []struct {
		name   string
		flags  link.XDPAttachFlags
		source probes.DropSource
	}{
		{"native", link.XDPDriverMode, probes.DropXDP},
		{"generic", link.XDPGenericMode, probes.DropSKB},
	} {
		t.Run(mode.name, func(t *testing.T) {
			r := newRig(t)
			program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
				Name: "failing", Type: ebpf.XDP, License: "GPL",
				Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}, // XDP_ABORTED
			})
			r.check(err)
			defer program.Close()
			l, err := r.host.Link("host0")
			r.check(err)
			r.check(r.host.Do(func() error {
				attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: l.Attrs().Index, Flags: mode.flags})
				if err == nil {
					t.Cleanup(func() { attached.Close() })
				}
				return err
			}))
			reason, protocol := "XDP_ABORTED", "-"
			if mode.source == probes.DropSKB {
				reason, protocol = "", "udp"
			}
			row := r.expect(reason, "host0", protocol, func() int { r.send(packet{}, 30); return 30 })
			if row.Packets == 0 {
				return
			}
			if row.Source != mode.source {
				t.Errorf("%+v", row)
			}
			info, err := program.Info()
			r.check(err)
			id, _ := info.ID()
			if want := fmt.Sprintf("failing (id %d)", id); mode.source == probes.DropXDP && row.Program != want {
				t.Errorf("program %q, want %q", row.Program, want)
			}
			if drops, _ := r.poll(); len(drops.Rows) != 1 {
				t.Errorf("counted twice: %+v", drops.Rows)
			}
		})
	}
}
