package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

var withIperf = flag.Bool("iperf", false, "compare TCP through a cross-connect with a bridge; takes a minute")

// kind is a frame and what it is.
type kind struct {
	name  string
	frame []byte
}

// kinds are frames that a bridge eats, changes or lets pass, and that a wire
// must let pass.
func kinds(t *testing.T) []kind {
	t.Helper()
	group := func(last byte) net.HardwareAddr { return net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, last} }
	host := net.HardwareAddr{2, 0, 0, 0, 0, 2}
	everybody := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	ip4 := &layers.IPv4{Version: 4, TTL: 1, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}
	ip6 := &layers.IPv6{Version: 6, HopLimit: 1, NextHeader: layers.IPProtocolUDP, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")}
	stacks := []struct {
		name  string
		stack []gopacket.SerializableLayer
	}{
		{"LLDP", stack(group(0x0e), 0x88cc, bytesOf(46))},
		{"LACP", stack(group(0x02), 0x8809, bytesOf(110))},
		{"STP", stack(group(0x00), layers.EthernetTypeLLC, append(gopacket.Payload{0x42, 0x42, 3}, bytesOf(43)...))},
		{"802.1X", stack(group(0x03), 0x888e, bytesOf(46))},
		{"PAUSE", stack(group(0x01), 0x8808, append(gopacket.Payload{0, 1, 0xff, 0xff}, make([]byte, 42)...))},
		{"IPv4", stack(host, layers.EthernetTypeIPv4, ip4, udp(t, ip4), bytesOf(400))},
		{"IPv6", stack(host, layers.EthernetTypeIPv6, ip6, udp(t, ip6), bytesOf(400))},
		{"ARP to everybody", stack(everybody, layers.EthernetTypeARP, bytesOf(46))},
		{"VLAN", stack(host, 0x8100, tag(100, 0x0800), ip4, udp(t, ip4), bytesOf(400))},
		{"priority tag", stack(host, 0x8100, tag(0, 0x0800), ip4, udp(t, ip4), bytesOf(400))},
		{"QinQ", stack(host, 0x88a8, tag(10, 0x8100), tag(20, 0x86dd), ip6, udp(t, ip6), bytesOf(400))},
		{"LLDP in a VLAN", stack(group(0x0e), 0x8100, tag(7, 0x88cc), bytesOf(46))},
		{"unknown ethertype", stack(host, 0x9abc, bytesOf(46))},
		{"802.3 length", stack(host, 46, bytesOf(46))},
		{"an IPv4 header that is none", stack(host, layers.EthernetTypeIPv4, bytesOf(100))},
		{"one byte", stack(host, 0x9abc, bytesOf(1))},
		{"full MTU of 1500", stack(host, 0x9abc, bytesOf(1500))},
		{"more than a page", stack(host, 0x9abc, bytesOf(4096))},
		{"full MTU", stack(host, 0x9abc, bytesOf(jumboMTU))},
		{"full MTU of IPv4", stack(host, layers.EthernetTypeIPv4, ip4, udp(t, ip4), bytesOf(jumboMTU-28))},
		{"full MTU in a VLAN", stack(host, 0x8100, tag(100, 0x9abc), bytesOf(jumboMTU))},
	}
	var found []kind
	for _, s := range stacks {
		buffer := gopacket.NewSerializeBuffer()
		options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		if err := gopacket.SerializeLayers(buffer, options, s.stack...); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		found = append(found, kind{s.name, slices.Clone(buffer.Bytes())})
	}
	return found
}

func stack(to net.HardwareAddr, ethertype layers.EthernetType, inner ...gopacket.SerializableLayer) []gopacket.SerializableLayer {
	ethernet := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: to, EthernetType: ethertype}
	return append([]gopacket.SerializableLayer{ethernet}, inner...)
}

func tag(vlan uint16, inner layers.EthernetType) *layers.Dot1Q {
	return &layers.Dot1Q{Priority: 5, VLANIdentifier: vlan, Type: inner}
}

func udp(t *testing.T, over gopacket.NetworkLayer) *layers.UDP {
	t.Helper()
	datagram := &layers.UDP{SrcPort: 4000, DstPort: 53}
	if err := datagram.SetNetworkLayerForChecksum(over); err != nil {
		t.Fatal(err)
	}
	return datagram
}

