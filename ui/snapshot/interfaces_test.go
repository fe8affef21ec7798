package snapshot

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/probes"
)

// hypervisor has a VLAN on a bond in a bridge, with veths beside it, a macvlan on a NIC of
// its own, and one more NIC that nobody counts on below a VLAN.
func hypervisor() []probes.Interface {
	counts := func(rx, tx uint64) probes.Traffic {
		return probes.Traffic{RXPackets: rx, TXPackets: tx, RXBPS: float64(rx), TXBPS: float64(tx)}
	}
	hostname := "web-7f9"
	elsewhere := 4
	rows := []probes.Interface{
		{Name: "br0", Kind: "bridge", Lower: []string{"bond0.10", "veth1", "veth2"}, Traffic: counts(7, 5)},
		{Name: "bond0", Kind: "bond", Lower: []string{"eth0", "eth1"}, Traffic: counts(110, 220), UnseenRX: 9},
		{Name: "eth0", Master: "bond0", Traffic: counts(100, 200), Driver: probes.DriverStats{RXDropped: 3}},
		{Name: "eth1", Master: "bond0", Traffic: counts(10, 20), UnseenRX: 4, UnseenTX: 1, Malformed: 2},
		{Name: "bond0.10", Kind: "vlan", Master: "br0", Lower: []string{"bond0"}, Traffic: counts(50, 60)},
		{
			Name: "veth1", Master: "br0", Traffic: counts(1000, 2000),
			Peer: &probes.Peer{Ifindex: 2, NetNSID: &elsewhere, Name: "eth0", Hostname: &hostname},
		},
		{Name: "veth2", Master: "br0", Traffic: counts(1, 1)},
		{Name: "eth2", Traffic: counts(5000, 1)},
		{Name: "macvlan0", Kind: "macvlan", Lower: []string{"eth2"}, Traffic: counts(4000, 1), Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}},
		{Name: "eth3", Hook: probes.HookNone},
		{Name: "eth3.5", Kind: "vlan", Lower: []string{"eth3"}, Traffic: counts(30, 0)},
	}
	for n := range rows {
		rows[n].Ifindex = n + 1
		if rows[n].Name != "eth3" {
			rows[n].Hook = probes.HookTracepoint
		}
	}
	return rows
}

// ask returns what is shown of the hypervisor.
func ask(q Query) Interfaces { return askOf(hypervisor(), q) }

func askOf(interfaces []probes.Interface, q Query) Interfaces {
	p := NewPresenter(nil)
	p.query = q
	s := probes.Sample{Interfaces: interfaces}
	p.Take(&s)
	p.Publish()
	return (<-p.Snapshots).InterfaceRows
}

// inWords is the rows: deeper ones behind dots, folded ones with a plus.
func inWords(rows []Interface) (words []string) {
	for _, row := range rows {
		word := strings.Repeat(".", row.Depth) + row.Name
		if row.Folded {
			word += "+"
		}
		words = append(words, word)
	}
	return words
}

