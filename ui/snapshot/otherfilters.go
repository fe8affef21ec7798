package snapshot

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
)

// The kinds of rows that come in an order of their own.
var (
	protocolKind = kind[Protocol]{
		rows: "protocols",
		text: func(to []byte, row Protocol) []byte { return appendLower(to, row.Name) },
		names: conditions[Protocol]{
			"proto": named(func(row Protocol) []string { return []string{row.Name} }),
			"rate":  over(func(row Protocol) float64 { return row.BPS() }),
		},
	}
	execKind = kind[Exec]{
		rows: "programs",
		text: func(to []byte, e Exec) []byte {
			for _, text := range []string{e.Comm, e.Filename, e.Unit, e.Container, e.Hostname} {
				to = appendLower(to, text)
			}
			for _, arg := range e.Args {
				to = appendLower(to, arg)
			}
			return strconv.AppendUint(append(to, ' '), uint64(e.PID), 10)
		},
		names: conditions[Exec]{
			"proc":      holding(func(e Exec) []string { return []string{e.Comm} }),
			"file":      holding(func(e Exec) []string { return []string{e.Filename} }),
			"pid":       named(func(e Exec) []string { return []string{decimal(e.PID)} }),
			"ppid":      named(func(e Exec) []string { return []string{decimal(e.PPID)} }),
			"user":      named(func(e Exec) []string { return []string{decimal(e.UID)} }),
			"unit":      holding(func(e Exec) []string { return []string{e.Unit} }),
			"container": holding(func(e Exec) []string { return []string{e.Container, e.Hostname} }),
		},
	}
	dropKind = kind[probes.Drop]{
		rows: "drops",
		text: func(to []byte, d probes.Drop) []byte {
			for _, text := range []string{d.Reason, d.Interface, d.Protocol, d.Function, d.Program} {
				to = appendLower(to, text)
			}
			for _, name := range droppedOf(&d) {
				to = appendLower(to, name)
			}
			return to
		},
		names: conditions[probes.Drop]{
			"reason": holding(func(d probes.Drop) []string { return []string{d.Reason} }),
			"iface":  named(func(d probes.Drop) []string { return []string{d.Interface} }),
			"proto":  named(func(d probes.Drop) []string { return []string{d.Protocol} }),
			"proc":   holding(func(d probes.Drop) []string { return droppedOf(&d) }),
			"host": within(func(d probes.Drop) (addresses []netip.Addr) {
				for _, packet := range d.Latest {
					if packet.Local != nil && packet.Remote != nil {
						addresses = append(addresses, netip.AddrPort(*packet.Local).Addr(), netip.AddrPort(*packet.Remote).Addr())
					}
				}
				return addresses
			}),
		},
	}
	groupKind = kind[Group]{
		rows: "sums",
		text: func(to []byte, g Group) []byte {
			for _, text := range []string{g.Key, g.Unit, g.Container} {
				to = appendLower(to, text)
			}
			return to
		},
		names: conditions[Group]{
			"pid":       named(func(g Group) []string { return []string{decimal(g.PID)} }),
			"unit":      holding(func(g Group) []string { return []string{g.Unit} }),
			"container": holding(func(g Group) []string { return []string{g.Container} }),
			"rate":      over(func(g Group) float64 { return g.RXBPS + g.TXBPS }),
		},
	}
	pairKind = kind[probes.CrossConnect]{
		rows: "pairs",
		text: func(to []byte, c probes.CrossConnect) []byte {
			for _, text := range []string{c.A, c.B, string(c.State), string(c.Origin), c.Reason} {
				to = appendLower(to, text)
			}
			return to
		},
		names: conditions[probes.CrossConnect]{
			"iface": named(func(c probes.CrossConnect) []string { return []string{c.A, c.B} }),
			"state": named(func(c probes.CrossConnect) []string { return []string{string(c.State)} }),
			"rate":  over(func(c probes.CrossConnect) float64 { return c.AToB.BPS + c.BToA.BPS }),
			"drops": over(func(c probes.CrossConnect) float64 { return float64(c.AToB.Dropped + c.BToA.Dropped) }),
		},
	}
)

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// droppedOf are the owners of the latest packets of a row.
func droppedOf(d *probes.Drop) (names []string) {
	for _, packet := range d.Latest {
		if packet.Owner != nil {
			names = append(names, packet.Owner.Comm)
		}
	}
	return names
}

// namesElsewhere are the names of all kinds: whoever uses one where it is none is told so.
var namesElsewhere = func() map[string]bool {
	all := make(map[string]bool)
	for _, names := range [][]string{
		connectionKind.knownNames(), interfaceKind.knownNames(), protocolKind.knownNames(),
		execKind.knownNames(), dropKind.knownNames(), groupKind.knownNames(), pairKind.knownNames(),
	} {
		for _, name := range names {
			all[name] = true
		}
	}
	return all
}()

// Filter is how rows of a kind are filtered, for those who type one.
type Filter[R any] struct {
	// Check returns why a filter cannot be understood.
	Check func(said string) error
	// Complete returns what the last word of a filter can go on with: names, or values that
	// rows have.
	Complete func(said string, rows []R) []string
}

// The filters of the rows that panes have.
var (
	ConnectionFilter = Filter[probes.Connection]{CheckConnections, func(said string, rows []probes.Connection) []string {
		of := make([]*probes.Connection, len(rows))
		for i := range rows {
			of[i] = &rows[i]
		}
		return connectionKind.complete(said, of)
	}}
	InterfaceFilter = interfaceKind.filter()
	ProtocolFilter  = protocolKind.filter()
	ExecFilter      = execKind.filter()
	DropFilter      = dropKind.filter()
	GroupFilter     = groupKind.filter()
	PairFilter      = pairKind.filter()
)

func (k *kind[R]) filter() Filter[R] {
	return Filter[R]{
		Check: func(said string) error {
			_, err := k.newFilter(said)
			return err
		},
		Complete: k.complete,
	}
}

// filtered are the rows that a filter lets through, in an array of their own if those are not
// all.
func (k *kind[R]) filtered(rows []R, said string) []R {
	if strings.TrimSpace(said) == "" {
		return rows
	}
	return k.matching(slices.Clone(rows), said)
}

// mostOffered is how many ways to go on are offered.
const mostOffered = 20

// complete returns the words that the last one of a filter can become: names, or what rows
// have of a name.
func (k *kind[R]) complete(said string, rows []R) []string {
	last := said[strings.LastIndexByte(said, ' ')+1:]
	last, not := strings.CutPrefix(last, "!")
	before := ""
	if not {
		before = "!"
	}
	found := make(map[string]bool)
	name, begun, isNamed := strings.Cut(last, ":")
	switch condition := k.names[strings.ToLower(name)]; {
	case isNamed && condition.values != nil:
		for _, row := range rows {
			for _, value := range condition.values(row) {
				if len(found) <= mostOffered && value != "" && !strings.ContainsAny(value, " \t\n*?[\\") &&
					strings.HasPrefix(strings.ToLower(value), strings.ToLower(begun)) {
					found[before+name+":"+value] = true
				}
			}
		}
	case !isNamed:
		for name, condition := range k.names {
			if !strings.HasPrefix(name, strings.ToLower(last)) {
				continue
			}
			if condition.isOver {
				found[before+name+">"] = true
			} else {
				found[before+name+":"] = true
			}
		}
	}
	out := slices.Sorted(maps.Keys(found))
	return out[:min(len(out), mostOffered)]
}
