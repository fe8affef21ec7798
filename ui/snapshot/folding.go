package snapshot

import (
	"cmp"
	"maps"
	"slices"

	"github.com/ebpftop/ebpftop/probes"
)

// Folding has interfaces shown in groups: a bridge with its ports, a bond with its members,
// a device with its VLANs, a container with all that leads to it and what is watched inside.
// It says which groups are open. It never changes, so that it can
// be part of a Query.
type Folding struct {
	open map[probes.InterfaceKey]bool // by the head
}

// Toggle returns one in which the group is open if it was folded, or the other way round.
func (f *Folding) Toggle(head probes.InterfaceKey) *Folding {
	open := maps.Clone(f.open)
	if open == nil {
		open = make(map[probes.InterfaceKey]bool)
	}
	open[head] = !open[head]
	return &Folding{open}
}

// fold makes a row that of its group, if it heads a folded one.
func (f *Folding) fold(row *Interface, t *tree) {
	if len(t.below[row.Name]) == 0 {
		return
	}
	row.Members = t.members(row.Name)
	if row.Folded = !f.open[row.Key()]; row.Folded {
		row.Traffic, row.Trouble = t.sum(row.Name)
	}
}

// tree is how interfaces are grouped, by name.
type tree struct {
	rows  map[string]*probes.Interface
	above map[string]string // the head of the group that one is in; only if that has a row
	below map[string][]string
}

func newTree(interfaces []*probes.Interface) *tree {
	t := &tree{
		rows:  make(map[string]*probes.Interface, len(interfaces)),
		above: make(map[string]string), below: make(map[string][]string),
	}
	for _, i := range interfaces {
		t.rows[i.Name] = i
	}
	doors := t.doors(interfaces)
	for _, i := range interfaces {
		if head := cmp.Or(t.head(i), doors.head(i)); head != "" && !t.isBelow(head, i.Name) {
			t.above[i.Name] = head
			t.below[head] = append(t.below[head], i.Name)
		}
	}
	return t
}

// head is the interface below which one is shown: its master, else the one that it stands
// on unless it is the master of that. It is empty if there is none.
func (t *tree) head(i *probes.Interface) string {
	if t.rows[i.Master] != nil {
		return i.Master
	}
	for _, lower := range i.Lower {
		if l := t.rows[lower]; l != nil && l.Master != i.Name {
			return lower
		}
	}
	return ""
}

// isBelow tells whether an interface is in the group of head, or in one in that, or is head.
func (t *tree) isBelow(name, head string) bool {
	for ; name != ""; name = t.above[name] {
		if name == head {
			return true
		}
	}
	return false
}

// members are all that are in the group of head, and in groups in that, by name.
func (t *tree) members(head string) (names []string) {
	for _, name := range t.below[head] {
		names = append(append(names, name), t.members(name)...)
	}
	slices.Sort(names)
	return names
}

// leadingTo counts those of names that lead to a container that is called owner.
func (t *tree) leadingTo(owner string, names []string) (count int) {
	for _, name := range names {
		if owner != "" && t.rows[name].Peer.Owner() == owner {
			count++
		}
	}
	return count
}

// sum adds up a group so that each frame counts once in a direction, by the rule of
// probes.Totals: those stay out that stand on others in the group, whose frames they carry
// once more, and those in a container, whose frames pass what leads to it, if that is counted on.
func (t *tree) sum(head string) (traffic probes.Traffic, trouble Trouble) {
	in, entered := make(map[string]bool), make(map[container]bool)
	names := append(t.members(head), head)
	for _, name := range names {
		in[name] = true
		if c, ok := containerOf(t.rows[name]); ok && t.rows[name].NetNS == "" && t.rows[name].Hook != probes.HookNone {
			entered[c] = true
		}
	}
	for _, name := range names {
		row := t.rows[name]
		own := troubleOf(row)
		trouble.Dropped += own.Dropped
		if row.NetNS != "" && entered[container{inode: row.Namespace}] || t.standsOn(row, in, deepest) {
			continue
		}
		traffic = plus(traffic, row.Traffic)
		trouble.Unseen += own.Unseen
		trouble.Malformed += own.Malformed
	}
	return traffic, trouble
}

// deepest is how many interfaces stand on each other at most, MAX_NEST_DEV in
// include/linux/netdevice.h.
const deepest = 8

// standsOn tells whether an interface stands on one of those that is counted on, directly or
// not.
func (t *tree) standsOn(i *probes.Interface, those map[string]bool, depth int) bool {
	return depth > 0 && slices.ContainsFunc(i.Lower, func(name string) bool {
		lower := t.rows[name]
		return lower != nil && (those[name] && lower.Hook != probes.HookNone || t.standsOn(lower, those, depth-1))
	})
}

// rank is the rate, in bit/s, that an interface is put in order by. One that stands on others
// comes behind the busiest of them, whose frames it carries once more; if folded, it goes by
// the group that it heads.
func (t *tree) rank(i *probes.Interface, folded bool) float64 {
	own := i.RXBPS + i.TXBPS
	if folded {
		if t.below[i.Name] != nil {
			sum, _ := t.sum(i.Name)
			own = sum.RXBPS + sum.TXBPS
		}
		return own
	}
	var busiest float64
	for _, name := range i.Lower {
		if lower := t.rows[name]; lower != nil {
			busiest = max(busiest, lower.RXBPS+lower.TXBPS)
		}
	}
	if busiest == 0 {
		return own
	}
	return min(own, busiest) / 2
}

func plus(a, b probes.Traffic) probes.Traffic {
	return probes.Traffic{
		RXPackets: a.RXPackets + b.RXPackets, RXBytes: a.RXBytes + b.RXBytes,
		TXPackets: a.TXPackets + b.TXPackets, TXBytes: a.TXBytes + b.TXBytes,
		RXPPS: a.RXPPS + b.RXPPS, RXBPS: a.RXBPS + b.RXBPS,
		TXPPS: a.TXPPS + b.TXPPS, TXBPS: a.TXBPS + b.TXBPS,
	}
}

// inOrder puts the members of open groups below their heads, and leaves out those of folded
// ones. Otherwise rows stay in their order.
func (t *tree) inOrder(rows []Interface) []Interface {
	below := make(map[string][]int)
	for i := range rows {
		below[t.above[rows[i].Name]] = append(below[t.above[rows[i].Name]], i)
	}
	shown := make([]Interface, 0, len(rows))
	var show func(head string, depth int)
	show = func(head string, depth int) {
		for _, i := range below[head] {
			row := rows[i]
			row.Depth = depth
			shown = append(shown, row)
			if row.Members != nil && !row.Folded {
				show(row.Name, depth+1)
			}
		}
	}
	show("", 0)
	return shown
}
