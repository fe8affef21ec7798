package crossconnect

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// nic is hardware that does all of native XDP.
func nic(name string) device {
	return device{
		name: name, kind: hardware, hasEthernet: true, mtu: 1500, isUp: true, hasCarrier: true,
		featuresKnown: true, features: featureBasic | featureRedirect | featureNDOXmit,
	}
}

// with is d, changed.
func with(d device, change func(*device)) device {
	change(&d)
	return d
}

func TestDatapathsToTry(t *testing.T) {
	eth0, eth1 := nic("eth0"), nic("eth1")
	virtual := func(kind string) device {
		return with(nic(kind+"0"), func(d *device) { d.kind = kind })
	}
	tun := with(virtual("tun"), func(d *device) { d.hasEthernet, d.features = false, 0 })
	unknown := with(nic("eth2"), func(d *device) { d.featuresKnown, d.features = false, 0 })
	noXDP := with(nic("eth3"), func(d *device) { d.features = 0 })
	noRedirect := with(nic("eth4"), func(d *device) { d.features = featureBasic })
	noProgramYet := with(nic("eth5"), func(d *device) { d.features = featureBasic | featureRedirect })
	taken := with(nic("eth6"), func(d *device) { d.foreignXDP = true })
	lo := device{name: "lo", kind: hardware, isLoopback: true}

	xdpOrTC, onlyTC := []Datapath{XDP, TC}, []Datapath{TC}
	for name, test := range map[string]struct {
		wish            Datapath
		ingress, egress device
		want            []Datapath // none: an error
		says            string     // in reason or error
	}{
		"hardware":                    {Auto, eth0, eth1, xdpOrTC, "native XDP in the drivers"},
		"empty wish":                  {"", eth0, eth1, xdpOrTC, "native XDP in the drivers"},
		"to itself":                   {Auto, eth0, eth0, xdpOrTC, "native XDP in the drivers"},
		"ingress unknown":             {Auto, unknown, eth1, xdpOrTC, "native XDP in the drivers"},
		"egress unknown":              {Auto, eth0, unknown, xdpOrTC, "native XDP in the drivers"},
		"egress has no program yet":   {Auto, eth0, noProgramYet, xdpOrTC, "native XDP in the drivers"},
		"ingress cannot":              {Auto, noXDP, eth1, onlyTC, "the driver of eth3 cannot redirect by XDP"},
		"ingress cannot redirect":     {Auto, noRedirect, eth1, onlyTC, "the driver of eth4 cannot redirect by XDP"},
		"egress cannot":               {Auto, eth0, noXDP, onlyTC, "eth3 cannot send XDP frames (no ndo_xdp_xmit)"},
		"ingress taken":               {Auto, taken, eth1, onlyTC, "XDP is taken by another program on eth6"},
		"egress taken":                {Auto, eth0, taken, xdpOrTC, "native XDP in the drivers"},
		"ingress virtual":             {Auto, virtual("veth"), eth1, onlyTC, "virtual device: veth"},
		"egress virtual":              {Auto, eth0, virtual("bridge"), onlyTC, "virtual device: bridge"},
		"two tunnels":                 {Auto, tun, tun, onlyTC, "virtual device: tun"},
		"tc":                          {TC, eth0, eth1, onlyTC, "asked for"},
		"tc between tunnels":          {TC, tun, tun, onlyTC, "asked for"},
		"tc where XDP is taken":       {TC, taken, eth1, onlyTC, "asked for"},
		"XDP":                         {XDP, eth0, eth1, []Datapath{XDP}, "asked for"},
		"XDP on veth":                 {XDP, virtual("veth"), virtual("veth"), []Datapath{XDP}, "asked for"},
		"XDP where nobody knows":      {XDP, unknown, unknown, []Datapath{XDP}, "asked for"},
		"XDP without a program yet":   {XDP, eth0, noProgramYet, []Datapath{XDP}, "asked for"},
		"XDP that ingress cannot":     {XDP, noXDP, eth1, nil, "the driver of eth3 cannot redirect by XDP"},
		"XDP that egress cannot":      {XDP, eth0, noXDP, nil, "eth3 cannot send XDP frames"},
		"XDP that is taken":           {XDP, taken, eth1, nil, "taken by another program on eth6"},
		"XDP between tunnels":         {XDP, tun, tun, nil, "XDP needs an Ethernet header, which frames of tun0"},
		"generic XDP":                 {XDPGeneric, noXDP, noXDP, []Datapath{XDPGeneric}, "asked for"},
		"generic XDP that is taken":   {XDPGeneric, taken, eth1, nil, "taken by another program on eth6"},
		"generic XDP between tunnels": {XDPGeneric, tun, tun, nil, "XDP needs an Ethernet header"},
		"from a tunnel":               {Auto, tun, eth1, nil, "frames of tun0 (tun) have no Ethernet header, those of eth1 have one"},
		"to a tunnel":                 {TC, eth0, tun, nil, "frames of tun0 (tun) have no Ethernet header, those of eth0 have one"},
		"from loopback":               {Auto, lo, eth1, nil, "lo is the loopback interface"},
		"to loopback":                 {TC, eth0, lo, nil, "lo is the loopback interface"},
	} {
		t.Run(name, func(t *testing.T) {
			try, reason, err := datapathsToTry(test.wish, test.ingress, test.egress)
			says := reason
			if err != nil {
				says = err.Error()
			}
			if !slices.Equal(try, test.want) || (err == nil) != (len(test.want) > 0) {
				t.Errorf("%q (%v), want %q", try, err, test.want)
			}
			if !strings.Contains(says, test.says) {
				t.Errorf("says %q, want %q", says, test.says)
			}
		})
	}
}

