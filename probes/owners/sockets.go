package owners

import (
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
)

// tuple is that of a socket or a connection as one end sees it. Addresses and ports are as
// in bpf.OwnersSocketTuple.
type tuple struct {
	local, remote         [4]uint32
	localPort, remotePort uint16
	protocol              uint32
}

// flipped is the tuple as the other end sees it.
func (t tuple) flipped() tuple {
	t.local, t.remote, t.localPort, t.remotePort = t.remote, t.local, t.remotePort, t.localPort
	return t
}

// socket is one that is open, or was until lately. It is changed in place as the kernel tells
// more of it.
type socket struct {
	tuple
	netns    uint32
	distinct uint32 // as in bpf.OwnersSocketTuple
	seen     uint32 // the poll that saw it last, by a listing or a change
	rivals   uint32 // how often another socket came that may have a part in what it gets

	state, before probes.State       // of TCP
	why           probes.OwnerReason // that there is no owner
	owner         *probes.Owner      // nil: see why
	quality       *probes.Quality    // of TCP, nil: not asked yet

	since uint64  // ns, CLOCK_MONOTONIC; 0: before our start
	ended uint64  // ns, CLOCK_MONOTONIC; 0: open
	told  uint64  // ns, CLOCK_MONOTONIC: when the kernel told of it last
	newer *socket // the one that took its place, with the same tuple
	next  *socket // in the table, another one with the same hash

	had    *probes.Owner // whoever had the tuple before, nil if nobody had
	handed uint64        // ns, CLOCK_MONOTONIC: when it was no longer theirs
}

// portKey is what sockets share that are not TCP, and are told apart by more.
type portKey struct {
	port     uint16
	protocol uint32
}

// socketTable has the sockets that are open, and those that were closed since the last two
// polls: a connection finds its socket as soon as it is listed, and holds it from then on.
type socketTable struct {
	seed      maphash.Seed
	streams   map[uint64]*socket    // by the hash of their tuple: keys take five times the memory
	datagrams map[portKey][]*socket // whatever is not TCP
	closed    [2][]*socket          // since the last poll, and since the one before
	grew      bool                  // since the last poll, by sockets that are not TCP
	poll      uint32
}

func newSocketTable() *socketTable {
	return &socketTable{seed: maphash.MakeSeed(), streams: make(map[uint64]*socket), datagrams: make(map[portKey][]*socket)}
}

const protocolTCP = 6

// apply takes in what the kernel told.
func (t *socketTable) apply(key *bpf.OwnersSocketTuple, change *bpf.OwnersOwnerChange, owner *probes.Owner, why probes.OwnerReason) {
	fresh := socket{
		tuple: tuple{key.Local, key.Remote, key.LocalPort, key.RemotePort, key.Protocol},
		netns: key.NetworkNamespace, owner: owner, why: why, since: change.Owned.Since,
		state: probes.State(change.State), before: probes.State(change.Before),
		distinct: key.Distinct, told: change.Time, seen: t.poll,
	}
	if fresh.state == probes.StateClosed {
		fresh.ended = change.Time
	}
	if key.Protocol == protocolTCP {
		if fresh.ended != 0 {
			fresh.quality = newQuality(&change.Quality)
		}
		t.putStream(fresh, change.Owned.Process.Pid != 0)
		return
	}
	at := portKey{key.LocalPort, key.Protocol}
	t.datagrams[at] = t.putDatagram(t.datagrams[at], fresh)
}

// putStream changes a TCP socket, or adds it. If it is not known whose it is, what was known
// of it stays.
func (t *socketTable) putStream(fresh socket, isKnown bool) {
	hash := maphash.Comparable(t.seed, fresh.tuple)
	at := t.streams[hash]
	for ; at != nil; at = at.next {
		if at.tuple == fresh.tuple && at.netns == fresh.netns {
			break
		}
	}
	if at != nil && !isKnown && at.ended == 0 && !fresh.isNew() {
		fresh.owner, fresh.why, fresh.since = at.owner, at.why, at.since
	}
	switch {
	case at == nil:
		t.addStream(hash, fresh)
	case at.since == fresh.since:
		fresh.next, fresh.rivals, fresh.had, fresh.handed = at.next, at.rivals, at.had, at.handed
		fresh.quality = cmp.Or(fresh.quality, at.quality)
		*at = fresh
		t.noteClosed(at)
	case fresh.told < at.told: // changes come in no order
		at.inherit(&fresh, t.poll)
	default:
		fresh.inherit(at, t.poll)
		t.unlink(hash, at)
		at.newer = t.addStream(hash, fresh)
	}
}

// isNew tells whether what the kernel told of a TCP socket is that it has just got a connection.
func (s *socket) isNew() bool {
	return s.before == probes.StateSynSent || s.before == probes.StateSynRecv
}

// inherit notes who had the tuple before.
func (s *socket) inherit(from *socket, poll uint32) {
	had := cmp.Or(from.owner, &probes.Owner{})
	for _, other := range []*socket{from, s} {
		if other.had != nil && other.seen == poll && !isSameProcess(other.had, had) {
			had = inCommon([]*probes.Owner{had, other.had})
		}
	}
	s.had, s.handed = had, cmp.Or(from.ended, s.since)
}

