package packets

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
)

// Standing is what must be known about an interface to join the rows that a connection
// has on several interfaces.
type Standing struct {
	Name      string
	InTotal   bool // as in probes.Interface
	Height    int  // 0 if it stands on no other interface, else one more than the highest of those
	LeadsAway bool // to a container or a virtual machine
	Elsewhere bool // in another network namespace
}

// Standings returns the Standing of an interface by its id, false if the interface is
// gone.
type Standings func(id uint32) (Standing, bool)

// passage links a row of the table, a connection on one interface, with the rows of the
// same connection on other interfaces.
type passage struct {
	iface     uint32 // its id
	next      int32  // the row after this one of the connection, 0 if there is none
	isFirst   bool   // of the rows of a connection that is listed
	isFlipped bool   // its local end is the second one of the tuple
	isNew     bool   // made since the last poll
	isSlotted bool   // a slot counts for it
}

// joiner makes one row of the rows that a connection has on several interfaces.
type joiner struct {
	standings Standings
	members   []member // of the connection at hand
	paths     paths

	passed []probes.Connection // the rows that were joined
	again  uint64              // new rows beyond the first of their connection
}

// member is one row of the connection at hand.
type member struct {
	*probes.Connection
	Standing
	passage
}

// join returns a row for each connection, in the place of rows.
func (j *joiner) join(read *readRows) []probes.Connection {
	j.paths, j.passed, j.again = make(paths), make([]probes.Connection, 0, read.shared), 0
	n := 0
	for i := range read.passages {
		p := &read.passages[i]
		if !p.isFirst {
			continue
		}
		row := &read.rows[n] // in a place that was read
		if p.next == 0 {
			*row = read.rows[i]
			row.Path = j.paths.of(member{passage: *p, Standing: Standing{Name: row.Interface}})
		} else {
			j.gather(read, int32(i))
			*row = j.merge()
		}
		n++
	}
	return read.rows[:n]
}

// each yields the indexes of a connection's rows.
func (r *readRows) each(first int32) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for at := first; yield(at) && r.passages[at].next != 0; {
			at = r.passages[at].next
		}
	}
}

// age returns what decides whether a connection is over, from all its rows. It is valid
// until the next call.
func (r *readRows) age(first int32) *probes.Connection {
	if r.passages[first].next == 0 {
		return &r.rows[first]
	}
	all := &r.aged
	*all = r.rows[first]
	for at := range r.each(first) {
		row := &r.rows[at]
		received, sent := row.RXFlags, row.TXFlags
		if r.passages[at].isFlipped != r.passages[first].isFlipped {
			received, sent = sent, received
		}
		all.RXFlags |= received
		all.TXFlags |= sent
		if row.LastSeen.After(all.LastSeen) {
			all.LastSeen = row.LastSeen
		}
	}
	return all
}

// gather takes the rows of a connection.
func (j *joiner) gather(read *readRows, first int32) {
	j.members = j.members[:0]
	for at := range read.each(first) {
		p := read.passages[at]
		standing, _ := j.standings(p.iface)
		j.members = append(j.members, member{&read.rows[at], standing, p})
	}
}

// merge makes one row of the members, which it sorts in the order of the path.
func (j *joiner) merge() probes.Connection {
	fresh := uint64(0)
	for _, m := range j.members {
		j.passed = append(j.passed, *m.Connection)
		if m.isNew {
			fresh++
		}
	}
	if fresh == uint64(len(j.members)) {
		fresh--
	}
	j.again += fresh
	isFlipped := localEnd(j.members)
	slices.SortFunc(j.members, func(a, b member) int { return a.compare(&b, isFlipped) })
	row := sumUp(j.members, isFlipped)
	row.Path = j.paths.of(j.members...)
	row.Interface = row.Path[0]
	return row
}

// localEnd returns whether the local end is the second one of the tuple. All rows say the
// same unless the host forwards the connection. Then the local end is the one in a
// container of the host, if there is one.
func localEnd(members []member) bool {
	first := members[0].isFlipped
	if !slices.ContainsFunc(members, func(m member) bool { return m.isFlipped != first }) {
		return first
	}
	var isContainer [2]bool // by whether the end is the second one
	for _, m := range members {
		if m.LeadsAway {
			isContainer[second(!m.isFlipped)] = true // the remote one
		}
	}
	return isContainer[1] && !isContainer[0]
}

