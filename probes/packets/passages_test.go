package packets

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// node is a host that forwards between pods on a bridge and a peer:
//
//	pod0: eth0 --- pod0-0 \
//	                       cni-0   up-0 --- peer: eth0
//	pod1: eth0 --- pod1-0 /
type node struct {
	*rig
	pods [2]*lab.Namespace
}

func newNode(t *testing.T, ageing probes.Ageing) *node {
	t.Helper()
	labtest.RequireRoot(t)
	n := &node{rig: &rig{t: t, host: labtest.Namespace(t), peer: labtest.Namespace(t), ageing: ageing}}
	n.check(lab.QuietVeth(n.host, "up-0", n.peer, "eth0"))
	n.check(errors.Join(n.host.AddAddress("up-0", "10.200.0.1/24"), n.peer.AddAddress("eth0", "10.200.0.200/24")))
	n.check(throughGateway(n.peer, "10.200.0.1"))
	for i := range n.pods {
		n.pods[i] = labtest.Namespace(t)
		n.check(lab.QuietVeth(n.host, fmt.Sprintf("pod%d-0", i), n.pods[i], "eth0"))
		n.check(n.pods[i].AddAddress("eth0", fmt.Sprintf("10.42.0.%d/24", 2+i)))
		n.check(throughGateway(n.pods[i], "10.42.0.1"))
	}
	n.check(n.host.AddBridge("cni-0", "pod0-0", "pod1-0"))
	n.check(n.host.AddAddress("cni-0", "10.42.0.1/24"))
	n.check(n.host.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }))
	n.openOn("*-0", tcHook, 1000)
	return n
}

func throughGateway(n *lab.Namespace, gateway string) error {
	return n.Do(func() error { return netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(gateway)}) })
}

// listen opens a UDP port.
func (n *node) listen(at *lab.Namespace, address string) net.PacketConn {
	n.t.Helper()
	var conn net.PacketConn
	n.check(at.Do(func() (err error) {
		conn, err = net.ListenPacket("udp4", address)
		return err
	}))
	n.t.Cleanup(func() { conn.Close() })
	n.check(conn.SetDeadline(time.Now().Add(10 * time.Second)))
	return conn
}

// exchange sends packets from one to the other, and as many larger ones back.
func (n *node) exchange(from, to net.PacketConn, packets int) {
	n.t.Helper()
	buffer := make([]byte, 500)
	for range packets {
		_, errSend := from.WriteTo(buffer[:100], to.LocalAddr())
		_, _, errArrive := to.ReadFrom(buffer)
		_, errAnswer := to.WriteTo(buffer[:200], from.LocalAddr())
		_, _, errReturn := from.ReadFrom(buffer)
		n.check(errors.Join(errSend, errArrive, errAnswer, errReturn))
	}
}

// connectionsInWords describes the UDP connections among rows.
func connectionsInWords(rows []probes.Connection) (words []string) {
	for i := range rows {
		if c := &rows[i]; c.Protocol == "udp" {
			words = append(words, fmt.Sprintf("%s: %v with %v, rx %d/%d, tx %d/%d, %s", c.Interface, c.Local, c.Remote,
				c.RXPackets, c.RXBytes, c.TXPackets, c.TXBytes, strings.Join(c.Path, " > ")))
		}
	}
	slices.Sort(words)
	return words
}

