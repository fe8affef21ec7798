package owners

import (
	"net/netip"
	"slices"

	"github.com/ebpftop/ebpftop/probes"
)

// find looks for the socket of a connection, whose frames in question were seen from first on,
// ns of CLOCK_MONOTONIC: at its local end, or else at the remote one. A socket is certain only if
// no other one can have had a part in these frames. What was uncertain before stays so. It returns
// since when, ns of CLOCK_MONOTONIC, the first of those is there that can have had one.
func (p *Probe) find(c *probes.Connection, known *joined, first uint64) (since uint64) {
	t, hasPorts := tupleOf(c)
	if !hasPorts {
		known.why, known.tries = probes.OwnerHasNoPorts, mostTries
		return 0
	}
	q := question{end: t, first: first, last: p.clock.Stamp(c.LastSeen), sent: c.TXPackets > 0, heard: c.RXPackets > 0}
	candidates, atRemote := p.candidates(c, &q), false
	if len(candidates) == 0 {
		q.end, q.sent, q.heard = t.flipped(), q.heard, q.sent
		candidates, atRemote = p.candidates(c, &q), true
	}
	switch {
	case len(candidates) == 0 && known.socket == nil:
		known.why = p.whyNotYet(c)
		return 0
	case len(candidates) == 0:
		known.rivals = known.socket.rivals
		return 0
	}
	latest := slices.MaxFunc(candidates, compareSince)
	known.setSocket(latest)
	known.atRemote = atRemote
	for _, s := range candidates {
		if s.had != nil && s.handed+slack >= first && !isSameProcess(s.had, s.owner) {
			known.mix(s.had, probes.OwnerTakenOver)
		}
		if s != latest && !isOneOwner(s, latest) {
			known.mix(s.owner, whySeveral(s, latest))
		}
	}
	return slices.MinFunc(candidates, compareSince).since
}

// question is whose an end of a connection was while frames were seen, from first to last, ns of
// CLOCK_MONOTONIC. This end sent some of them, or heard some.
type question struct {
	end         tuple
	first, last uint64
	sent, heard bool
}

// candidates returns the sockets that can be at an end of a connection.
func (p *Probe) candidates(c *probes.Connection, q *question) []*socket {
	if q.end.protocol == protocolTCP {
		return p.placed(c, q, p.sockets.streamsOf(q.end, q.first))
	}
	return p.placed(c, q, p.sockets.datagramsOf(q))
}

// whyNotYet says why a connection has no socket as far as is known now.
func (p *Probe) whyNotYet(c *probes.Connection) probes.OwnerReason {
	local := netip.AddrPort(c.Local).Addr()
	switch {
	case !p.host.IsLocal(local) && !isForMany(local):
		return probes.OwnerForwarded
	case p.clock.Stamp(c.FirstSeen) <= p.begun+slack:
		return probes.OwnerBeforeStart
	}
	return probes.OwnerPending
}

// isForMany tells whether sockets of any address get what is sent to this one.
func isForMany(address netip.Addr) bool {
	return address.IsMulticast() || address == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// isOneOwner tells whether two sockets are of one process in one network namespace, or both of
// none.
func isOneOwner(a, b *socket) bool { return isSameProcess(a.owner, b.owner) && a.netns == b.netns }

func isSameProcess(a, b *probes.Owner) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.PID == b.PID && a.Started.Equal(b.Started)
}

// whySeveral says why a connection may be of either socket.
func whySeveral(a, b *socket) probes.OwnerReason {
	switch {
	case a.netns != b.netns:
		return probes.OwnerInSeveralNamespaces
	case a.ended != 0 && a.ended <= b.since || b.ended != 0 && b.ended <= a.since:
		return probes.OwnerTakenOver
	}
	return probes.OwnerSharesPort
}

func compareSince(a, b *socket) int {
	switch {
	case a.since < b.since:
		return -1
	case a.since > b.since:
		return 1
	}
	return 0
}
