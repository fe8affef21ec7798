package live

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/packets"
	"github.com/ebpftop/ebpftop/probes/peers"
)

// namespaces are the other network namespaces that are watched. They are asked for through
// our own, by their numbers, and never entered.
type namespaces struct {
	wanted  []string // as peers.Finder.Namespaces takes them
	chosen  []string // of their interfaces, as packets.NewInterfaces takes it
	finder  *peers.Finder
	packets *packets.Program

	watched map[uint32]*namespace // by inode number
	listed  time.Time
}

// namespace is one of them.
type namespace struct {
	peers.Namespace
	interfaces *packets.Interfaces
	links      []netlink.Link // of the last look

	addresses      map[int][]netip.Prefix // by ifindex
	addressesTime  time.Time              // of these
	addressesLinks int                    // how many interfaces there were then
}

// addressAge is how old addresses may be while interfaces stay as many as they are. To ask
// for them at each sample would take as long as to ask for the interfaces.
const addressAge = 5 * time.Second

// ask asks for what changes without our doing. What cannot be asked any more is gone: its
// interfaces are, and the next list of namespaces has it no more.
func (n *namespace) ask(finder *peers.Finder, now time.Time) {
	n.links, _ = finder.Links(n.Namespace)
	if now.Sub(n.addressesTime) >= addressAge || len(n.links) != n.addressesLinks {
		n.addresses, _ = finder.Addresses(n.Namespace)
		n.addressesTime, n.addressesLinks = now, len(n.links)
	}
}

// listPause is how long namespaces are taken to be as they were. New ones are noticed within
// it, and new interfaces in them with each sample.
const listPause = time.Second

// count is how many interfaces there are in them now.
func (n *namespaces) count() (interfaces int) {
	found, _, _ := n.finder.Namespaces(n.wanted) // check says what is wrong
	for _, one := range found {
		links, _ := n.finder.Links(one) // none if it is gone
		interfaces += len(links)
	}
	return interfaces
}

// check fails if one that the user named is not there.
func (n *namespaces) check() error {
	if len(n.wanted) == 0 {
		return nil
	}
	_, unknown, err := n.finder.Namespaces(n.wanted)
	if err == nil && unknown != nil {
		err = fmt.Errorf("no network namespace %q: name one of /run/netns, a pid, a host name, or a container by 8 digits of its id or more",
			strings.Join(unknown, ", "))
	}
	return err
}

// reconcile follows namespaces and interfaces that come and go.
func (n *namespaces) reconcile(now time.Time) error {
	if len(n.wanted) == 0 {
		return nil
	}
	if now.Sub(n.listed) >= listPause {
		n.listed = now
		found, _, err := n.finder.Namespaces(n.wanted)
		if err != nil {
			return err
		}
		if err := n.follow(found); err != nil {
			return err
		}
	}
	var errs []error
	for _, one := range n.watched {
		one.ask(n.finder, now)
		errs = append(errs, one.interfaces.Reconcile(one.links))
		one.interfaces.Queue.All() // takes microseconds, since nothing is attached to them
	}
	return errors.Join(errs...)
}

// follow watches those that came, and lets go of those that went or go by another name.
func (n *namespaces) follow(found []peers.Namespace) error {
	var errs []error
	for inode, one := range n.watched {
		if !slices.Contains(found, one.Namespace) {
			errs = append(errs, one.leave())
			delete(n.watched, inode)
		}
	}
	for _, one := range found {
		if n.watched[one.Inode] == nil {
			elsewhere := packets.Elsewhere{Inode: one.Inode, Name: one.Name}
			n.watched[one.Inode] = &namespace{
				Namespace: one, interfaces: packets.NewInterfacesElsewhere(n.packets, elsewhere, n.chosen),
			}
		}
	}
	return errors.Join(errs...)
}

// leave gives back what its interfaces held.
func (n *namespace) leave() error {
	err := n.interfaces.Reconcile(nil)
	_, _, pollErr := n.interfaces.PollElsewhere(nil, nil, 0)
	return errors.Join(err, pollErr, n.interfaces.Close(nil))
}

// poll adds what was counted to a sample, in the order of namespaces.
func (n *namespaces) poll(s *probes.Sample, interval time.Duration) error {
	if len(n.watched) == 0 {
		return nil
	}
	var errs []error
	for _, one := range n.watched {
		rows, protocols, err := one.interfaces.PollElsewhere(one.links, one.addresses, interval)
		errs = append(errs, err)
		s.Interfaces, s.Protocols = append(s.Interfaces, rows...), append(s.Protocols, protocols...)
	}
	n.tellPeers(s.Interfaces)
	slices.SortFunc(s.Interfaces, func(a, b probes.Interface) int {
		if a.Key() < b.Key() {
			return -1
		}
		return 1
	})
	return errors.Join(errs...)
}

// tellPeers fills in which peers are in namespaces that are watched.
func (n *namespaces) tellPeers(rows []probes.Interface) {
	inodes := make(map[int]uint32, len(n.watched))
	for inode, one := range n.watched {
		inodes[one.Number] = inode
	}
	for i := range rows {
		if peer := rows[i].Peer; peer != nil && peer.NetNSID != nil {
			peer.Inode = inodes[*peer.NetNSID]
		}
	}
}

// standing is a packets.Standings for interfaces in other namespaces.
func (n *namespaces) standing(id uint32) (packets.Standing, bool) {
	for _, one := range n.watched {
		if standing, ok := one.interfaces.Standing(id); ok {
			return standing, true
		}
	}
	return packets.Standing{}, false
}

func (n *namespaces) close() error {
	var errs []error
	for _, one := range n.watched {
		errs = append(errs, one.interfaces.Close(nil))
	}
	return errors.Join(errs...)
}
