package owners

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestQuality has the peer of a TCP connection fall silent. What is known of the connection is
// what its socket says of itself, before, while segments are sent again, and at its end.
func TestQuality(t *testing.T) {
	t.Run("of this kernel", func(t *testing.T) { testQuality(t, attach) })
	t.Run("by files", func(t *testing.T) { testQuality(t, attachFiles) })
}

func testQuality(t *testing.T, attach func(*ebpf.CollectionSpec) (*hooks, error)) {
	p := open(t, attach)
	client, server := labtest.Namespace(t), labtest.Namespace(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(lab.QuietVeth(client, "net0", server, "net0"))
	check(client.AddAddress("net0", "192.0.2.1/24"))
	check(server.AddAddress("net0", "192.0.2.2/24"))
	conn := connectIn(t, client, server, "192.0.2.2:5000")
	ends := func() (local, remote netip.AddrPort) {
		return conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	}
	if p.hooks.streams == nil {
		p.qualityAtEnd(t, conn)
		return
	}
	seen := func() *probes.Quality {
		t.Helper()
		p.measuring = pace{}
		local, remote := ends()
		c := p.joinOne(t, "tcp", local, remote)
		if c.Quality == nil {
			t.Fatalf("not known: %+v", c)
		}
		return c.Quality
	}
	if q, info := seen(), infoOf(t, conn); q.RTT == 0 || q.RTT != info.Rtt || q.Retransmits != 0 || q.Cwnd != info.Snd_cwnd || q.Unacked != 0 {
		t.Errorf("%+v, its socket says %d us, %d, %d", q, info.Rtt, info.Snd_cwnd, info.Unacked)
	}

	check(server.Do(func() error { // so it takes segments for somebody else's
		link, err := netlink.LinkByName("net0")
		if err != nil {
			return err
		}
		return netlink.AddrDel(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 2), Mask: net.CIDRMask(24, 32)}})
	}))
	_, err := conn.Write(make([]byte, 100))
	check(err)
	for deadline := time.Now().Add(20 * time.Second); infoOf(t, conn).Total_retrans < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is sent again")
		}
	}
	before, q, after := infoOf(t, conn), seen(), infoOf(t, conn)
	if q.Retransmits < before.Total_retrans || q.Retransmits > after.Total_retrans || q.Unacked != 1 || q.RTT != after.Rtt {
		t.Errorf("%+v, its socket said %d to %d retransmits, %d us", q, before.Total_retrans, after.Total_retrans, after.Rtt)
	}

	// Its end tells, with no list: a reset of ours.
	check(conn.SetLinger(0))
	local, remote := ends()
	check(conn.Close())
	p.measuring = pace{ended: time.Duration(kernel.Monotonic()), took: time.Hour}
	if c := p.joinOne(t, "tcp", local, remote); c.State != probes.StateClosed || c.Quality == nil || c.Quality.Retransmits < q.Retransmits || c.Quality == q {
		t.Errorf("at the end %+v", c)
	}
}

// qualityAtEnd is TestQuality before Linux 5.11, where there is no list of sockets: what is known
// of a connection is what it says at its end.
func (p *Probe) qualityAtEnd(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	local, remote := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	if c := p.joinOne(t, "tcp", local, remote); c.Quality != nil {
		t.Errorf("open, %+v is known", c.Quality)
	}
	if err := errors.Join(conn.SetLinger(0), conn.Close()); err != nil {
		t.Fatal(err)
	}
	if c := p.joinOne(t, "tcp", local, remote); c.State != probes.StateClosed || c.Quality == nil || c.Quality.RTT == 0 {
		t.Errorf("at the end %+v", c)
	}
}

// connectIn connects to an address in another namespace, where something listens meanwhile.
func connectIn(t *testing.T, client, server *lab.Namespace, address string) *net.TCPConn {
	t.Helper()
	var listener net.Listener
	var conn net.Conn
	err := server.Do(func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	})
	if err == nil {
		t.Cleanup(func() { _ = listener.Close() })
		err = client.Do(func() (err error) {
			conn, err = new(net.Dialer).DialContext(context.Background(), "tcp", address)
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // again, unless the test failed
	return conn.(*net.TCPConn)
}

// infoOf is what the socket of a connection says of itself.
func infoOf(t *testing.T, conn *net.TCPConn) (info *unix.TCPInfo) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err == nil {
		var errInfo error
		err = raw.Control(func(fd uintptr) { info, errInfo = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
		if err == nil {
			err = errInfo
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return info
}
