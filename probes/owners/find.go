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
		candidates = p.narrow(c, candidates, known.atRemote)
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

// narrow leaves the sockets in the network namespace that the connection leads to: that at the
// other end of a veth, or the host's own. If none is known to be in it, all are left.
func (p *Probe) narrow(c *probes.Connection, candidates []*socket, atRemote bool) []*socket {
	leadsTo := c.Interface
	if len(c.Path) > 0 && atRemote {
		leadsTo = c.Path[len(c.Path)-1]
	}
	at := slices.IndexFunc(p.host.Interfaces, func(i probes.Interface) bool { return i.Name == leadsTo })
	isThere := func(s *socket) bool { return s.netns == p.host.Namespace }
	if at >= 0 {
		if peer := p.host.Interfaces[at].Peer; peer != nil && peer.NetNSID != nil {
			isThere = func(s *socket) bool { return s.owner != nil && p.host.isIn(s.owner.PID, *peer.NetNSID) }
		}
	}
	var there []*socket
	for _, s := range candidates {
		if isThere(s) {
			there = append(there, s)
		}
	}
	if len(there) == 0 {
		return candidates
	}
	return there
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
