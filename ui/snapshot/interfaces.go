package snapshot

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
)

// Interfaces are the rows of the interfaces pane.
type Interfaces struct {
	Total    int // interfaces there are
	Matching int // of these, those that the filter lets through
	Rows     []Interface
	Query    Query  // what was asked for
	Narrowed string // what they are narrowed to, "" for nothing
}

// Interface is a row of the interfaces pane: an interface, or a group that is folded into
// the one that heads it.
type Interface struct {
	*probes.Interface
	Depth   int      // how deep it is in open groups
	Members []string // of the group that it heads; nil if it heads none
	Folded  bool     // the members have no rows of their own
	// What is shown of it: its own counts, or those of a folded group, in which each frame
	// counts once in a direction.
	Traffic probes.Traffic
	Trouble Trouble
	// Where names what its peer is in, empty if it has none or that is here.
	Where string
	// Alias is the name of the container that it leads to, by which it is known where there
	// is room for one name only. It is empty if that is not known, if it is in another network
	// namespace, or if others lead to the same container that are not folded into it.
	Alias string
}

// Trouble counts the frames of an interface that did not go the usual way: those that it
// dropped, that took a way past the hook, and that contradict themselves.
type Trouble struct{ Dropped, Unseen, Malformed uint64 }

func troubleOf(i *probes.Interface) Trouble {
	return Trouble{
		Dropped:   i.Driver.RXDropped + i.Driver.TXDropped,
		Unseen:    i.UnseenRX + i.UnseenTX,
		Malformed: i.Malformed,
	}
}

func rowOf(i *probes.Interface) Interface {
	return Interface{Interface: i, Traffic: i.Traffic, Trouble: troubleOf(i), Where: i.Peer.Where()}
}

// InterfaceOrders are what the orders of interfaces are called, as ones of Rows.By: as the
// columns are, but the usual one.
var InterfaceOrders = []string{
	"busiest", "name", "leads to", "master", "state", "rx pps", "rx rate", "tx pps", "tx rate", "drops", "unseen",
	"malformed",
}

// interfaceKind has the orders in the order of InterfaceOrders. The first one is the rows'
// own: they come the busiest first.
var interfaceKind = kind[Interface]{
	rows: "interfaces",
	orders: []func(a, b Interface) int{
		nil,
		func(a, b Interface) int { return compareNames(a.Name, b.Name) },
		func(a, b Interface) int { return emptyLast(a.Where, b.Where) },
		func(a, b Interface) int { return emptyLast(a.Master, b.Master) },
		func(a, b Interface) int { return cmp.Compare(a.State, b.State) },
		func(a, b Interface) int { return cmp.Compare(b.Traffic.RXPPS, a.Traffic.RXPPS) },
		func(a, b Interface) int { return cmp.Compare(b.Traffic.RXBPS, a.Traffic.RXBPS) },
		func(a, b Interface) int { return cmp.Compare(b.Traffic.TXPPS, a.Traffic.TXPPS) },
		func(a, b Interface) int { return cmp.Compare(b.Traffic.TXBPS, a.Traffic.TXBPS) },
		func(a, b Interface) int { return cmp.Compare(b.Trouble.Dropped, a.Trouble.Dropped) },
		func(a, b Interface) int { return cmp.Compare(b.Trouble.Unseen, a.Trouble.Unseen) },
		func(a, b Interface) int { return cmp.Compare(b.Trouble.Malformed, a.Trouble.Malformed) },
	},
	text: interfaceText,
	names: conditions[Interface]{
		"iface":  named(func(row Interface) []string { return append([]string{row.Name}, row.AltNames...) }),
		"kind":   named(func(row Interface) []string { return []string{row.Kind} }),
		"state":  named(func(row Interface) []string { return []string{row.State} }),
		"hook":   named(func(row Interface) []string { return []string{string(row.Hook)} }),
		"master": named(func(row Interface) []string { return []string{row.Master} }),
		"rate":   over(func(row Interface) float64 { return row.Traffic.RXBPS + row.Traffic.TXBPS }),
		"drops":  over(func(row Interface) float64 { return float64(row.Trouble.Dropped) }),
		"host": within(func(row Interface) (addresses []netip.Addr) {
			for _, prefix := range row.Addresses {
				addresses = append(addresses, prefix.Addr())
			}
			if row.Peer != nil && row.Peer.Address != nil {
				addresses = append(addresses, *row.Peer.Address)
			}
			return addresses
		}),
	},
}

// compareNames has eth2 before eth10.
func compareNames(a, b string) int {
	x, y := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if x != y {
		return cmp.Compare(a, b)
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func emptyLast(a, b string) int {
	if (a == "") != (b == "") {
		return cmp.Compare(len(b), len(a))
	}
	return compareNames(a, b)
}

// interfaceText is what a filter of interfaces looks through: names, what it is, and where
// it leads.
func interfaceText(to []byte, row Interface) []byte {
	to = appendLower(to, row.Name)
	for _, name := range row.AltNames {
		to = appendLower(to, name)
	}
	for _, text := range []string{row.Master, row.Kind, row.State, string(row.Hook), row.MAC, row.Where} {
		to = appendLower(to, text)
	}
	for _, address := range row.Addresses {
		to = address.AppendTo(append(to, ' '))
	}
	if p := row.Peer; p != nil {
		to = appendLower(to, p.Name)
		to = appendLower(to, p.Namespace)
		if p.Address != nil {
			to = p.Address.AppendTo(append(to, ' '))
		}
	}
	return to
}

// IsFolded tells whether interfaces are shown in groups. Those that a filter lets through
// are not, so that none of them is out of sight.
func (q Query) IsFolded() bool { return q.Folding != nil && q.Interfaces.Filter == "" }

// selectInterfaces answers q. The interfaces come the busiest first.
func selectInterfaces(busiest []*probes.Interface, q Query) Interfaces {
	rows, leading := make([]Interface, 0, len(busiest)), make(map[string]int)
	for _, i := range busiest {
		rows = append(rows, rowOf(i))
		leading[i.Peer.Owner()]++
	}
	for i := range rows {
		if owner := rows[i].Peer.Owner(); rows[i].NetNS == "" && leading[owner] == 1 {
			rows[i].Alias = owner
		}
	}
	rows = interfaceKind.matching(rows, q.Interfaces.Filter)
	out := Interfaces{Total: len(busiest), Matching: len(rows), Query: q}
	if q.Narrowable(OfInterface) {
		out.Narrowed = q.narrowedTo()
	}
	if !q.IsFolded() {
		interfaceKind.sort(rows, q.Interfaces)
		out.Rows = rows
		return out
	}
	t := newTree(busiest)
	for i := range rows {
		q.Folding.fold(&rows[i], t)
		if owner := rows[i].Peer.Owner(); rows[i].Folded && t.leadingTo(owner, rows[i].Members)+1 == leading[owner] {
			rows[i].Alias = owner
		}
	}
	interfaceKind.sort(rows, q.Interfaces)
	out.Rows = t.inOrder(rows)
	return out
}
