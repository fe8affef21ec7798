package owners

import (
	"cmp"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// handover is how a tuple came from one process to others: times are ns of CLOCK_MONOTONIC.
type handover struct {
	from  *probes.Owner
	until uint64 // from had it until then
	since uint64 // the first of the others has a socket since then
}

// replace ends a connection, and begins another one in the same row. If it was handed over since
// the last poll, frames of both are among the new ones.
func (p *Probe) replace(known *joined, before *probes.Connection, by joined, h handover) {
	by.poll, by.row, by.rowBefore, by.earlier = known.poll, known.row, known.rowBefore, known.earlier
	by.setSocket(by.socket)
	isSame := isSameProcess(h.from, by.socket.owner) && by.others == nil
	if (before == nil || h.until > p.joiner.polled) && !isSame {
		by.mix(h.from, probes.OwnerTakenOver)
	}
	if before != nil {
		ended := *before
		if known.socket != nil && known.socket.quality != nil {
			ended.Quality = known.socket.quality // its last one
		}
		// Frames of the new one were counted before its socket was known.
		last := p.clock.Stamp(before.LastSeen)
		if last > 0 && h.since <= last+slack && ended.Owner != nil && !isSame {
			ended.Owner = inCommon([]*probes.Owner{ended.Owner, cmp.Or(by.socket.owner, &probes.Owner{})})
			ended.OwnerReason = probes.OwnerTakenOver
		}
		p.joiner.ended = append(p.joiner.ended, ended)
		e := earlier{before.RXPackets, before.RXBytes, before.TXPackets, before.TXBytes, before.LastSeen}
		if known.earlier != nil { // of rows before
			e.rxPackets += known.earlier.rxPackets
			e.rxBytes += known.earlier.rxBytes
			e.txPackets += known.earlier.txPackets
			e.txBytes += known.earlier.txBytes
		}
		by.earlier = &e
	}
	*known = by
}

// wasSentAfter tells whether the end of a socket that is closed sent something since, which it
// was not: another socket has that end.
func (p *Probe) wasSentAfter(c *probes.Connection, known *joined, before *probes.Connection) bool {
	if before == nil || known.socket.ended+slack >= p.joiner.polled {
		return false
	}
	now, then := c.TXPackets, before.TXPackets
	if known.atRemote {
		now, then = c.RXPackets, before.RXPackets
	}
	return now > then+known.earlier.sentBy(known.atRemote)
}

// earlier is what a row counts that is of an earlier connection, with the same tuple.
type earlier struct {
	rxPackets, rxBytes, txPackets, txBytes uint64
	until                                  time.Time
}

func (e *earlier) packets() uint64 {
	if e == nil {
		return 0
	}
	return e.rxPackets + e.txPackets
}

// sentBy is how many packets the local end sent, or the remote one.
func (e *earlier) sentBy(remote bool) uint64 {
	switch {
	case e == nil:
		return 0
	case remote:
		return e.rxPackets
	}
	return e.txPackets
}
