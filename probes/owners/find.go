package owners

import (
	"net/netip"
	"slices"

	"github.com/ebpftop/ebpftop/probes"
)

// find looks for the socket of a connection that was seen from first on, ns of
// CLOCK_MONOTONIC: at its local end, or else at the remote one.
func (p *Probe) find(c *probes.Connection, known *joined, first uint64) {
	t, hasPorts := tupleOf(c)
	if !hasPorts {
		known.why, known.tries = probes.OwnerHasNoPorts, mostTries
		return
	}
	last := p.clock.Stamp(c.LastSeen)
	candidates := p.sockets.at(t, first, last)
	known.atRemote = false
	if len(candidates) == 0 {
		candidates = p.sockets.at(t.flipped(), first, last)
		known.atRemote = len(candidates) > 0
	}
	if len(candidates) > 1 {
		candidates = p.narrow(c, candidates)
	}
	switch {
	case len(candidates) == 0:
		known.why = p.whyNotYet(c)
	case isOneOwner(candidates):
		known.socket, known.why = candidates[0], probes.NoReason
	default:
		known.owner, known.why, known.tries = inCommon(ownersOf(candidates)), probes.NoReason, mostTries
	}
}

// at returns the sockets that can be at this end of a connection.
func (t *socketTable) at(end tuple, first, last uint64) []*socket {
	if end.protocol == protocolTCP {
		return t.streamsOf(end)
	}
	return t.datagramsOf(end, first, last)
}

// whyNotYet says why a connection has no socket as far as is known now.
func (p *Probe) whyNotYet(c *probes.Connection) probes.OwnerReason {
	local := netip.AddrPort(c.Local).Addr()
	switch {
	case !p.host.IsLocal(local) && !local.IsMulticast() && !isBroadcast(local):
		return probes.OwnerForwarded
	case p.clock.Stamp(c.FirstSeen) <= p.begun+slack:
		return probes.OwnerBeforeStart
	}
	return probes.OwnerPending
}

func isBroadcast(address netip.Addr) bool {
	return address == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// narrow leaves the sockets in the network namespaces that the connection leads to: those at
// the other ends of veths that it passes, and those of interfaces elsewhere that it passes, or
// else the host's own. If none is known to be there, all are left.
func (p *Probe) narrow(c *probes.Connection, candidates []*socket) []*socket {
	var leadsTo []int // by the numbers that our own network namespace has for them
	var isIn []uint32 // inodes
	for i := range p.host.Interfaces {
		switch at := &p.host.Interfaces[i]; {
		case at.Namespace != 0:
			if c.Passes(at.Name) {
				isIn = append(isIn, at.Namespace)
			}
		case at.Peer != nil && at.Peer.NetNSID != nil && c.Passes(at.Name):
			leadsTo = append(leadsTo, *at.Peer.NetNSID)
		}
	}
	var away, here []*socket
	for _, s := range candidates {
		if s.netns == p.host.Namespace {
			here = append(here, s)
		} else if slices.Contains(isIn, s.netns) || s.owner != nil && slices.ContainsFunc(leadsTo, func(id int) bool { return p.host.isIn(s.owner.PID, id) }) {
			away = append(away, s)
		}
	}
	switch {
	case len(away) > 0:
		return away
	case len(here) > 0:
		return here
	}
	return candidates
}

// isOneOwner tells whether all sockets are of one process, or of none.
func isOneOwner(sockets []*socket) bool {
	first := sockets[0].owner
	return !slices.ContainsFunc(sockets[1:], func(s *socket) bool {
		if first == nil || s.owner == nil {
			return first != s.owner
		}
		return s.owner.PID != first.PID || !s.owner.Started.Equal(first.Started) || s.netns != sockets[0].netns
	})
}

func ownersOf(sockets []*socket) (owners []*probes.Owner) {
	for _, s := range sockets {
		if s.owner != nil {
			owners = append(owners, s.owner)
		}
	}
	return owners
}
