package packets

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// A tunnel is tun0 of host and peer, over a veth with these addresses.
var (
	outer4 = tunnelEnds{netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("10.9.0.2/24")}
	outer6 = tunnelEnds{netip.MustParsePrefix("fd09::1/64"), netip.MustParsePrefix("fd09::2/64")}
	inner4 = tunnelEnds{netip.MustParsePrefix("10.8.0.1/24"), netip.MustParsePrefix("10.8.0.2/24")}
	inner6 = tunnelEnds{netip.MustParsePrefix("fd08::1/64"), netip.MustParsePrefix("fd08::2/64")}
)

type tunnelEnds struct{ host, peer netip.Prefix }

func (e tunnelEnds) flipped() tunnelEnds { return tunnelEnds{e.peer, e.host} }

// tunnelKind is a kind of tunnel.
type tunnelKind struct {
	// device makes tun0 of the first end.
	device func(netlink.LinkAttrs, tunnelEnds) netlink.Link
	over   tunnelEnds
	inner  []tunnelEnds
	link   int    // bytes of its frames' link layer
	outer  string // protocol of its frames on the veth
	adds   int    // bytes on the veth beyond those of an IP packet in the tunnel; 0: depends
	// prepare does what else is to be done at the first end; may be nil.
	prepare func(tun netlink.Link, over, inner tunnelEnds) error
}

const tunnelKey = 5

var (
	both    = []tunnelEnds{inner4, inner6}
	tunnels = map[string]tunnelKind{
		"gre": {gre, outer4, both, 0, "gre", 14 + 20 + 4, nil},
		"mgre": {func(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
			return &netlink.Gretun{LinkAttrs: a, Local: ip(e.host), IKey: tunnelKey, OKey: tunnelKey, IFlags: greKey, OFlags: greKey}
		}, outer4, []tunnelEnds{inner4}, 0, "gre", 14 + 20 + 8, knowPeer},
		"ip6gre": {gre, outer6, both, 0, "gre", 0, nil},
		"ipip": {func(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
			return &netlink.Iptun{LinkAttrs: a, Local: ip(e.host), Remote: ip(e.peer)}
		}, outer4, []tunnelEnds{inner4}, 0, "ipip", 14 + 20, nil},
		"sit": {func(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
			return &netlink.Sittun{LinkAttrs: a, Local: ip(e.host), Remote: ip(e.peer)}
		}, outer4, []tunnelEnds{inner6}, 0, "ipv6", 14 + 20, nil},
		"ip6tnl, IPv4": {ip6tnl(unix.IPPROTO_IPIP), outer6, []tunnelEnds{inner4}, 0, "ipip", 14 + 40, nil},
		"ip6tnl, IPv6": {ip6tnl(unix.IPPROTO_IPV6), outer6, []tunnelEnds{inner6}, 0, "ipv6", 14 + 40, nil},
		"vti": {func(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
			return &netlink.Vti{LinkAttrs: a, Local: ip(e.host), Remote: ip(e.peer), IKey: tunnelKey, OKey: tunnelKey}
		}, outer4, both, 0, "esp", 0, func(_ netlink.Link, over, inner tunnelEnds) error {
			return encrypt(over, inner, &netlink.XfrmMark{Value: tunnelKey, Mask: 0xffffffff}, 0)
		}},
		"xfrm": {func(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
			return &netlink.Xfrmi{LinkAttrs: a, Ifid: tunnelKey}
		}, outer4, both, 0, "esp", 0, func(_ netlink.Link, over, inner tunnelEnds) error { return encrypt(over, inner, nil, tunnelKey) }},
		"gretap": {func(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
			return &netlink.Gretap{LinkAttrs: a, Local: ip(e.host), Remote: ip(e.peer)}
		}, outer4, both, 14, "gre", 14 + 20 + 4 + 14, nil},
		"vxlan": {func(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
			return &netlink.Vxlan{LinkAttrs: a, VxlanId: tunnelKey, SrcAddr: ip(e.host), Group: ip(e.peer), Port: 4789}
		}, outer4, both, 14, "udp", 14 + 20 + 8 + 8 + 14, nil},
		"geneve": {func(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
			return &netlink.Geneve{LinkAttrs: a, ID: tunnelKey, Remote: ip(e.peer), Dport: 6081}
		}, outer4, both, 14, "udp", 14 + 20 + 8 + 8 + 14, nil},
	}
)

const greKey = 0x2000 // GRE_KEY in linux/if_tunnel.h, in host order as package netlink has it

func ip(p netip.Prefix) net.IP { return p.Addr().AsSlice() }