// TestNoWires is refused interfaces that lose frames, of those that the kernel has.
func TestNoWires(t *testing.T) {
	b := newBench(t, 2)
	w := b.own()
	on := b.link("p1").Attrs().Index
	attrs := func(on int) netlink.LinkAttrs { return netlink.LinkAttrs{Name: "end", ParentIndex: on} }
	macvlan := func(mode netlink.MacvlanMode) netlink.Macvlan {
		return netlink.Macvlan{LinkAttrs: attrs(on), Mode: mode}
	}
	for name, test := range map[string]struct {
		device netlink.Link
		says   string
	}{
		"macvlan, bridge":    {new(macvlan(netlink.MACVLAN_MODE_BRIDGE)), "only what is for its own address"},
		"macvlan, private":   {new(macvlan(netlink.MACVLAN_MODE_PRIVATE)), "only what is for its own address"},
		"macvlan, vepa":      {new(macvlan(netlink.MACVLAN_MODE_VEPA)), "only what is for its own address"},
		"macvlan, passthru":  {new(macvlan(netlink.MACVLAN_MODE_PASSTHRU)), ""},
		"macvtap, bridge":    {&netlink.Macvtap{Macvlan: macvlan(netlink.MACVLAN_MODE_BRIDGE)}, "only what is for its own address"},
		"ipvlan":             {&netlink.IPVlan{LinkAttrs: attrs(on)}, "its own IP addresses"},
		"ifb":                {&netlink.Ifb{LinkAttrs: attrs(0)}, "act_mirred"},
		"dummy":              {&netlink.Dummy{LinkAttrs: attrs(0)}, "drops all"},
		"vrf":                {&netlink.Vrf{LinkAttrs: attrs(0), Table: 9}, "routing table"},
		"tunnels of any key": {&netlink.Vxlan{LinkAttrs: attrs(0), FlowBased: true, Port: 4789}, "the key of a tunnel"},
	} {
		err := b.hub.Do(func() error { return netlink.LinkAdd(test.device) })
		if errors.Is(err, unix.EOPNOTSUPP) {
			t.Logf("%s: this kernel has none", name)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, d := range []Datapath{Auto, TC} {
			if wire := (Pair{A: "p0", B: "end", AToB: d, BToA: d}); test.says == "" {
				b.set(w, wire)
			} else {
				b.refused(w, test.says, wire)
			}
		}
		b.set(w)
		b.check(b.hub.DeleteLink("end"))
	}
}

func TestErrNoXDPSend(t *testing.T) {
	for name, test := range map[string]struct {
		egress device
		want   string // empty: no error
	}{
		"can":       {nic("eth0"), ""},
		"not known": {device{name: "eth1", kind: hardware}, ""},
		"cannot":    {device{name: "eth2", kind: hardware, featuresKnown: true}, "eth2 cannot send XDP frames"},
		"veth":      {device{name: "veth3", kind: "veth", featuresKnown: true}, "the far end of veth3"},
	} {
		err := errNoXDPSend(test.egress)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

// TestDeviceOf describes interfaces that differ in each of the facts.
func TestDeviceOf(t *testing.T) {
	n, far := labtest.Namespace(t), labtest.Namespace(t)
	if err := lab.QuietVeth(n, "veth0", far, "far"); err != nil {
		t.Fatal(err)
	}
	if err := n.SetMTU("veth0", 9000); err != nil {
		t.Fatal(err)
	}
	if err := n.AttachXDP("veth0", "foreign"); err != nil {
		t.Fatal(err)
	}
	tun := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN}
	if err := n.Do(func() error { return netlink.LinkAdd(tun) }); err != nil {
		t.Fatal(err)
	}

	for _, want := range []device{
		{name: "lo", kind: hardware, isLoopback: true, hasEthernet: true, mtu: 65536, isUp: true, hasCarrier: true},
		{name: "veth0", kind: "veth", hasEthernet: true, foreignXDP: true, mtu: 9000, isUp: true, hasCarrier: true},
		{name: "tun0", kind: "tuntap", mtu: 1500},
	} {
		got := describeIn(t, n, want.name)
		want.features, want.featuresKnown = got.features, got.featuresKnown // see TestFeatures
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
