package impact

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestCarriers has the kernel route a session to peer0 and peer1, by what is
// built on host0 and host1.
func TestCarriers(t *testing.T) {
	for name, test := range map[string]struct {
		build          func(*sessionRig)
		client, server string
		scope          string
		want           []string
	}{
		"one interface": {
			build:  func(r *sessionRig) { r.address("host0", "10.0.0.2/24") },
			client: "10.0.0.1", server: "10.0.0.2",
			want: []string{"host0"},
		},
		"bridge": {
			build: func(r *sessionRig) {
				r.check(r.host.AddBridge("br0", "host0", "host1"))
				r.address("br0", "fd00::2/64")
			},
			client: "fd00::1", server: "fd00::2",
			want: []string{"br0", "host0", "host1"},
		},
		"macvlan": {
			build: func(r *sessionRig) {
				r.add(&netlink.Macvlan{LinkAttrs: r.attributes("mac0", "host0"), Mode: netlink.MACVLAN_MODE_BRIDGE})
				r.address("mac0", "10.0.0.2/24")
			},
			client: "10.0.0.1", server: "10.0.0.2",
			want: []string{"host0", "mac0"},
		},
		"VLAN on a bond": {
			build:  func(r *sessionRig) { r.addVLANOnBond(); r.address("vlan5", "10.0.0.2/24") },
			client: "10.0.0.1", server: "10.0.0.2",
			want: []string{"bond0", "host0", "host1", "vlan5"},
		},
		"bridge behind a veth": {
			build: func(r *sessionRig) {
				r.check(lab.Veth(r.host, "patch0", r.host, "patch1"))
				r.check(r.host.AddBridge("br0", "patch1", "host1"))
				r.address("patch0", "10.0.0.2/24")
			},
			client: "10.0.0.1", server: "10.0.0.2",
			want: []string{"br0", "host1", "patch0", "patch1"},
		},
		"default route elsewhere": {
			build: func(r *sessionRig) {
				r.address("host0", "10.0.0.2/24")
				r.address("host1", "10.0.1.2/24")
				r.route(netlink.Route{Dst: prefix("0.0.0.0/0"), Gw: net.ParseIP("10.0.1.1")})
			},
			client: "10.0.0.1", server: "10.0.0.2",
			want: []string{"host0"},
		},
		"address elsewhere than the route": {
			build: func(r *sessionRig) {
				r.address("host0", "10.0.0.2/24")
				r.address("host1", "10.0.1.2/24")
			},
			client: "10.0.0.1", server: "10.0.1.2",
			want: []string{"host0", "host1"},
		},
		"route that shares the load": {
			build: func(r *sessionRig) {
				r.address("lo", "10.9.9.9/32")
				r.address("host0", "10.0.0.2/24")
				r.address("host1", "10.0.1.2/24")
				r.route(netlink.Route{Dst: prefix("192.0.2.0/24"), MultiPath: []*netlink.NexthopInfo{
					{LinkIndex: r.index("host0"), Gw: net.ParseIP("10.0.0.1")},
					{LinkIndex: r.index("host1"), Gw: net.ParseIP("10.0.1.1")},
				}})
			},
			client: "192.0.2.1", server: "10.9.9.9",
			want: []string{"host0", "host1", "lo"},
		},
		"route by source": {
			build: func(r *sessionRig) {
				r.address("host0", "10.0.0.2/24")
				r.address("host1", "10.0.1.2/24")
				r.route(netlink.Route{Dst: prefix("192.0.2.0/24"), Gw: net.ParseIP("10.0.1.1"), Table: 100})
				rule := netlink.NewRule()
				rule.Src, rule.Table = prefix("10.0.0.2/32"), 100
				r.check(r.host.Do(func() error { return netlink.RuleAdd(rule) }))
			},
			client: "192.0.2.1", server: "10.0.0.2",
			want: []string{"host0", "host1"},
		},
		"address gone": {
			build:  func(r *sessionRig) { r.address("host0", "10.0.0.2/24") },
			client: "10.0.0.1", server: "10.0.0.3",
			want: []string{"host0"},
		},
		"tunnel": {
			build: func(r *sessionRig) {
				labtest.OpenTuntap(r.t, r.host, netlink.TUNTAP_MODE_TUN, "tun0", netlink.TUNTAP_NO_PI)
				r.address("tun0", "10.8.0.2/24")
				r.address("host1", "10.0.1.2/24")
				r.route(netlink.Route{Dst: prefix("0.0.0.0/0"), Gw: net.ParseIP("10.0.1.1")})
			},
			client: "10.8.0.1", server: "10.8.0.2",
			want: []string{"host1", "tun0"},
		},
		"link-local": {
			build:  func(r *sessionRig) { r.address("host1", "fe80::2/64") },
			client: "fe80::1", server: "fe80::2", scope: "host1",
			want: []string{"host1"},
		},
		"no way": {
			build:  func(*sessionRig) {},
			client: "192.0.2.1", server: "192.0.2.2",
			want: nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSessionRig(t)
			test.build(r)
			s := Session{Client: net.ParseIP(test.client), Server: net.ParseIP(test.server)}
			if test.scope != "" {
				s.Scope = r.index(test.scope)
			}
			r.check(r.host.Do(func() error {
				links, err := rtnl.ListLinks()
				if got := namesOf(s.Carriers(links), links); !slices.Equal(got, test.want) {
					t.Errorf("runs over %q, want %q", got, test.want)
				}
				return err
			}))
		})
	}
}