// bytesOf are bytes among which a shift or a gap shows.
func bytesOf(count int) gopacket.Payload {
	payload := make(gopacket.Payload, count)
	for i := range payload {
		payload[i] = byte(i*7 + i>>8)
	}
	return payload
}

// TestWire sends frames of every kind one way and the other: each must arrive
// byte for byte, and be counted.
func TestWire(t *testing.T) {
	onEveryDatapath(t, 2, func(b *bench, datapath crossconnect.Datapath) {
		b.jumbo(datapath)
		b.run("add", port(0), port(1), "--datapath", string(datapath))
		sent := kinds(b.t)
		total := 0
		for _, kind := range sent {
			total += len(kind.frame)
			b.carries(kind, b.wires[0], b.wires[1])
			b.carries(kind, b.wires[1], b.wires[0])
		}
		pair := b.only()
		b.counted(pair.AToB, len(sent), total, 0)
		b.counted(pair.BToA, len(sent), total, 0)
		for _, way := range []crossconnect.Leg{pair.AToB, pair.BToA} {
			if way.Datapath != datapaths[datapath] || way.Requested != datapath {
				b.t.Errorf("datapath %s for the wish %s, want %s", way.Datapath, way.Requested, datapaths[datapath])
			}
		}
	})
}

// carries sends a frame and receives it at the other end.
func (b *bench) carries(k kind, from, to *lab.Wire) {
	b.t.Helper()
	b.check(from.Send(k.frame))
	got, err := to.Receive(time.Now().Add(time.Second))
	if err != nil {
		b.t.Errorf("%s: %v", k.name, err)
		return
	}
	if !bytes.Equal(got, k.frame) {
		b.t.Errorf("%s: received\n%x, want\n%x", k.name, got, k.frame)
	}
}

// TestTagBesideTheData sends a frame whose VLAN tag the kernel holds beside the
// data, as it does with the tags of VLAN interfaces.
func TestTagBesideTheData(t *testing.T) {
	onEveryDatapath(t, 2, func(b *bench, datapath crossconnect.Datapath) {
		b.tagSent(0)
		b.run("add", port(0), port(1), "--datapath", string(datapath))
		sent := numbered(0, 100)
		b.check(b.wires[0].Send(sent))
		got, err := b.wires[1].Receive(time.Now().Add(time.Second))
		b.check(err)
		want := slices.Insert(slices.Clone(sent), 12, 0x81, 0, 0, 100)
		if !bytes.Equal(got, want) {
			b.t.Errorf("received\n%x, want\n%x", got, want)
		}
		size := len(want)
		if datapath == crossconnect.XDPGeneric {
			size = len(sent) // it does not show the tag to the program
		}
		b.counted(b.only().AToB, 1, size, 0)
	})
}

// tagSent has a host put all that it sends in VLAN 100.
func (b *bench) tagSent(host int) {
	b.t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.LoadImm(asm.R2, 0x0081, asm.DWord), // 0x8100 in network order
		asm.LoadImm(asm.R3, 100, asm.DWord),
		asm.FnSkbVlanPush.Call(),
		asm.LoadImm(asm.R0, 0, asm.DWord), // TC_ACT_OK
		asm.Return(),
	}})
	b.check(err)
	defer program.Close()
	b.check(b.hosts[host].Do(func() error {
		link, err := netlink.LinkByName("net0")
		if err != nil {
			return err
		}
		if err := netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
		}}); err != nil {
			return err
		}
		return netlink.FilterAdd(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{
				LinkIndex: link.Attrs().Index, Parent: netlink.HANDLE_MIN_EGRESS, Protocol: unix.ETH_P_ALL,
			},
			Fd: program.FD(), Name: "tag", DirectAction: true,
		})
	}))
}

// TestReflector connects an interface with itself.
func TestReflector(t *testing.T) {
	onEveryDatapath(t, 1, func(b *bench, datapath crossconnect.Datapath) {
		b.jumbo(datapath)
		b.run("add", port(0), port(0), "--datapath", string(datapath))
		sent := kinds(b.t)
		total := 0
		for _, kind := range sent {
			total += len(kind.frame)
			b.carries(kind, b.wires[0], b.wires[0])
		}
		b.counted(b.only().AToB, len(sent), total, 0)
	})
}

