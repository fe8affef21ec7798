package live

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestSameTuple has processes in two network namespaces send with the very same addresses and
// ports. Where the interface that leads to one of them is watched alone, that one is named;
// where both are, neither.
func TestSameTuple(t *testing.T) {
	for _, test := range []struct {
		name, watched string
		reason        probes.OwnerReason
	}{
		{"one", "to-b", probes.NoReason},
		{"both", "to-*", probes.OwnerInSeveralNamespaces},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub := &lab.Host{Namespace: labtest.Namespace(t)}
			ends := make([]*lab.Host, 2)
			for i, name := range []string{"a", "b"} {
				ends[i] = &lab.Host{Namespace: labtest.Namespace(t)}
				check(t, lab.QuietVeth(hub.Namespace, "to-"+name, ends[i].Namespace, "net0"))
				check(t, ends[i].AddAddress("net0", "192.0.2.1/24"))
			}
			check(t, hub.AddAddress("to-b", "192.0.2.2/24"))
			w := startWatch(t, hub, test.watched)
			u := used{Protocol: "udp", Local: netip.MustParseAddrPort("192.0.2.1:5000"), Remote: netip.MustParseAddrPort("192.0.2.255:5001")}
			pid := 0 // of the last one, which is b's
			for i, end := range ends {
				pid = startHolderOf(t, end, "broadcast", 1).cmd.Process.Pid
				if i == 0 && test.reason != probes.NoReason { // the other one comes when this one is known
					w.owned(t, &u, isOf(pid, probes.Opened))
				}
			}
			w.owned(t, &u, func(c *probes.Connection) bool {
				return c.OwnerReason == test.reason && (isOf(pid, probes.Opened)(c) || isOf(0, probes.Ambiguous)(c) && test.reason != probes.NoReason)
			})
		})
	}
}

// TestSharedPort has two processes share the port of a server, each by a socket of its own
// (SO_REUSEPORT), of which the kernel chooses one by the client's address and port. Of UDP,
// neither is named; of TCP, the one that accepted.
func TestSharedPort(t *testing.T) {
	n := newNetwork(t)
	w := startWatch(t, n.server)
	var both []*service
	for range 2 {
		s := &service{cmd: again("share")}
		s.cmd.Stdout = &s.out
		check(t, n.server.Start(s.cmd))
		t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
		both = append(both, s)
	}
	for len(both[0].out.said(t)) == 0 || len(both[1].out.said(t)) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	for range 4 {
		client := startHolder(t, n.clients[0], netip.AddrPortFrom(n.server.IPv4, 5000).String())
		client.send(t)
		acceptor := whoAccepted(t, both, client.used[0].Local)
		w.owned(t, &client.used[0], func(c *probes.Connection) bool {
			if c.Owner != nil && c.Owner.PID != acceptor && c.Owner.PID != 0 {
				t.Errorf("accepted by %d, owner %+v", acceptor, c.Owner)
			}
			return c.Owner != nil && c.Owner.PID == acceptor // Opened once it is seen to have it
		})
		client.send(t)
		w.owned(t, &client.used[1], func(c *probes.Connection) bool {
			return isOf(0, probes.Ambiguous)(c) && c.OwnerReason == probes.OwnerSharesPort
		})
	}
}

// TestTakenOver has one process after another use the same UDP port for the same server, faster
// than samples come: whoever is named sent all that there is in the row. What else he sent is in
// a row whose owner is ambiguous.
func TestTakenOver(t *testing.T) {
	n := newNetwork(t)
	startServices(t, n.server, "serve", 80, 1)
	w := startWatch(t, n.clients[0])
	server := netip.AddrPortFrom(n.server.IPv4, 80).String()
	sent := make(map[uint32]int) // bytes, by pid
	var last used
	for i := range 12 {
		for _, u := range run(t, n.clients[0], fmt.Sprint("ask-once ", server, " ", i+1), 0) {
			sent[u.PID] = 14 + 20 + 8 + u.Sent
			last = u
		}
	}
	all := 0
	for _, bytes := range sent {
		all += bytes
	}
	w.owned(t, &last, func(*probes.Connection) bool {
		var sum uint64
		for _, c := range w.allOfUsed(&last) {
			sum += c.TXBytes
		}
		return sum >= uint64(all)
	})
	ambiguous := 0
	for _, c := range w.allOfUsed(&last) {
		if c.Owner != nil && c.Owner.Certainty == probes.Ambiguous {
			ambiguous++
		} else if c.Owner == nil || c.TXBytes > uint64(sent[c.Owner.PID]) {
			t.Errorf("%d bytes of %+v, %v, who sent %d", c.TXBytes, c.Owner, c.OwnerReason, sent[ownerPID(c)])
		}
	}
	if ambiguous == 0 {
		t.Error("all are certain")
	}
}