// TestLowers descends through devices of kinds that not every kernel has.
func TestLowers(t *testing.T) {
	device := func(index, parent, master, namespace int) netlink.Link {
		return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{
			Index: index, ParentIndex: parent, MasterIndex: master, NetNsID: namespace,
		}}
	}
	links := []netlink.Link{
		device(1, 0, 3, -1), // ports of a bond or team,
		device(2, 0, 3, -1),
		device(3, 0, 0, -1), // this,
		device(4, 3, 5, -1), // with a VLAN, which is a port of a bridge,
		device(5, 0, 0, -1), // this,
		device(6, 5, 0, -1), // with a VLAN.
		device(7, 1, 0, 0),  // a macvlan on a device of another namespace
		device(8, 0, 0, -1),
	}
	for upper, want := range map[int][]int{
		6: {1, 2, 3, 4, 5, 6},
		3: {1, 2, 3},
		7: {7},
		8: {8},
	} {
		got := addLowers([]int{upper}, links)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("under %d lie %v, want %v", upper, got, want)
		}
	}
}

// TestEstablishedTCP finds an IPv4 connection of an IPv6 socket, and no
// listener.
func TestEstablishedTCP(t *testing.T) {
	r := newSessionRig(t)
	r.address("host0", "10.0.0.2/24")
	r.check(r.peer.AddAddress("peer0", "10.0.0.1/24"))
	var listener net.Listener
	r.check(r.host.Do(func() (err error) {
		listener, err = net.Listen("tcp", "[::]:22")
		return err
	}))
	defer listener.Close()
	r.check(r.peer.Do(func() error {
		conn, err := net.Dial("tcp", "10.0.0.2:22")
		if err == nil {
			t.Cleanup(func() { conn.Close() })
		}
		return err
	}))
	conn, err := listener.Accept()
	r.check(err)
	defer conn.Close()
	r.check(r.host.Do(func() error {
		connections, err := establishedTCP()
		sockets, errSockets := socketsOf([]string{"/proc/self"})
		r.check(errSockets)
		found := connectionsOf(sockets, connections)
		if len(connections) != 1 || len(found) != 1 || !found[0].Client.Equal(net.IPv4(10, 0, 0, 1)) || !found[0].Server.Equal(net.IPv4(10, 0, 0, 2)) {
			t.Errorf("connections %v, of this process %v", connections, found)
		}
		return err
	}))
}

// TestTooManyDescriptors does not look at descriptors without end: the session is then not known.
func TestTooManyDescriptors(t *testing.T) {
	patience := lookPatience
	defer func() { lookPatience = patience }()
	lookPatience = 0
	if _, err := socketsOf([]string{"/proc/self"}); err == nil || !strings.Contains(err.Error(), "not all were looked at") {
		t.Errorf("error %v", err)
	}
}

// TestIsConsole has the numbers of terminals, as in proc_pid_stat(5).
func TestIsConsole(t *testing.T) {
	for name, test := range map[string]struct {
		major, minor uint32
		want         bool
	}{
		"none":         {0, 0, false},
		"/dev/tty1":    {4, 1, true},
		"/dev/ttyS0":   {4, 64, true},
		"/dev/ttyAMA0": {204, 64, true},
		"/dev/hvc0":    {229, 0, true},
		"/dev/pts/0":   {136, 0, false},
		"/dev/pts/300": {137, 44, false},
		"/dev/ttyp0":   {3, 0, false},
	} {
		if got := isConsole(unix.Mkdev(test.major, test.minor)); got != test.want {
			t.Errorf("%s is a console: %v, want %v", name, got, test.want)
		}
	}
}

