package owners

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/ebpftop/ebpftop/probes"
)

// nearness is how the network namespace of a socket lies to the interfaces that a connection
// passes.
type nearness uint8

const (
	near     nearness = iota // it leads there
	unplaced                 // not known: the process has ended
	far                      // it does not lead there
)

// placed leaves the sockets in the network namespaces that a connection leads to: those at the
// other ends of veths that it passes, or the host's own. If none is there, those are left that
// have the very address. A socket of any address elsewhere has no part in it.
func (p *Probe) placed(c *probes.Connection, q *question, sockets []*socket) []*socket {
	if len(sockets) == 0 || len(sockets) == 1 && sockets[0].local == q.end.local {
		return sockets
	}
	var found [far + 1][]*socket
	leadsTo, isLocal := p.leadsTo(c), p.isLocal(q.end.local)
	for _, s := range sockets {
		n := p.nearness(s, leadsTo, isLocal)
		if isLocal && s.netns != p.host.Namespace && s.local != q.end.local {
			n = far // the address is the host's own
		}
		found[n] = append(found[n], s)
	}
	if len(found[near]) == 0 {
		found[near] = slices.DeleteFunc(found[far], func(s *socket) bool { return s.local != q.end.local })
	}
	return append(found[near], found[unplaced]...)
}

// elsewhere are the network namespaces, but the host's own, that a connection leads to.
type elsewhere struct {
	ids    []int    // at the other ends of veths: numbers that the host's own has for them
	inodes []uint32 // of interfaces that are watched there
}

// leadsTo returns those that a connection leads to by the interfaces that it passes.
func (p *Probe) leadsTo(c *probes.Connection) (to elsewhere) {
	for i := range p.host.Interfaces {
		switch at := &p.host.Interfaces[i]; {
		case !c.Passes(at.Name):
		case at.Namespace != 0:
			to.inodes = append(to.inodes, at.Namespace)
		case at.Peer != nil && at.Peer.NetNSID != nil:
			to.ids = append(to.ids, *at.Peer.NetNSID)
		}
	}
	return to
}

func (p *Probe) isLocal(words [4]uint32) bool {
	var bytes [16]byte
	for i, word := range words {
		binary.NativeEndian.PutUint32(bytes[4*i:], word)
	}
	address := netip.AddrFrom16(bytes).Unmap()
	return p.host.IsLocal(address) || isForMany(address)
}

func (p *Probe) nearness(s *socket, leadsTo elsewhere, isLocal bool) nearness {
	if s.netns == p.host.Namespace {
		if isLocal {
			return near
		}
		return far
	}
	if slices.Contains(leadsTo.inodes, s.netns) {
		return near
	}
	id, isKnown := p.namespaceID(s)
	switch {
	case !isKnown:
		return unplaced
	case slices.Contains(leadsTo.ids, id):
		return near
	}
	return far
}

// place is the number of a network namespace, as it was found at a poll.
type place struct {
	id   int
	poll uint32
}

// placesLast is how many polls a place is good for: inodes of namespaces are used again.
const placesLast = 2

// namespaceID returns the number that the namespace of a socket has here; false if it is not
// known, because no process of it could be asked.
func (p *Probe) namespaceID(s *socket) (id int, isKnown bool) {
	poll := p.joiner.poll
	if at, ok := p.places[s.netns]; ok && poll-at.poll <= placesLast {
		return at.id, true
	}
	if s.owner == nil {
		return 0, false
	}
	if id, isKnown = p.host.NamespaceID(s.owner.PID); !isKnown {
		return 0, false
	}
	if len(p.places) >= mostPlaces {
		clear(p.places)
	}
	p.places[s.netns] = place{id, poll}
	return id, true
}

const mostPlaces = 4096
