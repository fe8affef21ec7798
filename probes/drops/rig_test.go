package drops

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf/features"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// rig is a router between two hosts, on which drops are counted:
//
//	peer peer0 --- host0 [host] host1 --- far0 far
//	   10.1.0.2    10.1.0.1     10.2.0.1   10.2.0.2
type rig struct {
	t               *testing.T
	peer, host, far *lab.Namespace
	probe           *Probe
}

var (
	peerAddress = netip.MustParseAddr("10.1.0.2")
	hostAddress = netip.MustParseAddr("10.1.0.1")
	farAddress  = netip.MustParseAddr("10.2.0.2")
)

func newRig(t *testing.T) *rig { return newRigOf(t, 0) }

// newRigOf has a table of so many rows.
func newRigOf(t *testing.T, rows uint32) *rig {
	t.Helper()
	r := &rig{t: t, peer: labtest.Namespace(t), host: labtest.Namespace(t), far: labtest.Namespace(t)}
	r.check(lab.QuietVeth(r.peer, "peer0", r.host, "host0"))
	r.check(lab.QuietVeth(r.host, "host1", r.far, "far0"))
	r.check(r.peer.AddAddress("peer0", "10.1.0.2/24"))
	r.check(r.host.AddAddress("host0", "10.1.0.1/24"))
	r.check(r.host.AddAddress("host1", "10.2.0.1/24"))
	r.check(r.far.AddAddress("far0", "10.2.0.2/24"))
	r.sysctl("net/ipv4/ip_forward", "1")
	r.knows(r.host, "host0", r.peer, "peer0", peerAddress)
	r.knows(r.host, "host1", r.far, "far0", farAddress)
	r.check(r.host.Do(func() error {
		namespace, err := kernel.NetworkNamespace()
		if err != nil {
			return err
		}
		r.probe, err = newProbe(kernel.NewClock(), namespace, rows)
		return err
	}))
	t.Cleanup(func() { r.check(r.probe.Close()) })
	if r.probe.unknown != "" {
		t.Fatal(r.probe.unknown)
	}
	return r
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) sysctl(name, value string) {
	r.t.Helper()
	r.check(r.host.Do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) }))
}

func (r *rig) mac(n *lab.Namespace, iface string) net.HardwareAddr {
	r.t.Helper()
	l, err := n.Link(iface)
	r.check(err)
	return l.Attrs().HardwareAddr
}

// knows spares n to ask for a neighbour.
func (r *rig) knows(n *lab.Namespace, iface string, of *lab.Namespace, other string, ip netip.Addr) {
	r.t.Helper()
	l, err := n.Link(iface)
	r.check(err)
	r.check(n.Do(func() error {
		return netlink.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: r.mac(of, other),
		})
	}))
}

// poll returns what was dropped, and how many packets have no row.
func (r *rig) poll() (drops probes.Drops, uncounted uint64) {
	r.t.Helper()
	r.check(r.host.Do(func() error {
		links, err := rtnl.ListLinks()
		if err != nil {
			return err
		}
		drops, uncounted, err = r.probe.Poll(links, time.Second, nobody)
		return err
	}))
	return drops, uncounted
}

// nobody knows whose a packet is.
func nobody(packet *probes.DroppedPacket, _ string, _ bool) error {
	packet.OwnerReason = probes.OwnersLeftOut
	return nil
}

// find returns the row of these, a zero one if there is none. A reason "" stands for any.
func find(drops []probes.Drop, reason, iface, protocol string) probes.Drop {
	i := slices.IndexFunc(drops, func(d probes.Drop) bool {
		return (reason == "" || d.Reason == reason) && d.Interface == iface && d.Protocol == protocol
	})
	if i < 0 {
		return probes.Drop{}
	}
	return drops[i]
}

// await polls until so many packets are counted. It returns what there is after two seconds.
func (r *rig) await(reason, iface, protocol string, packets uint64) probes.Drop {
	r.t.Helper()
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		drops, _ := r.poll()
		if row := find(drops.Rows, reason, iface, protocol); row.Packets >= packets || time.Now().After(deadline) {
			return row
		}
	}
}

// attempts is how often a count has to be tried where the kernel misses runs of tracing
// programs.
const attempts = 5

// expect has provoke cause drops, and compares what is counted with the number that it
// returns. The last of them are among the latest.
func (r *rig) expect(reason, iface, protocol string, provoke func() (dropped int)) probes.Drop {
	r.t.Helper()
	var got uint64
	var want int
	for range attempts {
		drops, _ := r.poll()
		before := find(drops.Rows, reason, iface, protocol).Packets
		want = provoke()
		row := r.await(reason, iface, protocol, before+uint64(want))
		if got = row.Packets - before; got == uint64(want) {
			return row
		}
		r.t.Logf("%d counted of %d", got, want)
	}
	drops, uncounted := r.poll()
	for _, d := range drops.Rows {
		r.t.Logf("%s %s %s %s: %d", d.Reason, d.Function, d.Interface, d.Protocol, d.Packets)
	}
	r.t.Errorf("%d counted as %q on %s, %s; want %d; %d without row", got, reason, iface, protocol, want, uncounted)
	return probes.Drop{}
}

// isAtLeast tells the version of the kernel.
func isAtLeast(t *testing.T, major, minor uint32) bool {
	t.Helper()
	version, err := features.LinuxVersionCode()
	if err != nil {
		t.Fatal(err)
	}
	return version >= major<<16|minor<<8
}

