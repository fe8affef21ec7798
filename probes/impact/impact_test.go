package impact

import (
	"net"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
)

// impactOf asks as Live does, with as many connections as an interface's
// name is long. Whether a session runs over an interface depends on where the
// test runs; the tests with sshd know.
func (r *sessionRig) impactOf(change probes.Change) []probes.InterfaceImpact {
	r.t.Helper()
	var c probes.Impact
	r.check(r.host.Do(func() (err error) {
		c, err = Of(change, func(iface string) int { return len(iface) }, ownSessions)
		return err
	}))
	for i := range c.Interfaces {
		c.Interfaces[i].CarriesSSH = false
	}
	return c.Interfaces
}

func TestImpact(t *testing.T) {
	r := newSessionRig(t)
	r.check(r.host.SetMTU("host0", 1400))
	r.check(r.host.AddBridge("br0", "host1"))
	r.address("host0", "10.0.0.2/24")
	r.address("host0", "fd00::2/64")
	r.address("br0", "10.0.1.2/24")

	want := []probes.InterfaceImpact{
		{
			Interface:   "host0",
			MTU:         1400,
			Addresses:   []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24"), netip.MustParsePrefix("fd00::2/64")},
			Routes:      []string{"10.0.0.0/24", "fd00::/64"},
			Connections: 5,
		},
		{
			Interface:   "host1",
			MTU:         1500,
			Addresses:   []netip.Prefix{netip.MustParsePrefix("10.0.1.2/24")},
			Routes:      []string{"10.0.1.0/24"},
			Connections: 5,
			Master:      "br0",
			Above:       []string{"br0"},
		},
	}
	got := r.impactOf(probes.Change{Add: &probes.Pair{A: "host0", B: "host1"}})
	for i := range got {
		got[i].Addresses = slices.DeleteFunc(got[i].Addresses, func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
		if len(got[i].Addresses) == 0 {
			got[i].Addresses = nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("impact\n%+v, want\n%+v", got, want)
	}
}

// TestImpactAbove has the address and the default route on what is on an interface.
func TestImpactAbove(t *testing.T) {
	r := newSessionRig(t)
	r.check(r.host.AddBridge("br0", "host0", "host1"))
	r.add(&netlink.Macvlan{LinkAttrs: r.attributes("mac0", "br0"), Mode: netlink.MACVLAN_MODE_BRIDGE})
	r.address("mac0", "10.0.0.2/24")
	r.route(netlink.Route{Dst: prefix("0.0.0.0/0"), Gw: net.ParseIP("10.0.0.1")})
	above := func(a, b string) (above, addresses, routes []string) {
		found := r.impactOf(probes.Change{Add: &probes.Pair{A: a, B: b}})[0]
		for _, address := range found.Addresses {
			if !address.Addr().IsLinkLocalUnicast() {
				addresses = append(addresses, address.String())
			}
		}
		slices.Sort(found.Routes)
		return found.Above, addresses, found.Routes
	}
	if names, addresses, routes := above("host0", "host0"); len(names)+len(addresses)+len(routes) > 0 {
		t.Errorf("one port of two: %q, %q, %q", names, addresses, routes)
	}
	for a, want := range map[string][]string{"host0": {"br0", "mac0"}, "br0": {"mac0"}} {
		names, addresses, routes := above(a, "host1")
		if !slices.Equal(names, want) || !slices.Equal(addresses, []string{"10.0.0.2/24"}) ||
			!slices.Equal(routes, []string{"10.0.0.0/24", "default via 10.0.0.1"}) {
			t.Errorf("%s: %q, %q, %q", a, names, addresses, routes)
		}
	}
}

// TestAbove ascends through devices of kinds that not every kernel has.
func TestAbove(t *testing.T) {
	device := func(name string, index, parent, master, namespace int) netlink.Link {
		return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{
			Name: name, Index: index, ParentIndex: parent, MasterIndex: master, NetNsID: namespace,
		}}
	}
	u := uses{links: []netlink.Link{
		device("vlan on br", 1, 2, 0, -1),
		device("br", 2, 0, 0, -1),
		device("vlan", 3, 4, 2, -1),
		device("bond", 4, 0, 0, -1),
		device("eth0", 5, 0, 4, -1),
		device("eth1", 6, 0, 4, -1),
		device("elsewhere", 7, 5, 0, 0), // on a device of another namespace
		device("veth0", 8, 9, 0, -1),
		device("veth1", 9, 8, 0, -1),
	}}
	for _, test := range []struct {
		index int
		ends  []string
		want  []int
	}{
		{5, []string{"eth0", "eth1"}, []int{4, 3, 2, 1}},
		{5, []string{"eth0", "veth0"}, nil},
		{4, []string{"bond", "veth0"}, []int{3, 2, 1}},
		{8, []string{"veth0", "eth0"}, []int{9}},
		{1, []string{"vlan on br", "eth0"}, nil},
	} {
		if got := u.above(test.index, test.ends); !slices.Equal(got, test.want) {
			t.Errorf("above %d: %d, want %d", test.index, got, test.want)
		}
	}
}

// TestImpactRoutes has routes of every kind out of host0, and some that
// are not.
func TestImpactRoutes(t *testing.T) {
	r := newSessionRig(t)
	r.address("host0", "10.0.0.2/24")
	r.address("host0", "fd00::2/64")
	r.address("host1", "10.0.1.2/24")
	host0, gateway := r.index("host0"), net.ParseIP("10.0.0.1")
	for _, route := range []netlink.Route{
		{Dst: prefix("0.0.0.0/0"), Gw: gateway},
		{Dst: prefix("::/0"), Gw: net.ParseIP("fd00::1")},
		{Dst: prefix("198.51.100.0/24"), Gw: gateway, Table: 1000},
		{Dst: prefix("203.0.113.0/24"), Gw: net.ParseIP("10.0.1.1")},
		{Dst: prefix("192.0.2.0/24"), MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: host0, Gw: gateway},
			{LinkIndex: r.index("host1"), Gw: net.ParseIP("10.0.1.1")},
		}},
		{
			Dst: prefix("192.0.2.128/25"), LinkIndex: host0,
			Via: &netlink.Via{AddrFamily: unix.AF_INET6, Addr: net.ParseIP("fd00::1")},
		},
		{Dst: prefix("192.0.2.1/32"), Type: unix.RTN_BLACKHOLE},
		{Dst: prefix("224.0.0.0/4"), LinkIndex: host0, Table: 1000, Type: unix.RTN_MULTICAST},
	} {
		r.route(route)
	}
	got := r.impactOf(probes.Change{Add: &probes.Pair{A: "host0", B: "host0"}})
	if len(got) != 1 {
		t.Fatalf("impact for %d interfaces, want 1: %+v", len(got), got)
	}
	want := []string{
		"10.0.0.0/24",
		"192.0.2.0/24 via 10.0.0.1",
		"192.0.2.128/25 via fd00::1",
		"198.51.100.0/24 via 10.0.0.1",
		"default via 10.0.0.1",
		"default via fd00::1",
		"fd00::/64",
	}
	slices.Sort(got[0].Routes)
	if !slices.Equal(got[0].Routes, want) {
		t.Errorf("routes %q, want %q", got[0].Routes, want)
	}
}

func TestImpactOfMissing(t *testing.T) {
	r := newSessionRig(t)
	got := r.impactOf(probes.Change{Remove: &probes.Pair{A: "host0", B: "host1"}, Add: &probes.Pair{A: "gone", B: "host1", Wait: true}})
	if len(got) != 2 || !got[0].Missing || got[0].Interface != "gone" || got[1].Missing {
		t.Errorf("impact %+v", got)
	}
}

func TestImpactOfRemoval(t *testing.T) {
	r := newSessionRig(t)
	if got := r.impactOf(probes.Change{Remove: &probes.Pair{A: "host0", B: "host1"}}); len(got) != 0 {
		t.Errorf("impact %+v, want none", got)
	}
}
