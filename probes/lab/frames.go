package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// What follows is few bytes, written out: the library that the tests have for
// frames would take 5 MB of ebpftop's memory.

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// vlan is a conversation in VLAN 100, as raw frames: hosts whose kernels have
// no VLAN support can still be sent some. ARP and UDP, there and back.
func vlan(ctx context.Context, n *Network) error {
	client, err := n.Client.Link(hostInterface)
	if err != nil {
		return err
	}
	server, err := n.Server.Link(hostInterface)
	if err != nil {
		return err
	}
	asker := station{n.Client, client.Attrs().HardwareAddr, net.IPv4(198, 51, 100, 1).To4()}
	teller := station{n.Server, server.Attrs().HardwareAddr, net.IPv4(198, 51, 100, 2).To4()}
	const request, reply = 1, 2

	return repeat(ctx, 400*time.Millisecond, 35*time.Second, func() error {
		for _, frame := range []struct {
			from station
			data []byte
		}{
			{asker, asker.arp(request, teller)},
			{teller, teller.arp(reply, asker)},
			{asker, asker.udp(teller, 40)},
			{teller, teller.udp(asker, 400)},
		} {
			if err := frame.from.host.Inject(hostInterface, frame.data); err != nil {
				return fmt.Errorf("send from %s: %w", frame.from.host.Name, err)
			}
		}
		return nil
	})
}

// station is a host as it appears in the VLAN.
type station struct {
	host *Host
	mac  net.HardwareAddr
	ip   net.IP // of 4 bytes
}

// tagged is the beginning of a frame.
func (s station) tagged(to net.HardwareAddr, ethertype uint16) []byte {
	const tag = unix.ETH_P_8021Q<<16 | 100
	frame := append(append([]byte{}, to...), s.mac...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(frame, tag), ethertype)
}

// arp is RFC 826. A request is to all, and does not know the address it asks for.
func (s station) arp(operation uint16, other station) []byte {
	to, target := other.mac, other.mac
	if operation == 1 {
		to, target = broadcast, make(net.HardwareAddr, 6)
	}
	frame := append(s.tagged(to, unix.ETH_P_ARP), 0, 1, 8, 0, 6, 4) // Ethernet, IPv4
	frame = binary.BigEndian.AppendUint16(frame, operation)
	frame = append(append(frame, s.mac...), s.ip...)
	return append(append(frame, target...), other.ip...)
}

// udp is RFC 768 on RFC 791, without the checksum that it can do without.
func (s station) udp(other station, size int) []byte {
	const port = 5004
	header := make([]byte, 20)
	header[0], header[8], header[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(header[2:], uint16(20+8+size))
	copy(header[12:], s.ip)
	copy(header[16:], other.ip)
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	frame := append(s.tagged(other.mac, unix.ETH_P_IP), header...)
	for _, field := range []uint16{port, port, uint16(8 + size), 0} {
		frame = binary.BigEndian.AppendUint16(frame, field)
	}
	return append(frame, make([]byte, size)...)
}

// checksum is RFC 1071, of an even number of bytes.
func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// lldp has the hosts announce themselves to the switch, and the switch to them.
func lldp(ctx context.Context, n *Network) error {
	return repeat(ctx, 3*time.Second, time.Minute, func() error {
		for _, port := range []struct {
			host  *Host
			iface string
		}{
			{n.Client, hostInterface},
			{n.Server, hostInterface},
			{n.Switch, "to-client"},
			{n.Switch, "to-server"},
		} {
			if err := announce(port.host, port.iface); err != nil {
				return fmt.Errorf("announce %s of %s: %w", port.iface, port.host.Name, err)
			}
		}
		return nil
	})
}

// announce sends what IEEE 802.1AB asks for, and the name.
func announce(host *Host, iface string) error {
	link, err := host.Link(iface)
	if err != nil {
		return err
	}
	mac := link.Attrs().HardwareAddr
	frame := append([]byte{0x01, 0x80, 0xc2, 0, 0, 0x0e}, mac...) // nearest bridge
	frame = binary.BigEndian.AppendUint16(frame, unix.ETH_P_LLDP)
	for _, field := range []struct {
		kind  uint16
		value []byte
	}{
		{1, append([]byte{4}, mac...)},   // chassis, by MAC address
		{2, append([]byte{5}, iface...)}, // port, by name
		{3, []byte{0, 120}},              // seconds that this holds
		{5, []byte(host.Name)},
		{0, nil}, // the end
	} {
		frame = binary.BigEndian.AppendUint16(frame, field.kind<<9|uint16(len(field.value)))
		frame = append(frame, field.value...)
	}
	return host.Inject(iface, frame)
}
