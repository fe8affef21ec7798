package lab

import (
	"errors"
	"fmt"
	"net/netip"
)

// hostInterface is the one interface, besides lo, of each host.
const hostInterface = "net0"

// Network is four hosts and the switch between them:
//
//	client net0 --- to-client [br0] to-server --- net0 server
//	left   net0 --- to-left         to-right  --- net0 right
//
// Left and right share a subnet, but nothing connects them in the switch: that
// is for a cross-connect to do.
//
// It has no way out: no interface leads elsewhere, no host has a route beyond
// its subnet. The addresses are those reserved for documentation.
type Network struct {
	Client *Host
	Server *Host
	Left   *Host
	Right  *Host
	Switch *Host
}

// Host is a namespace with its addresses.
type Host struct {
	*Namespace
	Name string
	IPv4 netip.Addr
	IPv6 netip.Addr
}

// Build makes the hosts and connects them to hub, which becomes the switch:
// there br0 joins to-client and to-server, and nothing to-left and to-right. The
// hub remains the caller's.
func Build(hub *Namespace) (*Network, error) {
	n := &Network{
		Client: newHost("client", "192.0.2.1", "2001:db8::1"),
		Server: newHost("server", "192.0.2.2", "2001:db8::2"),
		Left:   newHost("left", "203.0.113.1", "2001:db8:1::1"),
		Right:  newHost("right", "203.0.113.2", "2001:db8:1::2"),
		Switch: newHost("switch", "192.0.2.254", "2001:db8::fe"),
	}
	n.Switch.Namespace = hub
	if err := n.connect(); err != nil {
		return nil, errors.Join(fmt.Errorf("build network: %w", err), n.Close())
	}
	return n, nil
}

func newHost(name, ipv4, ipv6 string) *Host {
	return &Host{Name: name, IPv4: netip.MustParseAddr(ipv4), IPv6: netip.MustParseAddr(ipv6)}
}

// hosts lists the hosts that Build makes: all but the switch.
func (n *Network) hosts() []*Host { return []*Host{n.Client, n.Server, n.Left, n.Right} }

func (n *Network) connect() error {
	for _, host := range n.hosts() {
		var err error
		if host.Namespace, err = New(); err != nil {
			return err
		}
		if err := Veth(n.Switch.Namespace, "to-"+host.Name, host.Namespace, hostInterface); err != nil {
			return err
		}
		if err := host.addAddresses(hostInterface); err != nil {
			return err
		}
	}
	if err := n.Switch.AddBridge("br0", "to-client", "to-server"); err != nil {
		return err
	}
	return n.Switch.addAddresses("br0")
}

func (h *Host) addAddresses(iface string) error {
	if err := h.AddAddress(iface, netip.PrefixFrom(h.IPv4, 24).String()); err != nil {
		return err
	}
	return h.AddAddress(iface, netip.PrefixFrom(h.IPv6, 64).String())
}

// Close removes the hosts and, with them, their connections to the switch.
func (n *Network) Close() error {
	var errs []error
	for _, host := range n.hosts() {
		if host.Namespace != nil {
			errs = append(errs, host.Close())
		}
	}
	return errors.Join(errs...)
}
