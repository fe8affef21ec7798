package crossconnect

import (
	"errors"
	"fmt"
	"net"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
)

// device is what the choice of a datapath depends on, and what can keep an
// interface from sending frames.
type device struct {
	name        string
	kind        string // hardware, or what it is made of: veth, tun, bridge, ...
	isLoopback  bool
	noWire      string // why it cannot be an end of a wire, empty if it can
	hasEthernet bool   // frames begin with an Ethernet header
	foreignXDP  bool   // someone else's XDP program is attached
	xdpProgram  string // its name, if that could be asked for
	takesTags   bool   // takes VLAN tags out of the frames that XDP sees
	features    driverFeatures
	// featuresKnown is false before Linux 6.3.
	featuresKnown bool
	mtu           int // bytes behind the Ethernet header
	isUp          bool
	hasCarrier    bool
}

// hardware is the kind of a device with a driver of its own.
const hardware = "device"

// veth is the kind of a virtual device that is one of two ends.
const veth = "veth"

// deviceOf describes an interface of the network namespace that the caller's
// thread is in. Any XDP program counts as foreign: whether it is the caller's is
// for the caller to say.
func deviceOf(link netlink.Link) (d device, err error) {
	d = describe(link)
	d.features, d.featuresKnown, err = xdpFeatures(link.Attrs().Index)
	if err != nil {
		return d, fmt.Errorf("%s: %w", d.name, err)
	}
	if d.kind == hardware {
		d.takesTags = takesTags(d.name)
	}
	return d, nil
}

// takesTags tells whether the interface takes VLAN tags out of the frames that
// it receives, to hand them over beside the data. XDP would lose them. One that
// cannot be asked does not.
func takesTags(name string) bool {
	asked, err := ethtool.NewEthtool()
	if err != nil {
		return false
	}
	defer asked.Close()
	features, err := asked.Features(name)
	return err == nil && features["rx-vlan-hw-parse"]
}

// describe is deviceOf without asking the driver.
func describe(link netlink.Link) device {
	attrs := link.Attrs()
	return device{
		name:        attrs.Name,
		kind:        link.Type(),
		isLoopback:  attrs.Flags&net.FlagLoopback != 0,
		noWire:      noWire(link),
		hasEthernet: rtnl.HasEthernet(link),
		foreignXDP:  attrs.Xdp != nil && attrs.Xdp.Attached,
		mtu:         attrs.MTU,
		isUp:        attrs.Flags&net.FlagUp != 0,
		hasCarrier:  attrs.RawFlags&unix.IFF_LOWER_UP != 0,
	}
}

// datapathsToTry lists the datapaths for frames that enter ingress and leave by
// egress, in the order to try them, and says why the first one is preferred.
// What was asked for is never replaced by something else.
//
// Where XDP is among them, the egress may be ready for it only once it has an
// XDP program itself, which the opposite direction attaches. So when both are
// attached, errNoXDPSend tells whether XDP was the right choice.
func datapathsToTry(requested Datapath, ingress, egress device) (try []Datapath, reason string, err error) {
	if err := errConnect(ingress, egress); err != nil {
		return nil, "", err
	}
	switch requested {
	case TC:
		return []Datapath{TC}, "asked for", nil
	case XDPGeneric:
		if err := errNoXDP(ingress); err != nil {
			return nil, "", err
		}
		return []Datapath{XDPGeneric}, "asked for", nil
	case XDP:
		if err := errNoNativeXDP(ingress, egress); err != nil {
			return nil, "", err
		}
		return []Datapath{XDP}, "asked for", nil
	}
	for _, d := range []device{ingress, egress} {
		// Measured on a veth pair: XDP carries a fifth of what tc does.
		if d.kind != hardware {
			return []Datapath{TC}, "virtual device: " + d.kind, nil
		}
	}
	if err := errNoNativeXDP(ingress, egress); err != nil {
		return []Datapath{TC}, err.Error(), nil
	}
	if ingress.takesTags {
		return []Datapath{TC}, fmt.Sprintf("XDP would lose VLAN tags, which %s takes out (ethtool -K %s rxvlan off)", ingress.name, ingress.name), nil
	}
	return []Datapath{XDP, TC}, "native XDP in the drivers", nil
}

