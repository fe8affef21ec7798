package owners

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// Host is what must be known of the host to tell whose a connection is.
type Host struct {
	Namespace  uint32 // inode of the network namespace that connections are seen in
	Interfaces []probes.Interface
	IsLocal    func(netip.Addr) bool // whether the host has this address
	// NamespaceID is the number that the namespace has for that of a process, -1 if it has
	// none; false if the process is gone.
	NamespaceID func(pid uint32) (id int, ok bool)
	Polled      uint64 // ns, CLOCK_MONOTONIC: before the connections were read
}

// joined is what is known of a connection that is listed.
type joined struct {
	socket   *socket       // nil: none was found
	owner    *probes.Owner // of the socket, or what those in question have in common
	from     *probes.Owner // the socket's, of which owner was made
	others   *probes.Owner // whose it may be as well, or what they have in common; nil: nobody's
	why      probes.OwnerReason
	rivals   uint32 // of the socket, when it was found
	atRemote bool
	tries    uint8
	poll     uint32 // the last one that listed it
	row      int32  // its place in that list
	// rowBefore is its place in the list before, or some place if it was not listed then.
	rowBefore int32
	earlier   *earlier // connection with the same tuple, nil if there was none
}

// mostTries is how many polls the socket of a connection is looked for.
const mostTries = 6

// joiner remembers what was found out about connections, by the hash of their tuple: the keys
// would take five times the memory.
type joiner struct {
	seed   maphash.Seed
	known  map[uint64]*joined
	rows   []probes.Connection // of the last poll
	ended  []probes.Connection // since
	poll   uint32
	polled uint64    // ns, CLOCK_MONOTONIC: before the rows of the last poll were read
	listed []*joined // of the rows of this poll
	before []*joined // of those of the last one
}

func newJoiner() joiner { return joiner{seed: maphash.MakeSeed(), known: make(map[uint64]*joined)} }

// ends are the two ends of a connection, whichever is local.
type ends struct {
	protocol string
	a, b     probes.Endpoint
}

func (j *joiner) of(c *probes.Connection) *joined {
	key := ends{c.Protocol, c.Local, c.Remote}
	if netip.AddrPort(key.a).Compare(netip.AddrPort(key.b)) > 0 {
		key.a, key.b = key.b, key.a
	}
	hash := maphash.Comparable(j.seed, key)
	known := j.known[hash]
	if known == nil {
		known = &joined{}
		j.known[hash] = known
	}
	return known
}

// next returns what is known of a row. As a rule it follows the one that the row before was,
// at the last poll: a look that takes a tenth of what the hash takes.
func (j *joiner) next(c *probes.Connection) *joined {
	at := 0
	if n := len(j.listed); n > 0 {
		at = int(j.listed[n-1].rowBefore) + 1
	}
	if at < len(j.before) && isSameTuple(&j.rows[at], c) {
		return j.before[at]
	}
	return j.of(c)
}

func isSameTuple(a, b *probes.Connection) bool {
	return a.Remote == b.Remote && a.Local == b.Local && a.Protocol == b.Protocol
}

// Join adds to connections who owns them, and in which state they are. It returns what ended
// since the last time, as it was last listed: connections that are listed no more, and those
// whose tuple is another's by now.
func (p *Probe) Join(rows, passages []probes.Connection, host *Host) (ended []probes.Connection, err error) {
	if p.hooks != nil {
		if err := p.read(); err != nil {
			return nil, err
		}
	}
	p.host, p.now = host, p.clock.Wall(uint64(kernel.Monotonic()))
	j := &p.joiner
	j.poll++
	j.listed, j.before = j.before[:0], j.listed
	wanted := p.meet(rows)
	if p.hooks != nil {
		if err := p.lookFor(rows, wanted); err != nil {
			return nil, err
		}
	}
	if p.hooks != nil {
		if err := p.measure(); err != nil {
			return nil, err
		}
	}
	for i := range rows {
		p.describe(&rows[i], j.listed[i])
	}
	for i := range passages {
		p.describe(&passages[i], j.of(&passages[i]))
	}
	p.sockets.forget()
	j.polled = host.Polled
	return j.finish(rows), nil
}

// finish returns what ended, and remembers the rows.
func (j *joiner) finish(rows []probes.Connection) []probes.Connection {
	if gone := len(j.known) - len(j.listed); gone > 0 {
		j.ended = slices.Grow(j.ended, gone)
		for hash, known := range j.known {
			if known.poll == j.poll {
				continue
			}
			if known.poll == j.poll-1 && int(known.row) < len(j.rows) {
				j.ended = append(j.ended, j.rows[known.row])
			}
			delete(j.known, hash)
		}
	}
	ended := j.ended
	j.rows, j.ended = rows, nil
	return ended
}