func second(isIt bool) int {
	if isIt {
		return 1
	}
	return 0
}

// compare orders rows by the path from the local end to the remote one: first the
// interfaces by which the local end's frames enter, from the lowest on, then those by
// which they leave.
func (m *member) compare(other *member, isFlipped bool) int {
	isNear := m.isFlipped != isFlipped
	order := cmp.Compare(m.station(isNear), other.station(other.isFlipped != isFlipped))
	if isNear {
		order = cmp.Or(order, m.Height-other.Height)
	} else {
		order = cmp.Or(order, other.Height-m.Height)
	}
	return cmp.Or(order, strings.Compare(m.Name, other.Name))
}

// station is where on the way an interface is: first the local end's own in another network
// namespace, then those here that lead to the local end, and to the remote one, then that of
// the remote one.
func (m *member) station(isNear bool) int {
	switch {
	case m.Elsewhere && !isNear:
		return 0
	case isNear && !m.Elsewhere:
		return 1
	case !isNear:
		return 2
	}
	return 3
}

// counted is what was counted in one direction.
type counted struct {
	packets, bytes uint64
	bps            float64
	flags          probes.TCPFlags
}

func (c counted) plus(d counted) counted {
	return counted{c.packets + d.packets, c.bytes + d.bytes, c.bps + d.bps, c.flags | d.flags}
}

func (c counted) or(d counted) counted {
	return counted{max(c.packets, d.packets), max(c.bytes, d.bytes), max(c.bps, d.bps), c.flags | d.flags}
}

// sumUp counts each frame once: where it entered the host or where it left, whichever
// counted more, on the interfaces that the totals are made of. If it passed none of
// these, the interface that counted most decides.
func sumUp(members []member, isFlipped bool) probes.Connection {
	inTotal := slices.ContainsFunc(members, func(m member) bool { return m.InTotal })
	sum := *members[0].Connection
	var toLocal, fromLocal struct{ entered, left counted }
	for _, m := range members {
		received := counted{m.RXPackets, m.RXBytes, m.RXBPS, m.RXFlags}
		sent := counted{m.TXPackets, m.TXBytes, m.TXBPS, m.TXFlags}
		add := counted.plus
		switch {
		case !inTotal:
			add = counted.or
		case !m.InTotal:
			received, sent = counted{flags: m.RXFlags}, counted{flags: m.TXFlags}
		}
		if m.isFlipped == isFlipped {
			sum.Local, sum.Remote = m.Local, m.Remote
			toLocal.entered, fromLocal.left = add(toLocal.entered, received), add(fromLocal.left, sent)
		} else {
			sum.Local, sum.Remote = m.Remote, m.Local
			fromLocal.entered, toLocal.left = add(fromLocal.entered, received), add(toLocal.left, sent)
		}
		if m.FirstSeen.Before(sum.FirstSeen) {
			sum.FirstSeen = m.FirstSeen
		}
		if m.LastSeen.After(sum.LastSeen) {
			sum.LastSeen = m.LastSeen
		}
	}
	rx, tx := toLocal.entered.or(toLocal.left), fromLocal.entered.or(fromLocal.left)
	sum.RXPackets, sum.RXBytes, sum.RXBPS, sum.RXFlags = rx.packets, rx.bytes, rx.bps, rx.flags
	sum.TXPackets, sum.TXBytes, sum.TXBPS, sum.TXFlags = tx.packets, tx.bytes, tx.bps, tx.flags
	return sum
}

// paths are the names of the interfaces on a path, by their ids. Connections on the same
// path share them.
type paths map[string][]string

func (p paths) of(members ...member) []string {
	var room [64]byte
	ids := room[:0]
	for _, m := range members {
		ids = binary.NativeEndian.AppendUint32(ids, m.iface)
	}
	path, ok := p[string(ids)]
	if !ok {
		for _, m := range members {
			path = append(path, m.Name)
		}
		p[string(ids)] = path
	}
	return path
}