func gre(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
	return &netlink.Gretun{LinkAttrs: a, Local: ip(e.host), Remote: ip(e.peer)}
}

func ip6tnl(protocol uint8) func(netlink.LinkAttrs, tunnelEnds) netlink.Link {
	const ignoreEncapLimit = 1 // IP6_TNL_F_IGN_ENCAP_LIMIT in linux/ip6_tunnel.h
	return func(a netlink.LinkAttrs, e tunnelEnds) netlink.Link {
		return &netlink.Ip6tnl{LinkAttrs: a, Local: ip(e.host), Remote: ip(e.peer), Proto: protocol, Flags: ignoreEncapLimit}
	}
}

// knowPeer tells a tunnel to many where its peer is.
func knowPeer(tun netlink.Link, over, inner tunnelEnds) error {
	return netlink.NeighAdd(&netlink.Neigh{
		LinkIndex: tun.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip(inner.peer), LLIPAddr: ip(over.peer),
	})
}

// encrypt has the kernel encrypt what goes through a tunnel, and decrypt what comes.
func encrypt(over, inner tunnelEnds, mark *netlink.XfrmMark, ifid int) error {
	_, all, err := net.ParseCIDR("0.0.0.0/0")
	if inner.host.Addr().Is6() {
		_, all, err = net.ParseCIDR("::/0")
	}
	errs := []error{err}
	for spi, way := range map[int]tunnelEnds{0x100: over, 0x200: over.flipped()} {
		if over.peer.Addr().Less(over.host.Addr()) {
			spi = 0x300 - spi // as the other end calls it
		}
		errs = append(errs, netlink.XfrmStateAdd(&netlink.XfrmState{
			Src: ip(way.host), Dst: ip(way.peer), Proto: netlink.XFRM_PROTO_ESP, Mode: netlink.XFRM_MODE_TUNNEL, Spi: spi, Ifid: ifid,
			Selector: &netlink.XfrmPolicy{Src: all, Dst: all},
			Aead:     &netlink.XfrmStateAlgo{Name: "rfc4106(gcm(aes))", Key: make([]byte, 20), ICVLen: 128},
		}))
		direction := netlink.XFRM_DIR_OUT
		if way != over {
			direction = netlink.XFRM_DIR_IN
		}
		errs = append(errs, netlink.XfrmPolicyAdd(&netlink.XfrmPolicy{
			Src: all, Dst: all, Dir: direction, Mark: mark, Ifid: ifid,
			Tmpls: []netlink.XfrmPolicyTmpl{{
				Src: ip(way.host), Dst: ip(way.peer), Proto: netlink.XFRM_PROTO_ESP, Mode: netlink.XFRM_MODE_TUNNEL,
			}},
		}))
	}
	return errors.Join(errs...)
}

// TestTunnels sends datagrams both ways through every kind of tunnel that the kernel has:
// they count whole on it, by what is in them, and on the device below by what is around.
func TestTunnels(t *testing.T) {
	labtest.RequireRoot(t)
	for name, kind := range tunnels {
		for _, inner := range kind.inner {
			hooks := []probes.Hook{probes.HookTracepoint, tcHook}
			if kind.link > 0 {
				hooks = hooks[:1] // by tc as any other Ethernet
			}
			for _, at := range hooks {
				t.Run(fmt.Sprintf("%s/%v/%s", name, inner.host.Addr(), at), func(t *testing.T) {
					r := newTunnel(t, kind, inner)
					anyOf(t, tracedAttempts, func() error { return r.exchange(kind, inner, at) })
				})
			}
		}
	}
}

// newTunnel makes a tunnel that is in use.
func newTunnel(t *testing.T, kind tunnelKind, inner tunnelEnds) *rig {
	t.Helper()
	r := &rig{t: t, host: labtest.Namespace(t), peer: labtest.Namespace(t)}
	r.check(lab.Veth(r.host, hostInterface, r.peer, peerInterface))
	r.check(r.host.AddAddress(hostInterface, kind.over.host.String()))
	r.check(r.peer.AddAddress(peerInterface, kind.over.peer.String()))
	r.addTunnelEnd(r.host, kind, kind.over, inner)
	r.addTunnelEnd(r.peer, kind, kind.over.flipped(), inner.flipped())
	r.eventually(func() error { return r.datagrams(inner, 4000, 1) }) // once the neighbours are known
	return r
}

