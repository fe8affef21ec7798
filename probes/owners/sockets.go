package owners

import (
	"hash/maphash"

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
	netns uint32
	owner *probes.Owner      // nil: see reason
	why   probes.OwnerReason // that there is no owner
	since uint64             // ns, CLOCK_MONOTONIC; 0: before our start
	ended uint64             // ns, CLOCK_MONOTONIC; 0: open

	state, before probes.State // of TCP
	distinct      uint32       // as in bpf.OwnersSocketTuple
	seen          uint32       // the listing or change that saw it last
	newer         *socket      // the one that took its place, with the same tuple
	next          *socket      // in the table, another one with the same hash
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
		distinct: key.Distinct, seen: t.poll,
	}
	isClosed := fresh.state == probes.StateClosed
	if isClosed {
		fresh.ended = change.Time
	}
	if key.Protocol == protocolTCP {
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
	if at != nil && !isKnown {
		fresh.owner, fresh.why, fresh.since = at.owner, at.why, at.since
	}
	if at != nil && at.since == fresh.since {
		fresh.next = at.next
		*at = fresh
		t.noteClosed(at)
		return
	}
	if at != nil {
		at.newer = &fresh
		t.unlink(hash, at)
	}
	fresh.next = t.streams[hash]
	t.streams[hash] = &fresh
	t.noteClosed(&fresh)
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

// streamsOf returns the TCP sockets with a tuple, one for each network namespace.
func (t *socketTable) streamsOf(at tuple) (sockets []*socket) {
	for s := t.streams[maphash.Comparable(t.seed, at)]; s != nil; s = s.next {
		if s.tuple == at {
			sockets = append(sockets, s)
		}
	}
	return sockets
}

// putDatagram changes a socket among those that share a port, or adds it.
func (t *socketTable) putDatagram(among []*socket, fresh socket) []*socket {
	for _, s := range among {
		if s.netns == fresh.netns && s.distinct == fresh.distinct {
			*s = fresh
			t.noteClosed(s)
			return among
		}
	}
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

// datagramsOf returns the sockets that can be at this end of a connection which is not TCP,
// and was seen from first to last, ns of CLOCK_MONOTONIC: of those on its port, the ones that
// fit best.
func (t *socketTable) datagramsOf(at tuple, first, last uint64) (best []*socket) {
	fit := 0
	for _, s := range t.datagrams[portKey{at.localPort, at.protocol}] {
		if s.since > last+slack || s.ended != 0 && s.ended+slack < first {
			continue
		}
		n := s.fits(at)
		if n > 0 && s.since <= first+slack {
			n += existed
		}
		switch {
		case n == 0 || n < fit:
		case n > fit:
			best, fit = []*socket{s}, n
		default:
			best = append(best, s)
		}
	}
	return best
}

// existed is what it is worth that a socket was there when the connection began: more than
// how well it fits.
const existed = 8

var unspecified = [2][4]uint32{{}, mappedZero}

// fits says how well a socket that is not TCP fits this end of a connection: 0 not at all.
func (s *socket) fits(at tuple) int {
	n := 1
	switch {
	case s.local == at.local:
		n += 1
	case s.local != unspecified[0] && s.local != unspecified[1]:
		return 0
	}
	switch {
	case s.remotePort == 0: // not connected
		n += 2
	case s.remotePort == at.remotePort && s.remote == at.remote:
		n += 4
	}
	return n
}
