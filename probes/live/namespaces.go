package live

import (
	"errors"
	"fmt"
	"maps"
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
	listed  time.Time             // when the last list of them was there
	took    time.Duration         // to make it
}

// namespace is one of them.
type namespace struct {
	peers.Namespace
	interfaces *packets.Interfaces
	links      []netlink.Link // of the last look
	asked      time.Time      // when that was

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
	n.asked = now
	n.links, _ = finder.Links(n.Namespace)
	if now.Sub(n.addressesTime) >= addressAge || len(n.links) != n.addressesLinks {
		n.addresses, _ = finder.Addresses(n.Namespace)
		n.addressesTime, n.addressesLinks = now, len(n.links)
	}
}

// Because any user may make namespaces, thousands of them must not hold up a sample.
const (
	// listPause is how long namespaces are taken to be as they were. New ones are noticed
	// within it, and new interfaces in them with each sample.
	listPause = time.Second
	// listShare is the part of the time that the list of them may take: longer lists are made
	// less often.
	listShare = 20
	// askTime is how long namespaces are asked at each sample. It is enough for some hundreds;
	// the others wait for the next samples.
	askTime = 100 * time.Millisecond
)

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
	if now.Sub(n.listed) >= max(listPause, listShare*n.took) {
		begun := time.Now()
		found, _, err := n.finder.Namespaces(n.wanted)
		n.listed, n.took = now, time.Since(begun)
		if err != nil {
			return err
		}
		if err := n.follow(found); err != nil {
			return err
		}
	}
	return n.inTurn(askTime, func(one *namespace) error {
		one.ask(n.finder, now)
		err := one.interfaces.Reconcile(one.links)
		one.interfaces.Queue.All() // takes microseconds, since nothing is attached to them
		return err
	})
}

// inTurn calls ask for one namespace after the other, first for those that wait the longest, at
// least for one, until it took as long as patience.
func (n *namespaces) inTurn(patience time.Duration, ask func(*namespace) error) error {
	waiting := slices.SortedFunc(maps.Values(n.watched), func(a, b *namespace) int { return a.asked.Compare(b.asked) })
	var errs []error
	begun := time.Now()
	for i, one := range waiting {
		if i > 0 && time.Since(begun) >= patience {
			break
		}
		errs = append(errs, ask(one))
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
