package packets

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/features"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestTunnelBeginsWithIP watches a device whose frames have no Ethernet header.
func TestTunnelBeginsWithIP(t *testing.T) {
	host, peer := newPair(t)
	file := labtest.OpenTuntap(t, host, netlink.TUNTAP_MODE_TUN, "tun0", netlink.TUNTAP_NO_PI)
	r := &rig{t: t, host: host, peer: peer}
	r.openOn("tun0", probes.HookXDP, 1000)
	packets := [][]byte{tcp4Frame()[14:], tcp6Frame()[14:], udp4Frame()[14:]}
	bytes := 0
	for _, packet := range packets {
		_, err := file.Write(packet)
		r.check(err)
		bytes += len(packet)
	}
	// The kernel may answer what we send: only received packets are compared.
	row, protocols := r.await(uint64(len(packets)))
	if row.Hook != tcHook || !strings.Contains(row.HookReason, "Ethernet") {
		t.Errorf("hook %q: %s", row.Hook, row.HookReason)
	}
	if row.RXPackets != uint64(len(packets)) || row.RXBytes != uint64(bytes) || row.Malformed != 0 {
		t.Errorf("received %d packets, %d bytes, %d malformed: want %d, %d, 0",
			row.RXPackets, row.RXBytes, row.Malformed, len(packets), bytes)
	}
	if !slices.ContainsFunc(protocols, func(p probes.Protocol) bool { return p.Direction == probes.RX && p.Name == "tcp" && p.Packets == 2 }) {
		t.Errorf("protocols %+v", protocols)
	}
}

// TestRefusedXDPFallsBack wishes for native XDP on a driver that has none.
func TestRefusedXDPFallsBack(t *testing.T) {
	host, peer := newPair(t)
	if err := host.AddBridge("br0"); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, host: host, peer: peer}
	r.openOn("br0", probes.HookXDP, 1000)
	row, _ := r.poll()
	if row.Hook != tcHook || !strings.Contains(row.HookReason, "xdp refused") {
		t.Errorf("hook %q: %s", row.Hook, row.HookReason)
	}
}

// TestAggregateOfGuest sends what a virtual machine's driver does: an
// aggregate of which it says only how large a segment is, not how many.
func TestAggregateOfGuest(t *testing.T) {
	const segmentSize, payload, headers = 1000, 2500, 14 + 20 + 20
	host, peer := newPair(t)
	file := labtest.OpenTuntap(t, host, netlink.TUNTAP_MODE_TAP, "tap0", netlink.TUNTAP_NO_PI|netlink.TUNTAP_VNET_HDR)
	r := &rig{t: t, host: host, peer: peer}
	r.openOn("tap0", probes.HookAuto, 1000)

	ip := ipv4(layers.IPProtocolTCP)
	frame := build(ethernet(layers.EthernetTypeIPv4), ip, tcp(ip), gopacket.Payload(make([]byte, payload)))
	const needsChecksum, gsoTCPv4 = 1, 1
	_, err := file.Write(append(virtioHeader(needsChecksum, gsoTCPv4, headers, segmentSize, 34, 16), frame...))
	r.check(err)
	row, _ := r.await(3)
	if want := uint64(payload + 3*headers); row.RXPackets != 3 || row.RXBytes != want {
		t.Errorf("%d frames, %d bytes: want 3, %d", row.RXPackets, row.RXBytes, want)
	}
}

// virtioHeader is a struct virtio_net_hdr (linux/virtio_net.h): how much of the
// frame is headers, how large a segment is, where its checksum starts and goes.
func virtioHeader(flags, gsoType uint8, headers, segmentSize, checksumStart, checksumOffset uint16) []byte {
	header := []byte{flags, gsoType}
	for _, field := range []uint16{headers, segmentSize, checksumStart, checksumOffset} {
		header = binary.NativeEndian.AppendUint16(header, field)
	}
	return header
}

// TestHeadersOutsideLinearMemory sends frames of which only the Ethernet
// header is in linear memory. They count as any other; by the tracepoint before Linux
// 6.12, by what the kernel found.
func TestHeadersOutsideLinearMemory(t *testing.T) {
	for _, at := range []probes.Hook{probes.HookTracepoint, tcHook} {
		t.Run(string(at), func(t *testing.T) { testHeadersOutsideLinearMemory(t, at) })
	}
}

