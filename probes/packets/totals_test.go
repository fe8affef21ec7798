package packets

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// TestTotalsCountAFrameOnce sends frames to a bridge, which come by its port first.
func TestTotalsCountAFrameOnce(t *testing.T) {
	const frames = 7
	for _, c := range []struct {
		watched string
		want    map[string]bool // in the total, by name
	}{
		{"*0", map[string]bool{"lo": false, hostInterface: true, "br0": false}},
		{"br0", map[string]bool{"br0": true}},
	} {
		t.Run(c.watched, func(t *testing.T) {
			host, peer := newPair(t)
			if err := host.AddBridge("br0", hostInterface); err != nil {
				t.Fatal(err)
			}
			r := &rig{t: t, host: host, peer: peer}
			r.openOn(c.watched, tcHook, 1000)
			bridge, err := host.Link("br0")
			r.check(err)
			r.check(peer.Inject(peerInterface, repeat(sentTo(udp4Frame(), bridge.Attrs().HardwareAddr), frames)...))
			r.awaitReceived("br0", frames)
			interfaces, _ := r.rows()
			var bytes uint64
			for name, row := range interfaces {
				if row.InTotal {
					bytes += row.RXBytes
				}
				if row.InTotal != c.want[name] {
					t.Errorf("%s in the total: %v", name, row.InTotal)
				}
			}
			// The bridge may say something of its own accord (IGMP), but receives nothing more.
			total := r.watched.Totals(time.Second)
			if total.RXPackets != frames || total.RXBytes != bytes {
				t.Errorf("received %d packets, %d bytes, want %d, %d", total.RXPackets, total.RXBytes, frames, bytes)
			}
			if br0 := interfaces["br0"]; !slices.Equal(br0.Lower, []string{hostInterface}) || br0.Master != "" || br0.Peer != nil {
				t.Errorf("br0 has master %q, peer %v, lower %q", br0.Master, br0.Peer, br0.Lower)
			}
			if port, ok := interfaces[hostInterface]; ok && (port.Master != "br0" || port.Peer == nil || port.Peer.NetNSID == nil) {
				t.Errorf("the port has master %q, peer %v", port.Master, port.Peer)
			}
		})
	}
}

func sentTo(frame []byte, address net.HardwareAddr) []byte {
	return append(slices.Clone(address), frame[len(address):]...)
}

// TestTotalsKeepWhatWent counts on interfaces that go before what they counted is polled.
func TestTotalsKeepWhatWent(t *testing.T) {
	host, peer := newPair(t)
	r := &rig{t: t, host: host, peer: peer}
	r.openOn("*0", tcHook, 1000)
	arp := sentTo(build(ethernet(0x88b5), udpBytes()), net.HardwareAddr{2, 0, 0, 0, 0, 1})
	received := func() (all probes.Traffic) {
		r.rows()
		return r.watched.Totals(time.Second).Traffic
	}
	var want probes.Traffic
	for round := range 3 {
		name := fmt.Sprintf("pod%d-0", round)
		r.check(lab.QuietVeth(host, name, peer, name))
		r.reconcile()
		frames := append(repeat(arp, 1+round), repeat(udp4Frame(), 5)...)
		r.check(peer.Inject(name, frames...))
		r.awaitCounted(name, 5)
		for _, frame := range frames {
			want.RXPackets++
			want.RXBytes += uint64(len(frame))
		}
		r.check(host.DeleteLink(name))
		r.reconcile()
		if got := received(); got.RXPackets != want.RXPackets || got.RXBytes != want.RXBytes || got.TXPackets != 0 {
			t.Errorf("round %d: received %d packets, %d bytes, want %d, %d; sent %d", round,
				got.RXPackets, got.RXBytes, want.RXPackets, want.RXBytes, got.TXPackets)
		}
	}
	if got := received(); got.RXBPS != 0 {
		t.Errorf("%f bit/s long after", got.RXBPS)
	}
}

// awaitCounted waits until the kernel has counted UDP packets, without a poll.
func (r *rig) awaitCounted(iface string, udp uint64) {
	r.t.Helper()
	l, err := r.host.Link(iface)
	r.check(err)
	const udpSlot = 1 // of slotProtocols
	block := r.watched.byIndex[l.Attrs().Index].probe.block
	before := r.watched.byIndex[l.Attrs().Index].past.base.Ip[directionRX][udpSlot].Packets
	r.eventually(func() error {
		if got := r.packets.counters.sum(block).Ip[directionRX][udpSlot].Packets - before; got < udp {
			return fmt.Errorf("%d UDP packets counted", got)
		}
		return nil
	})
}

// TestTopology says what stands on what, of devices that there are not everywhere.
func TestTopology(t *testing.T) {
	at := func(index int, name string, change func(*netlink.LinkAttrs)) netlink.LinkAttrs {
		attrs := netlink.LinkAttrs{Index: index, Name: name, NetNsID: -1}
		if change != nil {
			change(&attrs)
		}
		return attrs
	}
	master := func(of int) func(*netlink.LinkAttrs) {
		return func(a *netlink.LinkAttrs) { a.MasterIndex = of }
	}
	parent := func(of int) func(*netlink.LinkAttrs) {
		return func(a *netlink.LinkAttrs) { a.ParentIndex = of }
	}
	links := []netlink.Link{
		&netlink.Device{LinkAttrs: at(2, "eth0", master(4))},
		&netlink.Device{LinkAttrs: at(3, "eth1", master(4))},
		&netlink.Bond{LinkAttrs: at(4, "bond0", nil)},
		&netlink.Vlan{LinkAttrs: at(5, "bond0.7", func(a *netlink.LinkAttrs) { a.ParentIndex, a.MasterIndex = 4, 6 })},
		&netlink.Bridge{LinkAttrs: at(6, "br0", nil)},
		&netlink.Macvlan{LinkAttrs: at(7, "mac0", parent(6))},
		&netlink.Veth{LinkAttrs: at(8, "pod0", func(a *netlink.LinkAttrs) { a.ParentIndex, a.MasterIndex = 9, 6 })},
		&netlink.Veth{LinkAttrs: at(9, "pod1", parent(8))},
		&netlink.Wireguard{LinkAttrs: at(10, "wg0", nil)},
		&netlink.Macvlan{LinkAttrs: at(11, "elsewhere", func(a *netlink.LinkAttrs) { a.ParentIndex, a.NetNsID = 2, 1 })},
	}
	for _, c := range []struct {
		counted, want []string
	}{
		{[]string{"eth0", "eth1", "bond0", "bond0.7", "br0", "mac0", "pod0", "pod1", "wg0", "elsewhere"}, []string{"eth0", "eth1", "pod0", "pod1", "elsewhere"}},
		{[]string{"bond0", "bond0.7", "br0", "mac0"}, []string{"bond0"}},
		{[]string{"mac0", "eth1"}, []string{"eth1"}},
		{[]string{"mac0", "wg0"}, []string{"mac0"}},
		{[]string{"wg0"}, []string{"wg0"}},
	} {
		i := &Interfaces{byIndex: make(map[int]*watched)}
		for _, l := range links {
			if slices.Contains(c.counted, l.Attrs().Name) {
				i.byIndex[l.Attrs().Index] = &watched{name: l.Attrs().Name}
			}
		}
		i.chooseTotal(links)
		var got []string
		for _, l := range links {
			if w := i.byIndex[l.Attrs().Index]; w != nil && w.inTotal {
				got = append(got, w.name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("of %q in the total: %q, want %q", c.counted, got, c.want)
		}
	}
}