func TestInterfaceRows(t *testing.T) {
	order := func(name string) int { return slices.Index(InterfaceOrders, name) }
	open := func(heads ...probes.InterfaceKey) *Folding {
		f := &Folding{}
		for _, head := range heads {
			f = f.Toggle(head)
		}
		return f
	}
	for name, c := range map[string]struct {
		query Query
		want  string
	}{
		"busiest": {Query{}, "eth2 veth1 macvlan0 eth0 bond0 bond0.10 eth1 eth3.5 br0 veth2 eth3"},
		"reversed": {
			Query{Interfaces: Rows{Reversed: true}},
			"eth3 veth2 br0 eth3.5 eth1 bond0.10 bond0 eth0 macvlan0 veth1 eth2",
		},
		"name": {
			Query{Interfaces: Rows{By: order("name")}},
			"bond0 bond0.10 br0 eth0 eth1 eth2 eth3 eth3.5 macvlan0 veth1 veth2",
		},
		"leads to": {
			Query{Interfaces: Rows{By: order("leads to"), Filter: "veth"}}, "veth1 veth2",
		},
		"tx":             {Query{Interfaces: Rows{By: order("tx rate"), Filter: "br0"}}, "veth1 bond0.10 br0 veth2"},
		"drops":          {Query{Interfaces: Rows{By: order("drops"), Filter: "bond0"}}, "eth0 bond0 bond0.10 eth1"},
		"unseen":         {Query{Interfaces: Rows{By: order("unseen"), Filter: "bond0"}}, "bond0 eth1 eth0 bond0.10"},
		"filter by host": {Query{Interfaces: Rows{Filter: "WEB-7 eth0"}}, "veth1"},
		"filter address": {Query{Interfaces: Rows{Filter: "192.0.2.7"}}, "macvlan0"},
		"no match":       {Query{Interfaces: Rows{Filter: "nothing"}}, ""},
		"folded":         {Query{Folding: open()}, "eth2+ br0+ bond0+ eth3+"},
		"folded by name": {Query{Folding: open(), Interfaces: Rows{By: order("name")}}, "bond0+ br0+ eth2+ eth3+"},
		"open":           {Query{Folding: open(1)}, "eth2+ br0 .veth1 .bond0.10 .veth2 bond0+ eth3+"},
		"open by name":   {Query{Folding: open(1, 2), Interfaces: Rows{By: order("name")}}, "bond0 .eth0 .eth1 br0 .bond0.10 .veth1 .veth2 eth2+ eth3+"},
		"folded again":   {Query{Folding: open(1, 1)}, "eth2+ br0+ bond0+ eth3+"},
		"filter unfolds": {Query{Folding: open(), Interfaces: Rows{Filter: "macvlan"}}, "macvlan0"},
	} {
		got := inWords(ask(c.query).Rows)
		want := strings.Fields(c.want)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, want\n%q", name, got, want)
		}
	}
}

// TestGroupCountsOnce: the counts of a folded row have each frame once in a direction.
func TestGroupCountsOnce(t *testing.T) {
	type counts struct {
		rx, tx uint64
		Trouble
	}
	want := map[string]counts{
		"br0":   {50 + 1000 + 1, 60 + 2000 + 1, Trouble{}}, // not what the bridge itself has of the same
		"bond0": {110, 220, Trouble{3, 4 + 1, 2}},          // not the bond's again, nor that of its VLAN elsewhere
		"eth2":  {5000, 1, Trouble{}},                      // not the macvlan's again
		"eth3":  {30, 0, Trouble{}},                        // of the VLAN, since nobody counts below it
	}
	rows := ask(Query{Folding: &Folding{}}).Rows
	if len(rows) != len(want) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	for _, row := range rows {
		got := counts{row.Traffic.RXPackets, row.Traffic.TXPackets, row.Trouble}
		if got != want[row.Name] {
			t.Errorf("%s counts %+v, want %+v", row.Name, got, want[row.Name])
		}
	}
	for _, row := range ask(Query{Folding: (&Folding{}).Toggle(1)}).Rows {
		if row.Name == "br0" && row.Traffic.RXPackets != 7 {
			t.Errorf("the head of an open group counts %d, want its own 7", row.Traffic.RXPackets)
		}
	}
}

// node has a pod on a network of its own and on one with a bridge, whose inside is watched,
// too, a pod on two networks, and another container with the same host name.
func node() []probes.Interface {
	leading := func(name string, ifindex, netnsid int, hostname string, inside uint32, packets uint64) probes.Interface {
		return probes.Interface{
			Name: name, Ifindex: ifindex, Hook: probes.HookTracepoint, Traffic: probes.Traffic{RXPackets: packets, RXBPS: float64(packets)},
			Peer: &probes.Peer{Ifindex: 100 + ifindex, NetNSID: &netnsid, Hostname: &hostname, Inode: inside},
		}
	}
	inside := func(name string, ifindex int, packets uint64) probes.Interface {
		i := leading(name, 100+ifindex, 0, "", 0, packets)
		i.NetNS, i.Namespace, i.Peer.Ifindex = "web", 77, ifindex
		return i
	}
	rows := []probes.Interface{
		leading("net1", 4, 1, "web", 77, 1000), leading("veth3", 3, 1, "web", 77, 500),
		leading("net0", 5, 1, "web", 77, 100),
		inside("web/net1", 4, 1000), inside("web/eth0", 3, 500), inside("web/net0", 5, 100),
		{Name: "web/wg0", Ifindex: 9, NetNS: "web", Namespace: 77, Hook: probes.HookTracepoint, Traffic: probes.Traffic{RXPackets: 90}},
		leading("db1", 6, 2, "db", 0, 20), leading("db0", 7, 2, "db", 0, 10), leading("other", 8, 3, "web", 0, 5),
		{Name: "cni0", Ifindex: 2, Kind: "bridge", Lower: []string{"veth3"}, Hook: probes.HookTracepoint},
	}
	rows[1].Master = "cni0"
	return rows
}

