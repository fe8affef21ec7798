package snapshot

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// GroupBy is what connections are put together by, for their sums.
type GroupBy string

// What they can be put together by. The zero value is nothing.
const (
	ByNothing   GroupBy = ""
	ByOwner     GroupBy = "owner" // a process
	ByCommand   GroupBy = "command"
	ByUnit      GroupBy = "unit"
	ByContainer GroupBy = "container"
	ByRemote    GroupBy = "remote" // address
	ByNetwork   GroupBy = "network"
	ByPort      GroupBy = "port" // the lower one, as a rule that of the service
	ByProtocol  GroupBy = "protocol"
	ByInterface GroupBy = "interface"
)

// Groupings are all, in the order of the key that goes through them.
var Groupings = []GroupBy{ByOwner, ByCommand, ByUnit, ByContainer, ByRemote, ByNetwork, ByPort, ByProtocol, ByInterface}

// ParseGroupBy returns what is called so.
func ParseGroupBy(name string) (GroupBy, error) {
	if by := GroupBy(name); slices.Contains(Groupings, by) {
		return by, nil
	}
	names := make([]string, len(Groupings))
	for i, by := range Groupings {
		names[i] = string(by)
	}
	return "", fmt.Errorf("%q: use %s", name, strings.Join(names, ", "))
}

// Group is the sum of connections that have something in common: of those that are listed,
// and of those that have ended since the start.
type Group struct {
	By  GroupBy `json:"by"`
	Key string  `json:"key"` // where what is asked for is not known, the reason
	// Of the owner, where all connections have the same; else zero.
	PID       uint32 `json:"pid"`
	UID       uint32 `json:"uid"`
	Unit      string `json:"unit"`
	Container string `json:"container"`

	Connections      int    `json:"connections"`       // listed
	ConnectionsEnded uint64 `json:"connections_ended"` // since the start
	RXPackets        uint64 `json:"rx_packets"`
	RXBytes          uint64 `json:"rx_bytes"`
	TXPackets        uint64 `json:"tx_packets"`
	TXBytes          uint64 `json:"tx_bytes"`

	RXBPS float64 `json:"rx_bps"` // bits per second
	TXBPS float64 `json:"tx_bps"`

	Retransmits uint64 `json:"retransmits"` // of TCP connections whose socket is known

	ID    GroupKey      `json:"-"` // by which it is found again
	Owner *probes.Owner `json:"-"` // of one of the connections
}

// GroupKey identifies a group among those of a grouping.
type GroupKey struct {
	name    string
	pid     uint32
	started int64
	prefix  netip.Prefix
	port    uint16
}

// keyOf puts a connection into a group.
func (by GroupBy) keyOf(c *probes.Connection) GroupKey {
	remote := netip.AddrPort(c.Remote)
	switch by {
	case ByRemote:
		return GroupKey{prefix: netip.PrefixFrom(remote.Addr(), remote.Addr().BitLen())}
	case ByNetwork:
		bits := 24
		if remote.Addr().Is6() {
			bits = 64
		}
		network, _ := remote.Addr().Prefix(bits) // fails only if it has fewer
		return GroupKey{prefix: network}
	case ByPort:
		return GroupKey{name: c.Protocol, port: servicePort(netip.AddrPort(c.Local).Port(), remote.Port())}
	case ByProtocol:
		return GroupKey{name: c.Protocol}
	case ByInterface:
		return GroupKey{name: c.Interface}
	}
	if c.Owner == nil {
		return GroupKey{name: c.OwnerReason.String()}
	}
	switch by {
	case ByCommand:
		return GroupKey{name: cmp.Or(c.Owner.Comm, string(c.Owner.Certainty))}
	case ByUnit:
		return GroupKey{name: cmp.Or(c.Owner.Unit, "no unit")}
	case ByContainer:
		return GroupKey{name: containerKey(c.Owner)}
	}
	return GroupKey{name: cmp.Or(c.Owner.Comm, string(c.Owner.Certainty)), pid: c.Owner.PID, started: c.Owner.Started.Truncate(time.Millisecond).UnixMilli()}
}

// holds returns what tells whether a connection is in a group, of the connections of a sample:
// those of an owner share it, so that his key is made once.
func (by GroupBy) holds(key GroupKey) func(*probes.Connection) bool {
	if by != ByOwner && by != ByCommand && by != ByUnit && by != ByContainer {
		return func(c *probes.Connection) bool { return by.keyOf(c) == key }
	}
	known := make(map[*probes.Owner]bool)
	return func(c *probes.Connection) bool {
		if c.Owner == nil {
			return by.keyOf(c) == key
		}
		is, isKnown := known[c.Owner]
		if !isKnown {
			is = by.keyOf(c) == key
			known[c.Owner] = is
		}
		return is
	}
}

// containerKey is a container's id. Because users name control groups of their own as they like,
// one of a user's is never that of the system's, or of another user's.
func containerKey(o *probes.Owner) string {
	manager, _, isUsers := strings.Cut(o.Unit, "/")
	switch {
	case o.Container == "":
		return "no container"
	case isUsers:
		return o.Container + " of " + manager
	}
	return o.Container
}

func servicePort(local, remote uint16) uint16 {
	if local == 0 || remote == 0 {
		return max(local, remote)
	}
	return min(local, remote)
}

// String is for people.
func (k GroupKey) String() string {
	switch {
	case k.prefix.IsValid() && k.prefix.IsSingleIP():
		return k.prefix.Addr().String()
	case k.prefix.IsValid():
		return k.prefix.String()
	case k.pid != 0:
		return k.name + " " + strconv.FormatUint(uint64(k.pid), 10)
	case k.port != 0:
		return k.name + "/" + strconv.Itoa(int(k.port))
	}
	return k.name
}

