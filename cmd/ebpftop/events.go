package main

import (
	"cmp"
	"hash/maphash"
	"io"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// eventPrinter prints what happened since the sample before, each event as a JSON object on
// a line. The zero value has seen nothing.
type eventPrinter struct {
	lines       []byte // reused
	names       jsonStrings
	connections connectionChanges
	pairs       map[pairName]probes.CrossConnect
	drops       map[uint64]uint64 // packets of a row, by its ID
	lost        probes.Lost
}

type pairName struct{ a, b string }

func (n pairName) compare(m pairName) int {
	return cmp.Or(strings.Compare(n.a, m.a), strings.Compare(n.b, m.b))
}

// event is one that encoding/json writes; those of connections are many.
type event struct {
	Time   time.Time            `json:"time"`
	Event  string               `json:"event"`
	Change string               `json:"change,omitempty"` // of a pair
	Exec   *probes.Exec         `json:"exec,omitempty"`
	Pair   *probes.CrossConnect `json:"pair,omitempty"`
	Drop   *drop                `json:"drop,omitempty"`
	// RedirectError is of a pair, too.
	RedirectError *redirectError `json:"redirect_error,omitempty"`
	Lost          *lostObject    `json:"lost,omitempty"`
}

// drop is a row of drops[], with the packets that were dropped in the interval.
type drop struct {
	probes.Drop
	PerSecond *float64 `json:"per_second,omitempty"` // hides that of the row
}

// redirectError counts the frames that entered one end of a pair in an interval and did not
// leave by the other.
type redirectError struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Packets uint64 `json:"packets"`
	Reason  string `json:"reason"`
}

func (p *eventPrinter) print(out io.Writer, s *probes.Sample, connections []probes.Connection) error {
	p.lines, p.names = p.lines[:0], newJSONStrings()
	p.connections.since(connections, func(c *probes.Connection) {
		p.connection(c.FirstSeen, "opened", c)
	}, func(c *probes.Connection) {
		p.connection(s.Time, "closed", c)
	})
	events := make([]event, 0, len(s.Execs.Events))
	for i := range s.Execs.Events {
		events = append(events, event{Time: s.Execs.Events[i].Time, Event: "exec", Exec: &s.Execs.Events[i]})
	}
	events = append(append(events, p.pairEvents(s)...), p.dropEvents(s)...)
	lost := s.Lost
	lost.ConnectionsEnded = 0 // they are events of their own: closed
	if lost != p.lost {
		p.lost = lost
		object := lostOf(s)
		events = append(events, event{Time: s.Time, Event: "lost", Lost: &object})
	}
	for i := range events {
		line, err := encodeJSON(&events[i], "")
		if err != nil {
			return err
		}
		p.lines = append(append(p.lines, line...), '\n')
	}
	_, err := out.Write(p.lines)
	return err
}

func (p *eventPrinter) connection(at time.Time, what string, c *probes.Connection) {
	b := append(at.AppendFormat(append(p.lines, `{"time":"`...), time.RFC3339Nano), `","event":"`...)
	b = append(append(b, what...), `","connection":`...)
	p.lines = append(appendConnection(b, c, p.names), "}\n"...)
}

// pairEvents are the pairs that came, went or changed, and which frames they lost.
func (p *eventPrinter) pairEvents(s *probes.Sample) (events []event) {
	pairs := make(map[pairName]probes.CrossConnect, len(s.CrossConnects))
	for i := range s.CrossConnects {
		now := &s.CrossConnects[i]
		name := pairName{now.A, now.B}
		pairs[name] = *now
		before, known := p.pairs[name]
		if change := changeOf(&before, now, known); change != "" {
			events = append(events, event{Time: s.Time, Event: "pair", Change: change, Pair: now})
		}
		for _, leg := range []struct {
			from, to    string
			before, now *probes.Leg
		}{{now.A, now.B, &before.AToB, &now.AToB}, {now.B, now.A, &before.BToA, &now.BToA}} {
			if leg.now.Dropped > leg.before.Dropped {
				events = append(events, event{Time: s.Time, Event: "redirect_error", RedirectError: &redirectError{
					From: leg.from, To: leg.to, Packets: leg.now.Dropped - leg.before.Dropped, Reason: leg.now.DropReason,
				}})
			}
		}
	}
	for name, before := range p.pairs {
		switch _, isThere := pairs[name]; {
		case isThere:
		case before.Origin == probes.OriginOther && s.OthersUnknown != "", before.Kept && s.KeptUnknown:
			pairs[name] = before // for all that is known
		default:
			events = append(events, event{Time: s.Time, Event: "pair", Change: "removed", Pair: &before})
		}
	}
	p.pairs = pairs
	return events
}

// dropEvents are what was dropped since the sample before, one for each row.
func (p *eventPrinter) dropEvents(s *probes.Sample) (events []event) {
	now := make(map[uint64]uint64, len(s.Drops.Rows))
	for i := range s.Drops.Rows {
		row := &s.Drops.Rows[i]
		counted := row.Packets - row.TakenOver
		now[row.ID] = counted
		if before := p.drops[row.ID]; counted > before {
			d := &drop{Drop: *row}
			d.Packets = counted - before
			events = append(events, event{Time: s.Time, Event: "drop", Drop: d})
		}
	}
	p.drops = now
	return events
}

// changeOf says how a pair changed, "" if only its counts did.
func changeOf(before, now *probes.CrossConnect, known bool) string {
	switch {
	case !known:
		return "added"
	case before.State != now.State, before.Reason != now.Reason, before.Removed != now.Removed,
		before.Kept != now.Kept, before.Origin != now.Origin, before.Owner != now.Owner,
		before.AToB.Datapath != now.AToB.Datapath, before.BToA.Datapath != now.BToA.Datapath:
		return "changed"
	}
	return ""
}

// connectionChanges tells which connections came and went. The zero value has seen none.
type connectionChanges struct {
	seed     maphash.Seed
	rows     []probes.Connection // of the sample before
	at, next map[uint64]int32    // where in rows; by hash, because keys take ten times as much
}

// since calls opened for connections that were not there before, and closed for those that
// no longer are, with what they last counted. One that counts less than before was closed
// and opened; which of its ends is local may change.
func (c *connectionChanges) since(rows []probes.Connection, opened, closed func(*probes.Connection)) {
	if c.at == nil {
		c.seed, c.at, c.next = maphash.MakeSeed(), make(map[uint64]int32), make(map[uint64]int32)
	}
	for i := range rows {
		row := &rows[i]
		key := maphash.Comparable(c.seed, snapshot.KeyOf(row))
		c.next[key] = int32(i)
		before, known := c.at[key]
		if known && isSame(&c.rows[before], row) {
			delete(c.at, key)
		} else {
			opened(row)
		}
	}
	for _, before := range c.at {
		closed(&c.rows[before])
	}
	clear(c.at)
	c.rows, c.at, c.next = rows, c.next, c.at
}

func isSame(before, now *probes.Connection) bool {
	return now.RXPackets+now.TXPackets >= before.RXPackets+before.TXPackets
}