// TestPing has left ping right, with the kernels at both ends doing as they do,
// in both IP versions.
func TestPing(t *testing.T) {
	for datapath := range datapaths {
		t.Run(string(datapath), func(t *testing.T) {
			b := &bench{t: t, hub: newHub(t)}
			network := b.network()
			b.hosts = []*lab.Namespace{network.Left.Namespace, network.Right.Namespace}
			b.prepare(datapath)
			b.run("add", "to-left", "to-right", "--datapath", string(datapath))
			b.check(network.Left.Ping(t.Context(), network.Right.IPv4, 500))
			b.check(network.Left.Ping(t.Context(), network.Right.IPv6, 500))
		})
	}
}

// network is the lab of the demo around the switch.
func (b *bench) network() *lab.Network {
	b.t.Helper()
	network, err := lab.Build(b.hub)
	b.check(err)
	b.t.Cleanup(func() {
		if err := network.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return network
}

// TestExactCounters sends bursts of frames of several lengths.
func TestExactCounters(t *testing.T) {
	onEveryDatapath(t, 2, func(b *bench, datapath crossconnect.Datapath) {
		const count = 3000
		b.run("add", port(0), port(1), "--datapath", string(datapath))
		total := 0
		for i := range uint64(count) {
			frame := numbered(i, 60+int(i%1400))
			total += len(frame)
			b.check(b.wires[0].Send(frame))
		}
		received := b.record(1)
		received.await(count - 1)
		if got := len(received.end()); got != count {
			b.t.Errorf("%d frames arrived, want %d", got, count)
		}
		pair := b.only()
		b.counted(pair.AToB, count, total, 0)
		b.counted(pair.BToA, 0, 0, 0)
	})
}

// TestAggregates sends one aggregate that stands for many frames.
func TestAggregates(t *testing.T) {
	b := newBench(t, 2)
	if b.isBefore(5, 11) {
		t.Skip("a veth takes no aggregates of UDP before Linux 5.11")
	}
	const segments, size = 10, 100
	for i, host := range b.hosts {
		b.check(host.AddAddress("net0", address(i).String()+"/24"))
	}
	b.acquaint(0, 1)
	b.acquaint(1, 0)
	b.run("add", port(0), port(1))
	b.check(b.hosts[0].Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, size); err != nil {
			return err
		}
		return unix.Sendto(fd, make([]byte, segments*size), 0, &unix.SockaddrInet4{Port: 53, Addr: address(1).As4()})
	}))
	frame, err := b.wires[1].Receive(time.Now().Add(patience))
	b.check(err)
	if len(frame) != 14+20+8+segments*size {
		t.Fatalf("received %d bytes, which is no aggregate", len(frame))
	}
	b.counted(b.only().AToB, segments, segments*(14+20+8+size), 0)
}

func address(host int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(host + 1)}) }

// acquaint tells one host the MAC address of another, which it would else ask
// for by a frame.
func (b *bench) acquaint(host, other int) {
	b.t.Helper()
	far, err := b.hosts[other].Link("net0")
	b.check(err)
	b.check(b.hosts[host].Do(func() error {
		near, err := netlink.LinkByName("net0")
		if err != nil {
			return err
		}
		return netlink.NeighAdd(&netlink.Neigh{
			LinkIndex: near.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: address(other).AsSlice(), HardwareAddr: far.Attrs().HardwareAddr,
		})
	}))
}

