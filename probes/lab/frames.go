package lab

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

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
	asker := station{n.Client, client.Attrs().HardwareAddr, net.IPv4(198, 51, 100, 1)}
	teller := station{n.Server, server.Attrs().HardwareAddr, net.IPv4(198, 51, 100, 2)}

	return repeat(ctx, 400*time.Millisecond, 35*time.Second, func() error {
		for _, frame := range []struct {
			from   station
			to     net.HardwareAddr
			layers []gopacket.SerializableLayer
		}{
			{asker, broadcast, asker.arp(layers.ARPRequest, teller)},
			{teller, asker.mac, teller.arp(layers.ARPReply, asker)},
			{asker, teller.mac, asker.udp(teller, 40)},
			{teller, asker.mac, teller.udp(asker, 400)},
		} {
			if err := frame.from.sendTagged(frame.to, frame.layers...); err != nil {
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
	ip   net.IP
}

func (s station) arp(operation uint16, other station) []gopacket.SerializableLayer {
	target := other.mac
	if operation == layers.ARPRequest {
		target = make(net.HardwareAddr, 6)
	}
	return []gopacket.SerializableLayer{&layers.ARP{
		AddrType:          layers.LinkTypeEthernet,
		Protocol:          layers.EthernetTypeIPv4,
		HwAddressSize:     6,
		ProtAddressSize:   4,
		Operation:         operation,
		SourceHwAddress:   s.mac,
		SourceProtAddress: s.ip.To4(),
		DstHwAddress:      target,
		DstProtAddress:    other.ip.To4(),
	}}
}

func (s station) udp(other station, size int) []gopacket.SerializableLayer {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: s.ip, DstIP: other.ip}
	udp := &layers.UDP{SrcPort: 5004, DstPort: 5004}
	// Fails only for a network layer that is not IP.
	_ = udp.SetNetworkLayerForChecksum(ip)
	return []gopacket.SerializableLayer{ip, udp, gopacket.Payload(make([]byte, size))}
}

func (s station) sendTagged(to net.HardwareAddr, inner ...gopacket.SerializableLayer) error {
	ethertype := layers.EthernetTypeIPv4
	if _, isARP := inner[0].(*layers.ARP); isARP {
		ethertype = layers.EthernetTypeARP
	}
	frame, err := serialize(append([]gopacket.SerializableLayer{
		&layers.Ethernet{SrcMAC: s.mac, DstMAC: to, EthernetType: layers.EthernetTypeDot1Q},
		&layers.Dot1Q{VLANIdentifier: 100, Type: ethertype},
	}, inner...)...)
	if err != nil {
		return err
	}
	return s.host.Inject(hostInterface, frame)
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

func announce(host *Host, iface string) error {
	link, err := host.Link(iface)
	if err != nil {
		return err
	}
	mac := link.Attrs().HardwareAddr
	frame, err := serialize(
		&layers.Ethernet{
			SrcMAC:       mac,
			DstMAC:       net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, 0x0e},
			EthernetType: layers.EthernetTypeLinkLayerDiscovery,
		},
		&layers.LinkLayerDiscovery{
			ChassisID: layers.LLDPChassisID{Subtype: layers.LLDPChassisIDSubTypeMACAddr, ID: mac},
			PortID:    layers.LLDPPortID{Subtype: layers.LLDPPortIDSubtypeIfaceName, ID: []byte(iface)},
			TTL:       120,
			Values: []layers.LinkLayerDiscoveryValue{{
				Type: layers.LLDPTLVSysName, Length: uint16(len(host.Name)), Value: []byte(host.Name),
			}},
		},
	)
	if err != nil {
		return err
	}
	return host.Inject(iface, frame)
}

func serialize(frame ...gopacket.SerializableLayer) ([]byte, error) {
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, frame...); err != nil {
		return nil, fmt.Errorf("build frame: %w", err)
	}
	return buffer.Bytes(), nil
}