// addStream adds a TCP socket. Those it may share frames with are looked at anew.
func (t *socketTable) addStream(hash uint64, fresh socket) *socket {
	s := &fresh
	for other := t.streams[hash]; other != nil; other = other.next {
		other.rivals++
	}
	for other := t.streams[maphash.Comparable(t.seed, s.flipped())]; other != nil; other = other.next {
		other.rivals++
	}
	s.next = t.streams[hash]
	t.streams[hash] = s
	t.noteClosed(s)
	return s
}

// unlink takes a socket out of the chain of those with its hash.
func (t *socketTable) unlink(hash uint64, s *socket) {
	first := t.streams[hash]
	if first == s {
		if t.streams[hash] = s.next; s.next == nil {
			delete(t.streams, hash)
		}
		return
	}
	for at := first; at != nil; at = at.next {
		if at.next == s {
			at.next = s.next
			return
		}
	}
}

// streamsOf returns the TCP sockets with a tuple that were there from a moment on, ns of
// CLOCK_MONOTONIC: one for each network namespace.
func (t *socketTable) streamsOf(at tuple, first uint64) (sockets []*socket) {
	for s := t.streams[maphash.Comparable(t.seed, at)]; s != nil; s = s.next {
		if s.tuple == at && (s.ended == 0 || s.ended+slack >= first) {
			sockets = append(sockets, s)
		}
	}
	return sockets
}

// putDatagram changes a socket among those that share a port, or adds it.
func (t *socketTable) putDatagram(among []*socket, fresh socket) []*socket {
	for _, s := range among {
		if s.netns == fresh.netns && s.distinct == fresh.distinct {
			fresh.rivals = s.rivals
			*s = fresh
			t.noteClosed(s)
			return among
		}
	}
	for _, s := range among {
		s.rivals++
	}
	t.grew = true
	t.noteClosed(&fresh)
	return append(among, &fresh)
}

func (t *socketTable) noteClosed(s *socket) {
	if s.ended != 0 {
		t.closed[0] = append(t.closed[0], s)
	}
}

// forget drops sockets that were closed before the last poll.
func (t *socketTable) forget() {
	for _, s := range t.closed[1] {
		t.drop(s)
	}
	t.closed[1], t.closed[0] = t.closed[0], t.closed[1][:0]
	clear(t.closed[0][:cap(t.closed[0])])
	t.grew = false
	t.poll++
}

func (t *socketTable) drop(s *socket) {
	if s.protocol == protocolTCP {
		t.unlink(maphash.Comparable(t.seed, s.tuple), s)
		return
	}
	at := portKey{s.localPort, s.protocol}
	if rest := without(t.datagrams[at], s); len(rest) > 0 {
		t.datagrams[at] = rest
	} else {
		delete(t.datagrams, at)
	}
}

func without(among []*socket, s *socket) []*socket {
	for i := range among {
		if among[i] == s {
			return append(among[:i:i], among[i+1:]...)
		}
	}
	return among
}

// endUnseen takes open sockets that are not TCP for closed, if the listing that just ended did
// not have them.
func (t *socketTable) endUnseen(now uint64) {
	for _, among := range t.datagrams {
		for _, s := range among {
			if s.ended == 0 && s.seen != t.poll {
				s.ended = now
				t.noteClosed(s)
			}
		}
	}
}

// slack is how much earlier than its socket a connection may seem to be: the clock of frames
// counts in ticks, of 10 ms at most.
const slack = 20_000_000

// datagramsOf returns the sockets that can have had a part in the frames of a connection that is
// not TCP. One that fits worse than another, which was there all the time, is handed none; but
// where nothing was handed over, it may be who sent.
func (t *socketTable) datagramsOf(q *question) (candidates []*socket) {
	best := 0
	for _, s := range t.datagrams[portKey{q.end.localPort, q.end.protocol}] {
		n := s.fits(q)
		if n == 0 || s.since > q.last+slack || s.ended != 0 && s.ended+slack < q.first {
			continue
		}
		candidates = append(candidates, s)
		if s.since <= q.first+slack && (s.ended == 0 || s.ended+slack >= q.last) {
			best = max(best, n)
		}
	}
	if !q.heard {
		best = min(best, fitsAny)
	}
	return slices.DeleteFunc(candidates, func(s *socket) bool { return s.fits(q) < best })
}

// How much better one socket fits than another one: by the same rules the kernel hands a packet
// to the one that fits best (compute_score() in net/ipv4/udp.c).
const (
	fitsPort    = 1 // it is connected to another end now, but may not have been before
	fitsAny     = 2 // it has any address
	fitsFamily  = 1 // more: any of IPv4 alone
	fitsAddress = 4 // more
	fitsRemote  = 8 // more: it is connected to the other end
)

// fits says how well a socket that is not TCP fits an end of a connection: 0 not at all.
func (s *socket) fits(q *question) int {
	n := fitsAny
	switch {
	case s.local == q.end.local:
		n += fitsAddress
	case s.local == mappedZero:
		n += fitsFamily
	case s.local != [4]uint32{}:
		return 0
	}
	switch {
	case s.remotePort == 0: // not connected
		return n
	case s.remotePort == q.end.remotePort && s.remote == q.end.remote:
		return n + fitsRemote
	case q.sent:
		return fitsPort
	}
	return 0
}