// TestDropped counts frames that enter and cannot leave.
func TestDropped(t *testing.T) {
	const count = 100
	for _, obstacle := range []struct {
		name  string
		size  int
		build func(b *bench, datapath crossconnect.Datapath)
		clear func(b *bench, datapath crossconnect.Datapath)
	}{
		{
			"egress down", 100,
			func(b *bench, datapath crossconnect.Datapath) {
				if datapaths[datapath] == crossconnect.TC && b.isBefore(6, 11) {
					b.t.Skip("what is sent to an interface that is down is not counted before Linux 6.11") // noop_enqueue() in net/sched/sch_generic.c
				}
				b.setUp(port(1), false)
			},
			func(b *bench, _ crossconnect.Datapath) { b.setUp(port(1), true) },
		},
		{"egress MTU", 5000, func(b *bench, datapath crossconnect.Datapath) {
			b.jumbo(datapath)
			b.check(b.hub.SetMTU(port(1), 1500))
			b.check(b.hosts[1].SetMTU("net0", 1500))
		}, (*bench).jumbo},
	} {
		t.Run(obstacle.name, func(t *testing.T) {
			onEveryDatapath(t, 2, func(b *bench, datapath crossconnect.Datapath) {
				frame := numbered(0, obstacle.size)
				b.run("add", port(0), port(1), "--datapath", string(datapath))
				obstacle.build(b, datapath)
				for range count {
					b.check(b.wires[0].Send(frame))
				}
				b.await(func() error {
					if got := b.only().AToB; got.Packets != count {
						return fmt.Errorf("counted %+v, want %d packets", got, count)
					}
					return nil
				})
				pair := b.only()
				b.counted(pair.AToB, count, count*len(frame), count)
				if pair.AToB.DropReason == "" {
					b.t.Error("no reason for the drops")
				}
				b.counted(pair.BToA, 0, 0, 0)
				obstacle.clear(b, datapath)
				b.awaitPath(0, 1)
				if got := b.only().AToB; got.Dropped < count || got.Out() == 0 {
					b.t.Errorf("counted %+v after the obstacle was gone", got)
				}
			})
		})
	}
}

func (b *bench) setUp(iface string, up bool) {
	b.t.Helper()
	set := netlink.LinkSetDown
	if up {
		set = netlink.LinkSetUp
	}
	link, err := b.hub.Link(iface)
	b.check(err)
	b.check(b.hub.Do(func() error { return set(link) }))
}

func (b *bench) counted(got crossconnect.Leg, packets, bytes, dropped int) {
	b.t.Helper()
	if got.Packets != uint64(packets) || got.Bytes != uint64(bytes) || got.Dropped != uint64(dropped) {
		b.t.Errorf("counted %d packets, %d bytes, %d dropped, want %d, %d, %d",
			got.Packets, got.Bytes, got.Dropped, packets, bytes, dropped)
	}
}

// The tests recognize frames by a number in each.
const (
	numberOffset = 14
	numberedSize = 60
)

// TestIperf compares TCP through a cross-connect with TCP through a bridge,
// between the same hosts, in turns.
func TestIperf(t *testing.T) {
	if !*withIperf {
		t.Skip("only with -iperf")
	}
	b := &bench{t: t, hub: newHub(t)}
	network := b.network()
	server := exec.CommandContext(t.Context(), "iperf3", "--server", "--forceflush", "--bind", network.Right.IPv4.String())
	serverSays, err := server.StdoutPipe()
	b.check(err)
	b.check(network.Right.Start(server))
	for lines := bufio.NewScanner(serverSays); !strings.Contains(lines.Text(), "listening"); {
		if !lines.Scan() {
			t.Fatal("the iperf3 server ended")
		}
	}
	go io.Copy(io.Discard, serverSays) // ends with the test
	measure := func() float64 {
		b.check(network.Left.Ping(t.Context(), network.Right.IPv4, 1)) // knows the MAC addresses from here on
		cmd := exec.CommandContext(t.Context(), "iperf3", "--json", "--time", "3", "--client", network.Right.IPv4.String())
		got := finish(t, network.Left.Namespace, cmd)
		var report struct {
			End struct {
				Received struct {
					BitsPerSecond float64 `json:"bits_per_second"`
				} `json:"sum_received"`
			}
		}
		if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.status != 0 {
			t.Fatalf("iperf3: status %d, %v, %s", got.status, err, got.out)
		}
		return report.End.Received.BitsPerSecond / 1e9
	}
	var ratios []float64
	for range 5 {
		b.run("add", "to-left", "to-right")
		crossConnect := measure()
		b.run("del", "to-left")
		b.check(b.hub.AddBridge("br1", "to-left", "to-right"))
		bridge := measure()
		b.check(b.hub.DeleteLink("br1"))
		ratios = append(ratios, crossConnect/bridge)
		t.Logf("cross-connect %.1f Gbit/s, bridge %.1f Gbit/s", crossConnect, bridge)
	}
	slices.Sort(ratios)
	t.Logf("median of cross-connect / bridge: %.2f", ratios[len(ratios)/2])
}