func testHeadersOutsideLinearMemory(t *testing.T, at probes.Hook) {
	const payload = 8000
	host, peer := newPair(t)
	file := labtest.OpenTuntap(t, host, netlink.TUNTAP_MODE_TAP, "tap0", netlink.TUNTAP_NO_PI|netlink.TUNTAP_VNET_HDR)
	r := &rig{t: t, host: host, peer: peer}
	r.openOn("tap0", at, 1000)

	over4, over6 := ipv4(layers.IPProtocolTCP), ipv6(layers.IPProtocolIPv6HopByHop)
	body := gopacket.Payload(make([]byte, payload))
	frames := [][]byte{
		build(ethernet(layers.EthernetTypeIPv4), over4, tcp(over4), body),
		build(ethernet(layers.EthernetTypeIPv6), over6, extension(layers.IPProtocolTCP, 0, 8), tcpBytes(), body),
		tagged(build(ethernet(layers.EthernetTypeIPv4), over4, tcp(over4), body), 0x88a8, 0x8100),
	}
	bytes := 0
	for _, frame := range frames {
		_, err := file.Write(append(virtioHeader(0, 0, 14, 0, 0, 0), frame...))
		r.check(err)
		bytes += len(frame)
	}
	row, protocols := r.await(uint64(len(frames)))
	if row.RXPackets != uint64(len(frames)) || row.RXBytes != uint64(bytes) || row.Malformed != 0 {
		t.Errorf("%d frames, %d bytes, %d malformed: want %d, %d, 0", row.RXPackets, row.RXBytes, row.Malformed, len(frames), bytes)
	}
	version, err := features.LinuxVersionCode()
	r.check(err)
	if reads := at != probes.HookTracepoint || version >= 6<<16|12<<8; !reads {
		if len(protocols) != 3 || !strings.Contains(row.HookReason, "6.12") {
			t.Errorf("hook %s (%s) counts %+v", row.Hook, row.HookReason, protocols)
		}
		return
	}
	for _, p := range protocols {
		if p.Direction == probes.RX && p.Name != "tcp" {
			t.Errorf("counted as %s: %+v", p.Name, protocols)
		}
	}
	for _, row := range r.pollConnections().Connections {
		if row.RXPackets > 0 && row.Local.String() != "10.0.0.2:80" && row.Local.String() != "[fd00::2]:80" {
			t.Errorf("connection %+v", row)
		}
	}
}

// TestIFB has received frames take the way by an ifb, as to shape what is downloaded does: they
// were received once, and the ifb has them, too.
func TestIFB(t *testing.T) {
	host, peer := newPair(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "ifb0"
	err := host.Do(func() error { return netlink.LinkAdd(&netlink.Ifb{LinkAttrs: attrs}) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this kernel has no ifb")
	}
	r := &rig{t: t, host: host, peer: peer}
	r.check(err)
	r.check(host.Do(func() error { return redirectReceived(hostInterface, "ifb0") }))
	r.openOn("*0", probes.HookTracepoint, 1000)
	r.check(peer.Inject(peerInterface, tcp4Frame(), udp4Frame(), udp4Frame()))
	r.awaitReceived("ifb0", 3)
	interfaces, protocols := r.rows()
	if got := interfaces[hostInterface].RXPackets; got != 3 {
		t.Errorf("%d frames received, want 3", got)
	}
	if got := interfaces["ifb0"].TXPackets; got != 3 {
		t.Errorf("%d frames sent to the ifb, want 3", got)
	}
	for _, p := range protocols {
		if p.Name != "tcp" && p.Name != "udp" {
			t.Errorf("%+v", p)
		}
	}
}

// redirectReceived has all that one interface receives sent by another one.
func redirectReceived(from, to string) error {
	source, err := netlink.LinkByName(from)
	if err != nil {
		return err
	}
	target, err := netlink.LinkByName(to)
	if err != nil {
		return err
	}
	ingress := &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: source.Attrs().Index, Parent: netlink.HANDLE_INGRESS, Handle: netlink.MakeHandle(0xffff, 0),
	}}
	filter := &netlink.U32{ // without a key, all
		FilterAttrs: netlink.FilterAttrs{LinkIndex: source.Attrs().Index, Parent: ingress.Handle, Priority: 1, Protocol: unix.ETH_P_ALL},
		Actions:     []netlink.Action{netlink.NewMirredAction(target.Attrs().Index)},
	}
	return errors.Join(netlink.LinkSetUp(target), netlink.QdiscAdd(ingress), netlink.FilterAdd(filter))
}