// packet is an IPv4 packet in an Ethernet frame.
type packet struct {
	from, to         netip.Addr // peerAddress, hostAddress
	protocol         byte       // UDP
	port             uint16     // that it is for: 9
	payload          int        // bytes
	noFragments      bool
	badChecksum      bool
	source, receiver net.HardwareAddr
}

// send sends n from the peer.
func (r *rig) send(p packet, n int) {
	r.t.Helper()
	p.from, p.to = cmp.Or(p.from, peerAddress), cmp.Or(p.to, hostAddress)
	p.protocol, p.port = cmp.Or(p.protocol, unix.IPPROTO_UDP), cmp.Or(p.port, 9)
	if p.receiver == nil {
		p.receiver = r.mac(r.host, "host0")
	}
	p.source = r.mac(r.peer, "peer0")
	r.check(r.peer.Inject("peer0", slices.Repeat([][]byte{p.frame()}, n)...))
}

func (p *packet) frame() []byte {
	transport := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, 4000), p.port)
	at := 6 // of the checksum
	if p.protocol == unix.IPPROTO_TCP {
		at = 16
		transport = append(transport, 0, 0, 0, 1, 0, 0, 0, 0, 5<<4, 2, 0xff, 0xff, 0, 0, 0, 0) // SYN
	} else {
		transport = binary.BigEndian.AppendUint16(transport, uint16(8+p.payload))
		transport = append(transport, 0, 0)
	}
	transport = append(transport, make([]byte, p.payload)...)
	pseudo := append(append(p.from.AsSlice(), p.to.AsSlice()...), 0, p.protocol)
	pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(transport)))
	sum := checksum(append(pseudo, transport...))
	if p.badChecksum {
		sum ^= 0x0101
	}
	binary.BigEndian.PutUint16(transport[at:], sum)

	ip := make([]byte, 20)
	ip[0], ip[8], ip[9] = 0x45, 64, p.protocol
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(transport)))
	if p.noFragments {
		ip[6] = 0x40
	}
	copy(ip[12:], p.from.AsSlice())
	copy(ip[16:], p.to.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	frame := append(append(slices.Clone(p.receiver), p.source...), 0x08, 0x00)
	return append(append(frame, ip...), transport...)
}

// checksum is RFC 1071.
func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	if len(data)%2 == 1 {
		sum += uint32(data[len(data)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// listen opens a UDP socket of the host.
func (r *rig) listen(port int, buffer int) *net.UDPConn {
	r.t.Helper()
	var conn *net.UDPConn
	r.check(r.host.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: hostAddress.AsSlice(), Port: port})
		return err
	}))
	r.t.Cleanup(func() { conn.Close() })
	if buffer > 0 {
		r.check(conn.SetReadBuffer(buffer))
	}
	return conn
}

// unread empties the queue of a socket, and returns how many packets were in it.
func unread(conn *net.UDPConn) (n int) {
	buffer := make([]byte, 2048)
	for ; ; n++ {
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := conn.Read(buffer); err != nil {
			return n
		}
	}
}

// nftablesDrop has a chain drop all that is for the host itself.
func (r *rig) nftablesDrop() error {
	const newTable, newChain = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE, unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWCHAIN
	attribute := func(kind uint16, value []byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
		return append(b, make([]byte, -len(b)&3)...)
	}
	text := func(kind uint16, s string) []byte { return attribute(kind, append([]byte(s), 0)) }
	number := func(kind uint16, n uint32) []byte { return attribute(kind, binary.BigEndian.AppendUint32(nil, n)) }
	message := func(kind, flags uint16, family byte, resource uint16, attributes ...[]byte) []byte {
		body := binary.BigEndian.AppendUint16([]byte{family, 0}, resource)
		body = append(body, slices.Concat(attributes...)...)
		b := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
		return append(append(b, make([]byte, 8)...), body...)
	}
	hook := attribute(unix.NFTA_CHAIN_HOOK|unix.NLA_F_NESTED, slices.Concat(
		number(unix.NFTA_HOOK_HOOKNUM, unix.NF_INET_LOCAL_IN), number(unix.NFTA_HOOK_PRIORITY, 0)))
	batch := slices.Concat(
		message(unix.NFNL_MSG_BATCH_BEGIN, 0, 0, unix.NFNL_SUBSYS_NFTABLES),
		message(newTable, unix.NLM_F_CREATE, unix.NFPROTO_IPV4, 0, text(unix.NFTA_TABLE_NAME, "lab")),
		message(newChain, unix.NLM_F_CREATE|unix.NLM_F_ACK, unix.NFPROTO_IPV4, 0, text(unix.NFTA_CHAIN_TABLE, "lab"),
			text(unix.NFTA_CHAIN_NAME, "input"), hook, number(unix.NFTA_CHAIN_POLICY, 0), text(unix.NFTA_CHAIN_TYPE, "filter")),
		message(unix.NFNL_MSG_BATCH_END, 0, 0, unix.NFNL_SUBSYS_NFTABLES),
	)
	return r.host.Do(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Sendto(fd, batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		answer := make([]byte, 4096)
		n, _, err := unix.Recvfrom(fd, answer, 0)
		if err != nil || n < 20 {
			return fmt.Errorf("answer of %d bytes: %w", n, err)
		}
		if errno := -int32(binary.NativeEndian.Uint32(answer[16:])); errno != 0 {
			return unix.Errno(errno)
		}
		return nil
	})
}