// TestFoldContainers: what leads to a container has one row, with what is watched inside, and
// each frame once; what passes a bridge stays with that.
func TestFoldContainers(t *testing.T) {
	folded := &Folding{}
	open := folded.Toggle(4).Toggle(2).Toggle(3)
	for want, q := range map[string]Query{
		"net1+ cni0+ db1+ other": {Folding: folded},
		"net1 .web/net1 .net0+ .web/wg0 cni0 .veth3 ..web/eth0 db1+ other": {Folding: open},
	} {
		if got := strings.Join(inWords(askOf(node(), q).Rows), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	want := map[string]struct {
		packets uint64
		alias   string
	}{
		"net1":  {1000 + 100, ""}, // veth3 leads there, too, and other to one that is called so
		"cni0":  {500, ""},
		"db1":   {20 + 10, "db"},
		"other": {5, ""},
	}
	for _, row := range askOf(node(), Query{Folding: folded}).Rows {
		if w := want[row.Name]; row.Traffic.RXPackets != w.packets || row.Alias != w.alias {
			t.Errorf("%s counts %d as %q, want %+v", row.Name, row.Traffic.RXPackets, row.Alias, w)
		}
	}
	// Nobody counts on what leads there: what is counted inside is in no other row.
	rows := node()
	for i := range rows {
		if rows[i].NetNS == "" {
			rows[i].Hook, rows[i].Traffic = probes.HookNone, probes.Traffic{}
		}
	}
	for _, row := range askOf(rows, Query{Folding: folded}).Rows {
		if want := uint64(1000 + 100 + 90); row.Name == "net1" && row.Traffic.RXPackets != want {
			t.Errorf("%s counts %d, want %d", row.Name, row.Traffic.RXPackets, want)
		}
	}
}

// TestCircle of names, as there could be if a list of interfaces was interrupted, ends.
func TestCircle(t *testing.T) {
	s := probes.Sample{Interfaces: []probes.Interface{
		{Name: "a", Ifindex: 1, Master: "b", Lower: []string{"b"}},
		{Name: "b", Ifindex: 2, Master: "a", Lower: []string{"a"}},
		{Name: "c", Ifindex: 3, Master: "c", Lower: []string{"c"}},
	}}
	p := NewPresenter(nil)
	p.query.Folding = &Folding{}
	p.Take(&s)
	p.Publish()
	rows := (<-p.Snapshots).InterfaceRows.Rows
	count := 0
	for _, row := range rows {
		count += 1 + len(row.Members)
	}
	if count != len(s.Interfaces) {
		t.Errorf("%d of %d interfaces are shown: %q", count, len(s.Interfaces), inWords(rows))
	}
}

// TestFoldWhilePaused: what is asked for is answered from the sample on the screen.
func TestFoldWhilePaused(t *testing.T) {
	p := NewPresenter(nil)
	s := probes.Sample{Interfaces: hypervisor()}
	p.Take(&s)
	p.Ask(Query{Moment: 1})
	p.Publish()
	<-p.Snapshots
	p.Ask(Query{Moment: 1, Folding: &Folding{}})
	p.Publish()
	if got := inWords((<-p.Snapshots).InterfaceRows.Rows); len(got) != 4 || got[1] != "br0+" {
		t.Errorf("%q", got)
	}
}

// TestAlias: an interface goes by the container that it leads to, if it is the only one.
func TestAlias(t *testing.T) {
	here, web, twin := 1, "web", "twin"
	row := func(index int, hostname *string, netns string) probes.Interface {
		return probes.Interface{Ifindex: index, NetNS: netns, Peer: &probes.Peer{NetNSID: &here, Hostname: hostname}}
	}
	s := probes.Sample{Interfaces: []probes.Interface{
		row(1, &web, ""), row(2, &twin, ""), row(3, &twin, ""), row(4, nil, ""), {Ifindex: 5},
	}}
	p := NewPresenter(nil)
	p.Take(&s)
	p.Publish()
	for i, want := range []string{"web", "", "", "", ""} {
		if got := (&p.snapshot.InterfaceRows.Rows[i]).Alias; got != want {
			t.Errorf("interface %d goes by %q, want %q", i+1, got, want)
		}
	}
}
