package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Veth makes a pair of connected virtual Ethernet interfaces, nameA in a and
// nameB in b, and sets both up. With IPv6 on, as it is by default, the kernel
// sends frames of its own on them (router solicitations, multicast reports).
func Veth(a *Namespace, nameA string, b *Namespace, nameB string) error {
	if err := addVeth(0, a, nameA, b, nameB); err != nil {
		return err
	}
	return connect(a, nameA, b, nameB)
}

// QuietVeth is Veth with IPv6 disabled at both ends, so that not one frame
// passes that the caller did not send.
func QuietVeth(a *Namespace, nameA string, b *Namespace, nameB string) error {
	return QuietVethAt(0, a, nameA, b, nameB)
}

// QuietVethAt is QuietVeth with an index of the caller's choice for the
// interface in a.
func QuietVethAt(index int, a *Namespace, nameA string, b *Namespace, nameB string) error {
	if err := addVeth(index, a, nameA, b, nameB); err != nil {
		return err
	}
	// Both before either is up: carrier comes with the second.
	if err := a.disableIPv6(nameA); err != nil {
		return err
	}
	if err := b.disableIPv6(nameB); err != nil {
		return err
	}
	return connect(a, nameA, b, nameB)
}

// readiness bounds the wait for the kernel to notice that an interface is up.
const readiness = 5 * time.Second

// connect sets both ends up and waits until they carry frames: the kernel gives
// an interface its queue some time after the carrier, and until then drops
// without an error what is sent.
func connect(a *Namespace, nameA string, b *Namespace, nameB string) error {
	if err := a.setUp(nameA); err != nil {
		return err
	}
	if err := b.setUp(nameB); err != nil {
		return err
	}
	if err := a.awaitCarrier(nameA); err != nil {
		return err
	}
	return b.awaitCarrier(nameB)
}

func (n *Namespace) awaitCarrier(iface string) error {
	for deadline := time.Now().Add(readiness); ; time.Sleep(time.Millisecond) {
		link, err := n.Link(iface)
		if err != nil {
			return err
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("interface %s is %s after %v", iface, link.Attrs().OperState, readiness)
		}
	}
}

// addVeth leaves the index to the kernel if it is 0.
func addVeth(index int, a *Namespace, nameA string, b *Namespace, nameB string) error {
	err := withDescriptor(b.file, func(fd int) error {
		veth := &netlink.Veth{
			LinkAttrs:     netlink.NewLinkAttrs(),
			PeerName:      nameB,
			PeerNamespace: netlink.NsFd(fd),
		}
		veth.Name, veth.Index = nameA, index
		return a.Do(func() error { return netlink.LinkAdd(veth) })
	})
	if err != nil {
		return fmt.Errorf("make veth pair %s and %s: %w", nameA, nameB, err)
	}
	return nil
}

// AddTap makes a TAP interface, whose far end is a file that nobody opens, and sets it up. Its
// native XDP is that of hardware: what a program is given has nothing beside it.
func (n *Namespace) AddTap(name string) error {
	tap := &netlink.Tuntap{LinkAttrs: netlink.NewLinkAttrs(), Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_NO_PI}
	tap.Name = name
	if err := n.Do(func() error { return netlink.LinkAdd(tap) }); err != nil {
		return fmt.Errorf("make TAP interface %s: %w", name, err)
	}
	return n.setUp(name)
}

// AddBridge makes a bridge without spanning tree, connects the ports, which
// are interfaces of the namespace, and sets the bridge up.
func (n *Namespace) AddBridge(name string, ports ...string) error {
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	bridge.Name = name
	err := n.Do(func() error {
		if err := netlink.LinkAdd(bridge); err != nil {
			return err
		}
		for _, port := range ports {
			link, err := netlink.LinkByName(port)
			if err != nil {
				return fmt.Errorf("port %s: %w", port, err)
			}
			if err := netlink.LinkSetMaster(link, bridge); err != nil {
				return fmt.Errorf("connect port %s: %w", port, err)
			}
		}
		return netlink.LinkSetUp(bridge)
	})
	if err != nil {
		return fmt.Errorf("make bridge %s: %w", name, err)
	}
	return nil
}

// AddAddress gives the interface an address in CIDR notation, usable at once.
func (n *Namespace) AddAddress(iface, cidr string) error {
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return fmt.Errorf("address %q: %w", cidr, err)
	}
	if addr.IP.To4() == nil {
		// Duplicate address detection would keep it back for a second or two.
		addr.Flags = unix.IFA_F_NODAD
	}
	err = n.withLink(iface, func(link netlink.Link) error { return netlink.AddrAdd(link, addr) })
	if err != nil {
		return fmt.Errorf("add address %s to %s: %w", cidr, iface, err)
	}
	return nil
}

// Link is the interface as the kernel describes it now.
func (n *Namespace) Link(iface string) (netlink.Link, error) {
	var found netlink.Link
	err := n.withLink(iface, func(link netlink.Link) error {
		found = link
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", iface, err)
	}
	return found, nil
}

// DeleteLink deletes the interface, and with it the other end of a veth pair.
func (n *Namespace) DeleteLink(iface string) error {
	if err := n.withLink(iface, netlink.LinkDel); err != nil {
		return fmt.Errorf("delete interface %s: %w", iface, err)
	}
	return nil
}

// SetMTU sets how many bytes a frame on the interface may carry.
func (n *Namespace) SetMTU(iface string, mtu int) error {
	err := n.withLink(iface, func(link netlink.Link) error { return netlink.LinkSetMTU(link, mtu) })
	if err != nil {
		return fmt.Errorf("set MTU of %s to %d: %w", iface, mtu, err)
	}
	return nil
}

// Rename renames the interface, which is down for a moment: before Linux 6.2
// there is no other way.
func (n *Namespace) Rename(iface, name string) error {
	err := n.withLink(iface, func(link netlink.Link) error {
		if err := netlink.LinkSetDown(link); err != nil {
			return err
		}
		if err := netlink.LinkSetName(link, name); err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
	if err != nil {
		return fmt.Errorf("rename interface %s to %s: %w", iface, name, err)
	}
	return n.awaitCarrier(name)
}

// Move moves the interface to another namespace and sets it up there. Its peer
// must be up.
func (n *Namespace) Move(iface string, to *Namespace) error {
	err := withDescriptor(to.file, func(fd int) error {
		return n.withLink(iface, func(link netlink.Link) error { return netlink.LinkSetNsFd(link, fd) })
	})
	if err != nil {
		return fmt.Errorf("move interface %s: %w", iface, err)
	}
	if err := to.setUp(iface); err != nil {
		return err
	}
	return to.awaitCarrier(iface)
}

func (n *Namespace) setUp(iface string) error {
	if err := n.withLink(iface, netlink.LinkSetUp); err != nil {
		return fmt.Errorf("set %s up: %w", iface, err)
	}
	return nil
}

func (n *Namespace) disableIPv6(iface string) error {
	path := filepath.Join("/proc/sys/net/ipv6/conf", iface, "disable_ipv6")
	err := n.Do(func() error {
		err := os.WriteFile(path, []byte("1"), 0)
		if os.IsNotExist(err) {
			return nil // a kernel without IPv6
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("disable IPv6 on %s: %w", iface, err)
	}
	return nil
}

// withLink calls fn with the interface, on a thread inside the namespace.
func (n *Namespace) withLink(iface string, fn func(netlink.Link) error) error {
	return n.Do(func() error {
		link, err := netlink.LinkByName(iface)
		if err != nil {
			return err
		}
		return fn(link)
	})
}
