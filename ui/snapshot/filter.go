package snapshot

import (
	"strconv"

	"github.com/ebpftop/ebpftop/probes"
)

// connectionText is what a filter of connections looks through: interfaces, protocol,
// addresses, owner and state.
func connectionText(to []byte, c *probes.Connection) []byte {
	to = appendLower(to, c.Interface)
	for _, name := range c.Path[min(1, len(c.Path)):] {
		to = appendLower(to, name)
	}
	to = appendLower(to, c.Protocol)
	to = c.Local.AppendTo(append(to, ' '))
	to = c.Remote.AppendTo(append(to, ' '))
	if o := c.Owner; o != nil {
		for _, name := range []string{o.Comm, o.User, o.Unit, o.Container, o.Hostname} {
			to = appendLower(to, name)
		}
		to = strconv.AppendUint(append(to, ' '), uint64(o.PID), 10)
	}
	return append(append(to, ' '), c.State.String()...)
}

// matchingConnections returns the indices of the connections that a filter lets through.
func matchingConnections(conns []probes.Connection, filter string) []int32 {
	m := newMatcher(filter)
	rows := make([]int32, 0, len(conns))
	for i := range conns {
		if m.match(func(to []byte) []byte { return connectionText(to, &conns[i]) }) {
			rows = append(rows, int32(i))
		}
	}
	return rows
}
