package probes

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestTunnelBeginsWithIP watches a device whose frames have no Ethernet header.
func TestTunnelBeginsWithIP(t *testing.T) {
	host, peer := newPair(t)
	tun := &netlink.Tuntap{
		LinkAttrs: netlink.LinkAttrs{Name: "tun0"},
		Mode:      netlink.TUNTAP_MODE_TUN,
		Flags:     netlink.TUNTAP_NO_PI,
		Queues:    1,
	}
	if err := host.Do(func() error {
		return errors.Join(netlink.LinkAdd(tun), netlink.LinkSetUp(tun))
	}); err != nil {
		t.Fatal(err)
	}
	file := tun.Fds[0]
	defer file.Close()

	r := &rig{t: t, host: host, peer: peer}
	r.openOn("tun0", HookXDP, 1000)
	packets := [][]byte{tcp4Frame()[14:], tcp6Frame()[14:], udp4Frame()[14:]}
	bytes := 0
	for _, packet := range packets {
		_, err := file.Write(packet)
		r.check(err)
		bytes += len(packet)
	}
	// The kernel may answer what we send: only received packets are compared.
	row, protocols := r.await(uint64(len(packets)))
	if row.Hook != HookTC || !strings.Contains(row.HookReason, "Ethernet") {
		t.Errorf("hook %q: %s", row.Hook, row.HookReason)
	}
	if row.RXPackets != uint64(len(packets)) || row.RXBytes != uint64(bytes) || row.Malformed != 0 {
		t.Errorf("received %d packets, %d bytes, %d malformed: want %d, %d, 0",
			row.RXPackets, row.RXBytes, row.Malformed, len(packets), bytes)
	}
	if !slices.ContainsFunc(protocols, func(p Protocol) bool { return p.Direction == RX && p.Name == "tcp" && p.Packets == 2 }) {
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
	r.openOn("br0", HookXDP, 1000)
	row, _ := r.poll()
	if row.Hook != HookXDPGeneric || !strings.Contains(row.HookReason, "xdp refused") {
		t.Errorf("hook %q: %s", row.Hook, row.HookReason)
	}
}
