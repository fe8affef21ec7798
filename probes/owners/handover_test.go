package owners

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// TestTupleIsUsedAgain has another process's socket take the tuple over: the connection ends,
// and what is counted from then on is the other one's. Where the first one had it at the last
// poll still, frames of both may be among the new ones: then neither is named.
func TestTupleIsUsedAgain(t *testing.T) {
	p := LeaveOut(kernel.NewClock())
	p.hooks, p.users, p.owners = &hooks{}, nil, newOwnerSet(p.clock)
	first, second := &probes.Owner{PID: 1, Comm: "first"}, &probes.Owner{PID: 2, Comm: "second"}
	at, _ := tupleOf(&probes.Connection{Protocol: "tcp", Local: probes.Endpoint(somewhere), Remote: probes.Endpoint(somewhere)})
	put := func(since, ended uint64, owner *probes.Owner) {
		p.sockets.putStream(socket{tuple: at, owner: owner, since: since, ended: ended, told: max(since, ended)}, true)
	}
	list := func(bytes, now uint64) (probes.Connection, []probes.Connection) {
		return p.listOne(probes.Connection{
			Protocol: "tcp", Path: []string{"eth0"}, Local: probes.Endpoint(somewhere), Remote: probes.Endpoint(somewhere),
			RXPackets: bytes, RXBytes: bytes, FirstSeen: time.Unix(1, 0), LastSeen: time.Unix(2, 0),
		}, now)
	}
	put(10, 0, first)
	if c, ended := list(100, 11); c.Owner != first || c.RXBytes != 100 || len(ended) != 0 {
		t.Errorf("%+v, ended %v", c, ended)
	}
	put(10, 12, first)
	list(100, 13)
	put(20, 0, second)
	if c, ended := list(130, 21); c.Owner != second || c.RXBytes != 30 || len(ended) != 1 || ended[0].Owner != first || ended[0].RXBytes != 100 {
		t.Errorf("%+v, ended %+v", c, ended)
	}
	put(30, 0, first)
	if c, ended := list(170, 31); c.Owner.Certainty != probes.Ambiguous || c.OwnerReason != probes.OwnerTakenOver || c.RXBytes != 40 || len(ended) != 1 || ended[0].RXBytes != 30 {
		t.Errorf("%+v, ended %+v", c, ended)
	}
	// The kernel made the row anew.
	if c, ended := list(5, 41); c.RXBytes != 5 || len(ended) != 1 || ended[0].RXBytes != 40 {
		t.Errorf("%+v, ended %+v", c, ended)
	}
}

// TestPortIsUsedAgain has one process after another send from a UDP port, where what the second one
// sends is counted before its socket is known. What the first one did not send is never said to be
// its.
func TestPortIsUsedAgain(t *testing.T) {
	const ms = 1_000_000
	one, another, third := &probes.Owner{PID: 1, Comm: "one"}, &probes.Owner{PID: 2, Comm: "one"}, &probes.Owner{PID: 3, Comm: "one"}
	isAmbiguous := func(o *probes.Owner) bool { return o != nil && o.Certainty == probes.Ambiguous }
	t.Run("it ended before the last poll", func(t *testing.T) {
		port := newUsedPort()
		port.put(90*ms, 110*ms, one)
		if c, _ := port.list(1, 100*ms, 150*ms); c.Owner != one {
			t.Errorf("%+v of %+v", c, c.Owner)
		}
		if c, _ := port.list(2, 200*ms, 210*ms); !isAmbiguous(c.Owner) {
			t.Errorf("%+v of %+v, who had ended", c, c.Owner)
		}
		port.put(190*ms, 205*ms, another)
		if c, ended := port.list(3, 300*ms, 310*ms); len(ended) != 1 || ended[0].TXPackets != 2 || !isAmbiguous(ended[0].Owner) {
			t.Errorf("%+v of %+v, ended %+v", c, c.Owner, ended)
		}
		// The other one's end is known before a third one begins.
		port.put(450*ms, 0, third)
		if c, ended := port.list(4, 460*ms, 470*ms); c.Owner != third || c.TXPackets != 1 || len(ended) != 1 {
			t.Errorf("%+v of %+v (%v), ended %v", c, c.Owner, c.OwnerReason, ended)
		}
	})
	t.Run("it ended after the last poll", func(t *testing.T) {
		port := newUsedPort()
		port.put(10*ms, 0, one)
		port.list(1, 20*ms, 30*ms)
		port.put(10*ms, 31*ms, one)
		port.list(2, 60*ms, 61*ms) // either may have sent the second one
		port.put(55*ms, 65*ms, another)
		port.put(85*ms, 86*ms, third)
		if _, ended := port.list(3, 90*ms, 91*ms); len(ended) != 1 || ended[0].TXPackets != 2 || !isAmbiguous(ended[0].Owner) {
			t.Errorf("ended %+v", ended)
		}
	})
}

// usedPort is a port of UDP, from which frames are sent to one other end.
type usedPort struct {
	*Probe
	netip.AddrPort
}

func newUsedPort() usedPort {
	p := LeaveOut(kernel.NewClock())
	p.hooks, p.owners = &hooks{}, newOwnerSet(p.clock)
	return usedPort{p, netip.MustParseAddrPort("192.0.2.1:5000")}
}

// put tells of a socket that a process had, ns of CLOCK_MONOTONIC.
func (u *usedPort) put(since, ended uint64, owner *probes.Owner) {
	s := socket{owner: owner, since: since, ended: ended, distinct: owner.PID}
	s.protocol, s.localPort, s.local = 17, toNetwork(u.Port()), mappedZero
	at := portKey{s.localPort, 17}
	u.sockets.datagrams[at] = u.sockets.putDatagram(u.sockets.datagrams[at], s)
}

// list has the row say so many packets sent, the last one at a moment, and be read at another.
func (u *usedPort) list(packets, last, now uint64) (listed probes.Connection, ended []probes.Connection) {
	return u.listOne(probes.Connection{
		Protocol: "udp", Path: []string{"eth0"}, Local: probes.Endpoint(u.AddrPort), Remote: probes.Endpoint(somewhere),
		TXPackets: packets, FirstSeen: u.clock.Wall(10_000_000), LastSeen: u.clock.Wall(last),
	}, now)
}

// listOne has a row be listed, read at a moment, ns of CLOCK_MONOTONIC.
func (p *Probe) listOne(c probes.Connection, now uint64) (listed probes.Connection, ended []probes.Connection) {
	rows := []probes.Connection{c}
	p.host, p.joiner.poll, p.joiner.listed, p.joiner.before = host, p.joiner.poll+1, nil, p.joiner.listed
	p.meet(rows)
	p.describe(&rows[0], p.joiner.of(&rows[0]))
	p.joiner.polled = now
	p.sockets.forget()
	return rows[0], p.joiner.finish(rows)
}