// TestConnectionPath has connections pass a host in all ways there are. Each has one row,
// with each frame once and the path that it takes; and one for each interface besides.
func TestConnectionPath(t *testing.T) {
	n := newNode(t, probes.Ageing{})
	pod0, pod1 := n.listen(n.pods[0], "10.42.0.2:1000"), n.listen(n.pods[1], "10.42.0.3:1000")
	outside, here := n.listen(n.peer, "10.200.0.200:53"), n.listen(n.host, "10.42.0.1:53")
	n.exchange(pod0, outside, 5)
	n.exchange(outside, pod1, 3)
	n.exchange(pod0, pod1, 4)
	n.exchange(pod0, here, 1)
	n.rows()
	polled := n.pollConnections()
	if want := []string{
		"cni-0: 10.42.0.1:53 with 10.42.0.2:1000, rx 1/142, tx 1/242, cni-0 > pod0-0",
		"pod0-0: 10.42.0.2:1000 with 10.200.0.200:53, rx 5/1210, tx 5/710, pod0-0 > cni-0 > up-0",
		"pod0-0: 10.42.0.2:1000 with 10.42.0.3:1000, rx 4/968, tx 4/568, pod0-0 > pod1-0",
		"pod1-0: 10.42.0.3:1000 with 10.200.0.200:53, rx 3/426, tx 3/726, pod1-0 > cni-0 > up-0",
	}; !slices.Equal(connectionsInWords(polled.Connections), want) {
		t.Errorf("connections\n%q, want\n%q", connectionsInWords(polled.Connections), want)
	}
	if want := []string{
		"cni-0: 10.200.0.200:53 with 10.42.0.2:1000, rx 5/710, tx 5/1210, ",
		"cni-0: 10.200.0.200:53 with 10.42.0.3:1000, rx 3/726, tx 3/426, ",
		"cni-0: 10.42.0.1:53 with 10.42.0.2:1000, rx 1/142, tx 1/242, ",
		"pod0-0: 10.200.0.200:53 with 10.42.0.2:1000, rx 5/710, tx 5/1210, ",
		"pod0-0: 10.42.0.1:53 with 10.42.0.2:1000, rx 1/142, tx 1/242, ",
		"pod0-0: 10.42.0.3:1000 with 10.42.0.2:1000, rx 4/568, tx 4/968, ",
		"pod1-0: 10.200.0.200:53 with 10.42.0.3:1000, rx 3/726, tx 3/426, ",
		"pod1-0: 10.42.0.2:1000 with 10.42.0.3:1000, rx 4/968, tx 4/568, ",
		"up-0: 10.42.0.2:1000 with 10.200.0.200:53, rx 5/1210, tx 5/710, ",
		"up-0: 10.42.0.3:1000 with 10.200.0.200:53, rx 3/426, tx 3/726, ",
	}; !slices.Equal(connectionsInWords(polled.Passages), want) {
		t.Errorf("passages\n%q, want\n%q", connectionsInWords(polled.Passages), want)
	}
	if want := uint64(len(polled.Connections)); polled.New != want {
		t.Errorf("%d new connections, want %d", polled.New, want)
	}
}

// TestJoinedConnectionsEnd has a connection go on where one interface sees no more of it. It
// keeps its path meanwhile, and ends once.
func TestJoinedConnectionsEnd(t *testing.T) {
	const limit = 200 * time.Millisecond
	n := newNode(t, probes.Ageing{Other: limit})
	pod, outside := n.listen(n.pods[0], "10.42.0.2:1000"), n.listen(n.peer, "10.200.0.200:53")
	n.exchange(pod, outside, 2)
	frame := slices.Clone(udp4Frame()) // to a station that the bridge does not know
	copy(frame[26:], []byte{10, 42, 0, 2, 10, 200, 0, 200, 1000 >> 8, 1000 & 0xff, 0, 53})
	frame[40], frame[41] = 0, 0
	isUDP := func(c probes.Connection) bool { return c.Protocol == "udp" }
	for start := time.Now(); time.Since(start) < 3*limit; {
		n.check(n.pods[0].Inject("eth0", frame))
		rows := n.pollConnections().Connections
		at := slices.IndexFunc(rows, isUDP)
		if at < 0 || !slices.Contains(rows[at].Path, "up-0") || rows[at].RXPackets != 2 {
			t.Fatalf("a connection that goes on: %q", connectionsInWords(rows))
		}
	}
	n.eventually(func() error {
		polled := n.pollConnections()
		n.check(n.pods[1].Inject("eth0", tupleFrame(int(polled.Lost.ConnectionsEnded)))) // takes slots
		if slices.ContainsFunc(polled.Connections, func(c probes.Connection) bool { return c.Passes("up-0") }) {
			return fmt.Errorf("still there: %q", connectionsInWords(polled.Connections))
		}
		if polled.Lost.ConnectionsEnded == 0 {
			return errors.New("none ended")
		}
		return nil
	})
}