// add adds a connection to the sums.
func (g *Group) add(c *probes.Connection) {
	g.RXPackets += c.RXPackets
	g.RXBytes += c.RXBytes
	g.TXPackets += c.TXPackets
	g.TXBytes += c.TXBytes
	if c.Quality != nil {
		g.Retransmits += uint64(c.Retransmits)
	}
	if g.Owner == nil {
		g.Owner = c.Owner
	}
}

// addListed adds one that is listed now.
func (g *Group) addListed(c *probes.Connection) {
	g.add(c)
	g.Connections++
	g.RXBPS += c.RXBPS
	g.TXBPS += c.TXBPS
}

// restKey is the group of what ended while there were too many groups.
var restKey = GroupKey{name: "others, ended"}

// mostEndedGroups bounds the groups that are remembered beyond the end of their connections.
const mostEndedGroups = 8192

// Ledger sums up connections by group, also those that have ended. Each grouping has sums of
// its own, so that another one can be asked for at any time. The zero value is empty, and of
// no grouping.
type Ledger struct {
	ended map[GroupBy]map[GroupKey]*Group
}

// NewLedger makes a ledger that can be asked for these groupings.
func NewLedger(groupings ...GroupBy) *Ledger {
	l := &Ledger{ended: make(map[GroupBy]map[GroupKey]*Group)}
	for _, by := range groupings {
		l.ended[by] = make(map[GroupKey]*Group)
	}
	return l
}

// Take takes in what ended by a sample. It is to be called once for each.
func (l *Ledger) Take(s *probes.Sample) {
	for by, groups := range l.ended {
		var key GroupKey
		var group *Group
		for i := range s.Ended {
			// What ended at once is of one group, as a rule: to compare two keys takes a
			// tenth of what a look into the map takes.
			if next := by.keyOf(&s.Ended[i]); group == nil || next != key {
				key, group = next, endedGroup(groups, next)
			}
			group.add(&s.Ended[i])
			group.ConnectionsEnded++
		}
	}
}

// before returns a ledger as it was before some connections ended, which Take took. It is the
// caller's own.
func (l *Ledger) before(ended iter.Seq[[]probes.Connection]) *Ledger {
	then := &Ledger{ended: make(map[GroupBy]map[GroupKey]*Group, len(l.ended))}
	for by, groups := range l.ended {
		then.ended[by] = make(map[GroupKey]*Group, len(groups))
		for key, group := range groups {
			sum := *group
			then.ended[by][key] = &sum
		}
	}
	for rows := range ended {
		for by, groups := range then.ended {
			for i := range rows {
				takeBack(groups, by.keyOf(&rows[i]), &rows[i])
			}
		}
	}
	return then
}

// takeBack takes a connection out of the sum that has it.
func takeBack(groups map[GroupKey]*Group, key GroupKey, c *probes.Connection) {
	group := groups[key]
	if group == nil {
		key = restKey
		if group = groups[key]; group == nil {
			return
		}
	}
	group.RXPackets -= c.RXPackets
	group.RXBytes -= c.RXBytes
	group.TXPackets -= c.TXPackets
	group.TXBytes -= c.TXBytes
	if c.Quality != nil {
		group.Retransmits -= uint64(c.Retransmits)
	}
	if group.ConnectionsEnded--; group.ConnectionsEnded == 0 {
		delete(groups, key)
	}
}

func endedGroup(groups map[GroupKey]*Group, key GroupKey) *Group {
	group := groups[key]
	if group == nil && len(groups) >= mostEndedGroups {
		key = restKey
		group = groups[key]
	}
	if group == nil {
		group = &Group{}
		groups[key] = group
	}
	return group
}

// Groups returns the sums up to a sample that was taken, the busiest first.
func (l *Ledger) Groups(by GroupBy, s *probes.Sample) []Group {
	sums := make(map[GroupKey]*Group, len(l.ended[by]))
	for key, group := range l.ended[by] {
		sum := *group
		sums[key] = &sum
	}
	for i := range s.Connections {
		c := &s.Connections[i]
		key := by.keyOf(c)
		sum := sums[key]
		if sum == nil {
			sum = &Group{}
			sums[key] = sum
		}
		sum.addListed(c)
	}
	groups := make([]Group, 0, len(sums))
	for key, sum := range sums {
		sum.name(by, key)
		groups = append(groups, *sum)
	}
	slices.SortFunc(groups, compareGroups)
	return groups
}

// name says what a group is of.
func (g *Group) name(by GroupBy, key GroupKey) {
	g.By, g.ID, g.Key = by, key, key.String()
	o := g.Owner
	if o == nil {
		return
	}
	switch by {
	case ByOwner:
		g.PID, g.UID, g.Unit, g.Container = o.PID, o.UID, o.Unit, o.Container
	case ByUnit:
		g.Unit = o.Unit
	case ByContainer:
		g.Container = o.Container
	default:
		g.Owner = nil // one of several
	}
}

func compareGroups(a, b Group) int {
	return cmp.Or(
		cmp.Compare(b.RXBPS+b.TXBPS, a.RXBPS+a.TXBPS),
		cmp.Compare(b.RXBytes+b.TXBytes, a.RXBytes+a.TXBytes),
		cmp.Compare(b.Connections, a.Connections),
		strings.Compare(a.Key, b.Key),
		cmp.Compare(a.ID.started, b.ID.started),
	)
}