// TestTerminalOf has a process at a pseudo terminal.
func TestTerminalOf(t *testing.T) {
	cmd := exec.Command("cat")
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		terminal.Close() // hangs up
		_ = cmd.Wait()   // reports that
	}()
	process := fmt.Sprint("/proc/", cmd.Process.Pid)
	var stat unix.Stat_t
	if err := unix.Stat(process+"/fd/0", &stat); err != nil {
		t.Fatal(err)
	}
	if got := terminalOf(process); got != stat.Rdev || onConsole(process) {
		t.Errorf("at terminal %#x, want %#x; on console: %v", got, stat.Rdev, onConsole(process))
	}
}

func TestParseConnection(t *testing.T) {
	for value, want := range map[string]Sessions{
		"192.0.2.1 50000 192.0.2.2 22":       {{Client: net.IPv4(192, 0, 2, 1), Server: net.IPv4(192, 0, 2, 2)}},
		"2001:db8::1 50000 2001:db8::2 22":   {{Client: net.ParseIP("2001:db8::1"), Server: net.ParseIP("2001:db8::2")}},
		"fe80::1%lo 50000 fe80::2%lo 22":     {{Client: net.ParseIP("fe80::1"), Server: net.ParseIP("fe80::2"), Scope: 1}},
		"fe80::1%gone 50000 fe80::2%gone 22": {{Client: net.ParseIP("fe80::1"), Server: net.ParseIP("fe80::2")}},
		"UNKNOWN 65535 UNKNOWN 65535":        nil, // of sshd -i on no socket
		"192.0.2.1 50000 192.0.2.2":          nil,
		"":                                   nil,
	} {
		got := parseConnection(value)
		if !slices.EqualFunc(got, want, func(a, b Session) bool {
			return a.Client.Equal(b.Client) && a.Server.Equal(b.Server) && a.Scope == b.Scope
		}) {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

// sessionRig is a host with two interfaces that lead to a peer.
type sessionRig struct {
	t          *testing.T
	host, peer *lab.Namespace
}

func newSessionRig(t *testing.T) *sessionRig {
	t.Helper()
	r := &sessionRig{t: t, host: labtest.Namespace(t), peer: labtest.Namespace(t)}
	// The indexes of peer0 and host1 are the same, for who mistakes them.
	r.check(r.peer.AddBridge("elder"))
	r.check(lab.Veth(r.host, "host0", r.peer, "peer0"))
	r.check(lab.Veth(r.host, "host1", r.peer, "peer1"))
	return r
}

func (r *sessionRig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *sessionRig) address(iface, cidr string) {
	r.t.Helper()
	r.check(r.host.AddAddress(iface, cidr))
}

func (r *sessionRig) route(route netlink.Route) {
	r.t.Helper()
	r.check(r.host.Do(func() error { return netlink.RouteAdd(&route) }))
}

func (r *sessionRig) index(iface string) int {
	r.t.Helper()
	link, err := r.host.Link(iface)
	r.check(err)
	return link.Attrs().Index
}

// attributes are those of a device on top of another.
func (r *sessionRig) attributes(name, under string) netlink.LinkAttrs {
	r.t.Helper()
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.ParentIndex = name, r.index(under)
	return attributes
}

func (r *sessionRig) add(link netlink.Link) {
	r.t.Helper()
	addLink(r.t, r.host, link)
}

// addLink makes the device and sets it up. It skips the test on a kernel that
// does not know the kind.
func addLink(t *testing.T, in *lab.Namespace, link netlink.Link) {
	t.Helper()
	err := in.Do(func() error {
		if err := netlink.LinkAdd(link); err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("this kernel has no %s", link.Type())
	}
	if err != nil {
		t.Fatalf("make %s: %v", link.Attrs().Name, err)
	}
}

// addVLANOnBond puts host0 and host1 into bond0, and VLAN 5 on it.
func (r *sessionRig) addVLANOnBond() {
	r.t.Helper()
	attributes := netlink.NewLinkAttrs()
	attributes.Name = "bond0"
	bond := netlink.NewLinkBond(attributes)
	bond.Mode = netlink.BOND_MODE_ACTIVE_BACKUP
	r.add(bond)
	for _, name := range []string{"host0", "host1"} {
		r.check(r.host.Do(func() error {
			port, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			// Down for it: a bond takes no port that is up.
			return errors.Join(netlink.LinkSetDown(port), netlink.LinkSetMaster(port, bond), netlink.LinkSetUp(port))
		}))
	}
	r.add(&netlink.Vlan{LinkAttrs: r.attributes("vlan5", "bond0"), VlanId: 5})
}

func prefix(cidr string) *net.IPNet {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		panic(err)
	}
	return network
}

// namesOf names the interfaces, in order and once each.
func namesOf(indexes []int, links []netlink.Link) []string {
	var names []string
	for _, l := range links {
		if slices.Contains(indexes, l.Attrs().Index) {
			names = append(names, l.Attrs().Name)
		}
	}
	slices.Sort(names)
	return names
}
