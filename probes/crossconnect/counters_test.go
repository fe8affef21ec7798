package crossconnect

import (
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestAggregatesCounted sends datagrams that the kernel hands on in one piece,
// and counts the frames they are on a wire.
func TestAggregatesCounted(t *testing.T) {
	const segment, segments, messages = 1000, 40, 5
	const headers = 14 + 20 + 8
	b := newBench(t, 0)
	left, right := labtest.Namespace(t), labtest.Namespace(t)
	b.check(lab.QuietVeth(b.hub, "p0", left, "net0"))
	b.check(lab.QuietVeth(b.hub, "p1", right, "net0"))
	b.check(left.AddAddress("net0", "203.0.113.1/24"))
	b.check(right.AddAddress("net0", "203.0.113.2/24"))
	to, err := right.Link("net0")
	b.check(err)
	from, err := left.Link("net0")
	b.check(err)
	w := b.own()
	b.set(w, pair(0, 1))

	// No ARP: every frame from left to right is one of those below. What goes the
	// other way says that nobody listens.
	b.check(left.Do(func() error { return befriend(from, net.IPv4(203, 0, 113, 2), to) }))
	b.check(right.Do(func() error { return befriend(to, net.IPv4(203, 0, 113, 1), from) }))
	b.check(left.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, segment); err != nil {
			return err
		}
		for range messages {
			err := unix.Sendto(fd, make([]byte, segment*segments), 0, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{203, 0, 113, 2}})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	const frames, bytes = segments * messages, segments * messages * (headers + segment)
	b.await("all are counted", func() bool { return b.only(w).AToB.Packets >= frames })
	if s := b.only(w).AToB; s.Packets != frames || s.Bytes != bytes {
		t.Errorf("%d frames of %d bytes, want %d of %d", s.Packets, s.Bytes, frames, bytes)
	}
}

// befriend tells an interface the address of another.
func befriend(from netlink.Link, ip net.IP, to netlink.Link) error {
	return netlink.NeighAdd(&netlink.Neigh{
		LinkIndex: from.Attrs().Index, IP: ip, HardwareAddr: to.Attrs().HardwareAddr, State: netlink.NUD_PERMANENT,
	})
}

// TestRates are over the time between two questions, and 0 for the first.
func TestRates(t *testing.T) {
	b := newBench(t, 2)
	w := b.own()
	b.set(w, pair(0, 1))
	before := time.Now()
	if s := b.only(w).AToB; s.PPS != 0 || s.BPS != 0 {
		t.Errorf("%+v", s)
	}
	for range 100 {
		b.check(b.wires[0].Send(frame(0, 0)))
	}
	time.Sleep(50 * time.Millisecond)
	s := b.only(w).AToB
	least := 100 / time.Since(before).Seconds()
	if s.PPS < least || s.PPS > 100/0.05 || math.Abs(s.BPS-s.PPS*60*8) > 1 {
		t.Errorf("%+v, want %.0f packets/s or a little more", s, least)
	}
}

// TestRedirectsToldOfPair sends frames that the far end does not take.
func TestRedirectsToldOfPair(t *testing.T) {
	b := newBench(t, 4) // not prepared for XDP
	w := b.own()
	b.set(w, pair(0, 1, XDP, TC), pair(2, 3))
	b.expectWires(-1, 0)
	s := b.status(w)[0]
	if s.State != Active || s.AToB.Packets != 1 || s.AToB.Dropped != 1 || s.AToB.Out() != 0 || s.Reason == "" || s.AToB.DropReason == "" {
		t.Errorf("%+v", s)
	}
	b.set(w, pair(2, 3))
	if counts, err := w.inKernel.redirects.count(); err != nil || len(counts) != 0 {
		t.Errorf("%+v (%v), want room for others", counts, err)
	}
	b.set(w, pair(0, 1, XDP, TC))
	// Before Linux 6.3, native XDP always has something to say.
	if s := b.only(w); s.AToB.Packets != 0 || s.AToB.Dropped != 0 || s.AToB.DropReason != "" ||
		s.Reason != "" && !strings.HasPrefix(s.Reason, "native XDP loses checksums") {
		t.Errorf("a new pair: %+v", s)
	}
	w.inKernel.redirects, w.inKernel.redirectsErr = nil, unix.ENOTSUP
	if s := b.only(w); s.AToB.DropReason != unix.ENOTSUP.Error() || s.BToA.DropReason != "" {
		t.Errorf("where drops are not counted: %+v", s)
	}
}
