package packets

import (
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
)

// wrappingKinds are devices whose frames travel inside frames of other interfaces
// (tunnels), or pass another interface, too, where the kernel does not say which.
var wrappingKinds = []string{
	"gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan", "ipip", "sit", "ip6tnl",
	"vti", "vti6", "xfrm", "vxlan", "geneve", "bareudp", "gtp", "wireguard", "amt", "ovpn",
	"l2tpeth", "ifb", "nlmon", "openvswitch",
}

// pairKinds are devices whose link is their other end, not what they stand on.
var pairKinds = []string{"veth", "netkit", "vxcan"}

// topology is how the interfaces of a namespace stand on each other.
type topology struct {
	names map[int]string // by ifindex
	lower map[int][]int  // what an interface stands on, by ifindex

	heights map[int]int // those that were asked for, by ifindex
}

// topologyOf has names begin with prefix.
func topologyOf(links []netlink.Link, prefix string) topology {
	t := topology{names: make(map[int]string, len(links)), lower: make(map[int][]int), heights: make(map[int]int)}
	for _, l := range links {
		attrs := l.Attrs()
		t.names[attrs.Index] = prefix + attrs.Name
		if attrs.MasterIndex != 0 {
			t.lower[attrs.MasterIndex] = append(t.lower[attrs.MasterIndex], attrs.Index)
		}
		if isHere := attrs.NetNsID < 0; isHere && attrs.ParentIndex != 0 && !slices.Contains(pairKinds, l.Type()) {
			t.lower[attrs.Index] = append(t.lower[attrs.Index], attrs.ParentIndex)
		}
	}
	return t
}

// deepest is how many devices stand on each other at most, MAX_NEST_DEV in
// include/linux/netdevice.h.
const deepest = 8

// standsOn tells whether an interface stands on one of those, directly or not.
func (t topology) standsOn(ifindex int, those func(ifindex int) bool) bool {
	return t.reaches(ifindex, those, deepest)
}

func (t topology) reaches(ifindex int, those func(int) bool, depth int) bool {
	return depth > 0 && slices.ContainsFunc(t.lower[ifindex], func(lower int) bool {
		return those(lower) || t.reaches(lower, those, depth-1)
	})
}

// height is 0 if an interface stands on no other one, else one more than the highest of
// those, no more than depth.
func (t topology) height(ifindex, depth int) int {
	height, isKnown := t.heights[ifindex]
	if isKnown || depth == 0 {
		return height
	}
	for _, lower := range t.lower[ifindex] {
		height = max(height, 1+t.height(lower, depth-1))
	}
	t.heights[ifindex] = height
	return height
}

// describe fills in where an interface stands among the others, whose addresses those are by
// ifindex.
func (t topology) describe(row *probes.Interface, l netlink.Link, addresses map[int][]netip.Prefix) {
	attrs := l.Attrs()
	row.Master = t.names[attrs.MasterIndex]
	row.Lower = make([]string, 0, len(t.lower[attrs.Index]))
	for _, lower := range t.lower[attrs.Index] {
		row.Lower = append(row.Lower, t.names[lower])
	}
	row.AltNames = append([]string{}, attrs.AltNames...)
	if attrs.ParentIndex == 0 || !slices.Contains(pairKinds, l.Type()) {
		return
	}
	row.Peer = &probes.Peer{Ifindex: attrs.ParentIndex}
	if attrs.NetNsID >= 0 {
		row.Peer.NetNSID = &attrs.NetNsID
		return
	}
	row.Peer.Name, row.Peer.HostnameReason = t.names[attrs.ParentIndex], "it is in this namespace"
	row.Peer.SetAddress(addresses[attrs.ParentIndex])
}

// chooseTotal decides which interfaces the totals are made of, so that each frame is in
// them once: those of our own network namespace that do not stand on another counted
// interface. Tunnels and loopback are among them only if nothing else is.
func (i *Interfaces) chooseTotal(links []netlink.Link) {
	i.topology = topologyOf(links, i.elsewhere.prefix())
	counted := func(ifindex int) bool {
		w := i.byIndex[ifindex]
		return w != nil && w.refusal == nil
	}
	var bare bool // whether one is counted on that wraps nothing
	for _, l := range links {
		bare = bare || counted(l.Attrs().Index) && !wraps(l)
	}
	for _, l := range links {
		if w := i.byIndex[l.Attrs().Index]; w != nil {
			w.inTotal = !i.elsewhere.isSet() && counted(l.Attrs().Index) && !(bare && wraps(l)) && !i.topology.standsOn(l.Attrs().Index, counted)
			w.height, w.leadsAway = i.topology.height(l.Attrs().Index, deepest), !i.elsewhere.isSet() && leadsAway(l)
		}
	}
}

// leadsAway tells whether the interface leads to a container or a virtual machine.
func leadsAway(l netlink.Link) bool {
	isPair := slices.Contains(pairKinds, l.Type()) && l.Attrs().NetNsID >= 0
	isTap := l.Type() == "tuntap" && len(l.Attrs().HardwareAddr) > 0
	return isPair || isTap
}

// wraps tells whether frames of the interface are counted on other interfaces, too, or
// leave the host by none.
func wraps(l netlink.Link) bool {
	attrs := l.Attrs()
	isLayer3Tun := l.Type() == "tuntap" && len(attrs.HardwareAddr) == 0
	return attrs.EncapType == "loopback" || isLayer3Tun || slices.Contains(wrappingKinds, l.Type())
}