// errConnect says why the two cannot be connected by any datapath.
func errConnect(ingress, egress device) error {
	for _, d := range []device{ingress, egress} {
		if err := errLoopback(d); err != nil {
			return err
		}
		if d.noWire != "" {
			return fmt.Errorf("%s (%s) cannot be an end of a wire: %s", d.name, d.kind, d.noWire)
		}
	}
	if ingress.hasEthernet != egress.hasEthernet {
		with, without := ingress, egress
		if egress.hasEthernet {
			with, without = egress, ingress
		}
		return fmt.Errorf("frames of %s (%s) have no Ethernet header, those of %s have one: only like and like can be connected",
			without.name, without.kind, with.name)
	}
	return nil
}

// noWire says why an interface does not take or does not send any frame, empty if it does.
func noWire(link netlink.Link) string {
	const (
		ownMAC   = "it receives only what is for its own address: connect what it is on, or make it with mode passthru"
		ownIP    = "it receives only what is for its own IP addresses: connect what it is on"
		needsKey = "it sends only what has the key of a tunnel, which a frame of another interface does not have"
	)
	switch l := link.(type) {
	case *netlink.Macvlan:
		if l.Mode != netlink.MACVLAN_MODE_PASSTHRU {
			return ownMAC
		}
	case *netlink.Macvtap:
		if l.Mode != netlink.MACVLAN_MODE_PASSTHRU {
			return ownMAC
		}
	case *netlink.IPVlan, *netlink.IPVtap:
		return ownIP
	case *netlink.Vxlan:
		if l.FlowBased {
			return needsKey
		}
	case *netlink.Geneve:
		if l.FlowBased {
			return needsKey
		}
	case *netlink.Gretap:
		if l.FlowBased {
			return needsKey
		}
	}
	switch link.Type() {
	case "dummy":
		return "it drops all that it is to send"
	case "ifb":
		return "it takes only what a filter redirects to it (act_mirred)"
	case "vrf":
		return "it is a routing table: connect the interfaces that are in it"
	}
	return ""
}

func errLoopback(d device) error {
	if !d.isLoopback {
		return nil
	}
	return fmt.Errorf("%s is the loopback interface: connecting it would cut off this host's own programs from each other", d.name)
}

// errNoXDP says why no XDP program of ours can be attached.
func errNoXDP(ingress device) error {
	switch {
	case !ingress.hasEthernet:
		return fmt.Errorf("XDP needs an Ethernet header, which frames of %s do not have", ingress.name)
	case ingress.foreignXDP:
		return fmt.Errorf("XDP is taken by another program on %s%s", ingress.name, inParentheses(ingress.xdpProgram))
	}
	return nil
}

func inParentheses(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// errNoNativeXDP says why native XDP cannot get frames from one to the other,
// if the kernel knows.
func errNoNativeXDP(ingress, egress device) error {
	if err := errNoXDP(ingress); err != nil {
		return err
	}
	if ingress.featuresKnown && !ingress.features.has(featureBasic|featureRedirect) {
		return fmt.Errorf("the driver of %s cannot redirect by XDP", ingress.name)
	}
	if !egress.features.has(featureBasic) {
		return errNoXDPSend(egress)
	}
	return nil
}

// errNoXDPSend says that an interface in its present state does not send what
// is redirected to it by native XDP, if the kernel knows.
func errNoXDPSend(egress device) error {
	if !egress.featuresKnown || egress.features.has(featureNDOXmit) {
		return nil
	}
	if egress.kind == veth {
		return errors.New(unpreparedVeth(egress))
	}
	return fmt.Errorf("%s cannot send XDP frames (no ndo_xdp_xmit)", egress.name)
}