// meet finds the sockets of rows. It returns those for which it may help to look at sockets
// anew.
func (p *Probe) meet(rows []probes.Connection) (wanted []int32) {
	j := &p.joiner
	for i := range rows {
		c := &rows[i]
		known := j.next(c)
		before := j.rowBefore(known)
		known.rowBefore = known.row
		known.poll, known.row = j.poll, int32(i)
		j.listed = append(j.listed, known)
		if before != nil && before.Local != c.Local {
			known.turn()
		}
		if before != nil && packetsOf(c) < packetsOf(before)+known.earlier.packets() { // the kernel made the row anew
			ended := *before
			if known.socket != nil && known.socket.ended == 0 {
				ended.Quality = nil // the new row has it
			}
			j.ended = append(j.ended, ended)
			*known = joined{poll: j.poll, row: int32(i), rowBefore: known.rowBefore}
			before = nil
		}
		if p.follow(c, known, before); p.isWanted(c, known) || p.mayHaveRivals(c, known) {
			wanted = append(wanted, int32(i))
		}
	}
	return wanted
}

// turn has the other end of a connection be the local one from now on, because more was seen of
// its path.
func (k *joined) turn() {
	k.atRemote, k.from, k.owner = !k.atRemote, nil, nil
	if e := k.earlier; e != nil {
		e.rxPackets, e.txPackets = e.txPackets, e.rxPackets
		e.rxBytes, e.txBytes = e.txBytes, e.rxBytes
	}
}

// rowBefore returns the row as it was last listed, nil if it was not.
func (j *joiner) rowBefore(known *joined) *probes.Connection {
	if known.poll == 0 || known.poll != j.poll-1 || int(known.row) >= len(j.rows) {
		return nil
	}
	return &j.rows[known.row]
}

func packetsOf(c *probes.Connection) uint64 { return c.RXPackets + c.TXPackets }

// follow finds the socket of a row, or the one that took its place.
func (p *Probe) follow(c *probes.Connection, known *joined, before *probes.Connection) {
	s := known.socket
	switch {
	case p.hooks == nil:
		return
	case s == nil:
		if known.tries < mostTries {
			p.find(c, known, p.clock.Stamp(c.FirstSeen))
		}
	case s.newer != nil:
		since := s.newer.since
		for s.newer != nil {
			s = s.newer
		}
		p.replace(known, before, joined{socket: s, atRemote: known.atRemote}, handover{s.had, s.handed, since})
	case s.protocol != protocolTCP && s.ended != 0 && p.clock.Stamp(c.LastSeen) > s.ended+slack:
		var found joined
		since := p.find(c, &found, s.ended+slack+1)
		switch {
		case found.socket != nil && found.socket != s:
			p.replace(known, before, found, handover{s.owner, s.ended, since})
		case known.others == nil && p.wasSentAfter(c, known, before):
			known.mix(nil, probes.OwnerTakenOver) // until that socket is known
		}
	case s.rivals != known.rivals || known.atRemote && s.protocol != protocolTCP && p.sockets.grew:
		p.find(c, known, p.clock.Stamp(c.FirstSeen))
	}
}

// setSocket takes a socket for that of the connection.
func (k *joined) setSocket(s *socket) {
	k.socket, k.rivals, k.from, k.owner = s, s.rivals, nil, nil
	if k.others == nil {
		k.why = probes.NoReason
	}
}

// mix has a connection be of somebody else, too, or of one of them: which, is not known.
func (k *joined) mix(with *probes.Owner, why probes.OwnerReason) {
	if with == nil {
		with = &probes.Owner{}
	}
	if k.others != nil {
		with = inCommon([]*probes.Owner{k.others, with})
	}
	k.others, k.why, k.from, k.owner = with, why, nil, nil
}

// isWanted tells whether to look at sockets anew for a row could help: because none was
// found, or because it is not sure who has it.
func (p *Probe) isWanted(c *probes.Connection, known *joined) bool {
	switch s := known.socket; {
	case p.hooks == nil || known.others != nil || known.tries >= mostTries:
		return false
	case s == nil:
		return known.why == probes.OwnerPending || known.why == probes.OwnerBeforeStart || known.why == probes.OwnerForwarded
	case s.ended != 0:
		return false
	case s.owner == nil: // its opening was missed
		return s.why == probes.OwnerBeforeStart
	default:
		return s.owner.Certainty == probes.Listener
	}
}