func (r *rig) addTunnelEnd(at *lab.Namespace, kind tunnelKind, over, inner tunnelEnds) {
	r.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = "tun0", 1400
	err := at.Do(func() error { return netlink.LinkAdd(kind.device(attrs, over)) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		r.t.Skip("this kernel has no such device")
	}
	r.check(err)
	r.check(at.Do(func() error {
		tun, err := netlink.LinkByName("tun0")
		return errors.Join(err, netlink.LinkSetUp(tun))
	}))
	r.check(at.AddAddress("tun0", inner.host.String()))
	if kind.prepare == nil {
		return
	}
	r.check(at.Do(func() error {
		tun, err := netlink.LinkByName("tun0")
		if err != nil {
			return err
		}
		return kind.prepare(tun, over, inner)
	}))
}

const datagramBytes = 100

// datagrams sends some from a port of the host to one of the peer, each of which is answered.
func (r *rig) datagrams(inner tunnelEnds, port uint16, times int) error {
	var host, peer *net.UDPConn
	to := netip.AddrPortFrom(inner.peer.Addr(), port)
	if err := r.peer.Do(func() (err error) {
		peer, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(to))
		return err
	}); err != nil {
		return err
	}
	defer peer.Close()
	if err := r.host.Do(func() (err error) {
		host, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		return err
	}); err != nil {
		return err
	}
	defer host.Close()
	buffer := make([]byte, 2*datagramBytes)
	deadline := time.Now().Add(time.Second)
	if err := errors.Join(peer.SetDeadline(deadline), host.SetDeadline(deadline)); err != nil {
		return err
	}
	for range times {
		if _, err := host.Write(buffer[:datagramBytes]); err != nil {
			return err
		}
		_, from, err := peer.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		if _, err := peer.WriteToUDPAddrPort(buffer[:datagramBytes], from); err != nil {
			return err
		}
		if _, err := host.Read(buffer); err != nil {
			return err
		}
	}
	return nil
}

// exchange counts datagrams through a tunnel.
func (r *rig) exchange(kind tunnelKind, inner tunnelEnds, at probes.Hook) error {
	const times, port = 20, 5000
	counting := &rig{t: r.t, host: r.host, peer: r.peer}
	counting.openOn("*0", at, 1000)
	counting.rows()
	if err := r.datagrams(inner, port, times); err != nil {
		return err
	}
	packet := 20 + 8 + datagramBytes
	if inner.host.Addr().Is6() {
		packet += 20
	}
	expect := map[string]probes.Traffic{
		"tun0/udp":                       exchanged(times, times*(packet+kind.link)),
		hostInterface + "/" + kind.outer: exchanged(times, times*(packet+kind.adds)),
	}
	if kind.outer == "udp" {
		// Neighbours are asked for in it, too.
		delete(expect, hostInterface+"/udp")
	}
	if kind.adds == 0 {
		delete(expect, hostInterface+"/"+kind.outer)
	}
	var err error
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = counting.compare(expect, inner, times, packet+kind.link); err == nil {
			break
		}
	}
	return err
}

func exchanged(packets, bytes int) probes.Traffic {
	return probes.Traffic{RXPackets: uint64(packets), TXPackets: uint64(packets), RXBytes: uint64(bytes), TXBytes: uint64(bytes)}
}

// compare compares rows of protocols, and the connection, with what is expected.
func (r *rig) compare(expect map[string]probes.Traffic, inner tunnelEnds, times, bytes int) error {
	interfaces, protocols := r.rows()
	got := make(map[string]probes.Traffic)
	for _, p := range protocols {
		p.PPS, p.BPS = 0, 0
		t := got[p.Interface+"/"+p.Name]
		t.Add(&p)
		got[p.Interface+"/"+p.Name] = t
	}
	for what, want := range expect {
		if got[what] != want {
			return fmt.Errorf("%s: %+v, want %+v; all: %+v", what, got[what], want, got)
		}
	}
	for name, row := range interfaces {
		if row.Malformed != 0 || row.Discrepancy != "" {
			return fmt.Errorf("%s: %d malformed, %s", name, row.Malformed, row.Discrepancy)
		}
	}
	for _, c := range r.pollConnections().Connections {
		if netip.AddrPort(c.Remote) == netip.AddrPortFrom(inner.peer.Addr(), 5000) {
			if c.Interface != "tun0" || netip.AddrPort(c.Local).Addr() != inner.host.Addr() ||
				c.RXPackets != uint64(times) || c.TXPackets != uint64(times) || c.RXBytes != uint64(times*bytes) || c.TXBytes != uint64(times*bytes) {
				return fmt.Errorf("connection %+v", c)
			}
			return nil
		}
	}
	return errors.New("the connection in the tunnel is not listed")
}