// mayHaveRivals tells whether frames of a connection were seen since the sockets that are not
// TCP were last listed: a socket that is not known yet may have sent them.
func (p *Probe) mayHaveRivals(c *probes.Connection, known *joined) bool {
	return p.hooks != nil && known.socket != nil && (known.others == nil || known.socket.ended != 0) &&
		known.socket.protocol != protocolTCP && p.clock.Stamp(c.LastSeen) > uint64(p.listing.ended)
}

// lookFor looks at sockets anew, if it is time to, for the rows in these places.
func (p *Probe) lookFor(rows []probes.Connection, wanted []int32) error {
	now := time.Duration(kernel.Monotonic())
	var streams, others bool
	for _, i := range wanted {
		if rows[i].Protocol == "tcp" {
			streams = true
		} else {
			others = true
		}
	}
	streams, others = streams && p.survey.isDue(now), others && p.listing.isDue(now)
	if streams {
		if err := p.look(); err != nil {
			return err
		}
	}
	if others {
		if err := p.list(); err != nil {
			return err
		}
	}
	if !streams && !others {
		return nil
	}
	if err := p.read(); err != nil {
		return err
	}
	for _, i := range wanted {
		c := &rows[i]
		known := p.joiner.listed[i]
		if isStream := c.Protocol == "tcp"; isStream && !streams || !isStream && !others {
			continue
		}
		if known.socket == nil {
			p.find(c, known, p.clock.Stamp(c.FirstSeen))
		}
		if p.isWanted(c, known) {
			known.tries++
		}
	}
	return nil
}

// describe fills in what is known.
func (p *Probe) describe(c *probes.Connection, known *joined) {
	if s := known.socket; s != nil && (known.from != s.owner || known.owner == nil) {
		known.owner, known.from = known.ownerNow(), s.owner
	}
	c.Owner, c.OwnerReason = known.owner, probes.NoReason
	if c.Owner == nil || known.others != nil {
		c.OwnerReason = p.why(c, known)
	}
	if e := known.earlier; e != nil && c.Path != nil {
		c.RXPackets, c.RXBytes = c.RXPackets-e.rxPackets, c.RXBytes-e.rxBytes
		c.TXPackets, c.TXBytes = c.TXPackets-e.txPackets, c.TXBytes-e.txBytes
		c.FirstSeen = e.until
	}
	if c.Protocol == "tcp" {
		p.describeState(c, known)
	}
}

// ownerNow is who owns the socket, or what is known of who may. It returns nil if that is nothing.
func (k *joined) ownerNow() *probes.Owner {
	owner := k.socket.owner
	if k.others != nil {
		owner = inCommon([]*probes.Owner{cmp.Or(owner, &probes.Owner{}), k.others})
	}
	if owner != nil && k.atRemote {
		there := *owner
		there.AtRemote = true
		owner = &there
	}
	return owner
}

// why says why a connection has no owner.
func (p *Probe) why(c *probes.Connection, known *joined) probes.OwnerReason {
	switch {
	case p.hooks == nil:
		return p.blind
	case known.others != nil:
		return known.why
	case known.socket != nil:
		return known.socket.why
	case known.why == probes.OwnerPending && known.tries >= mostTries:
		return p.whyNone(c)
	}
	return known.why
}

// whyNone says why there is no socket of a connection that ends here.
func (p *Probe) whyNone(c *probes.Connection) probes.OwnerReason {
	switch {
	case p.lostChanges > 0:
		return probes.OwnerLost
	case c.Protocol != "tcp" && !p.hooks.seesClosing:
		return probes.OwnersUnavailable
	case c.Protocol == "tcp":
		return probes.OwnerNotConnected
	}
	return probes.OwnerNoSocket
}

func (p *Probe) describeState(c *probes.Connection, known *joined) {
	s := known.socket
	if s == nil || s.state == probes.StateUnknown || known.why == probes.OwnerInSeveralNamespaces {
		if c.State = flagState(c); c.State == probes.StateClosed {
			c.ClosedAt = c.LastSeen
		}
		return
	}
	received := c.RXFlags
	if known.atRemote {
		received = c.TXFlags
	}
	c.Quality = s.quality
	ended := p.clock.Wall(s.ended)
	c.State = streamState(s, received, p.now.Sub(ended))
	if c.State == probes.StateClosed {
		c.ClosedAt = ended
		if streamState(s, received, 0) != probes.StateClosed {
			c.ClosedAt = ended.Add(timeWait)
		}
	}
}
