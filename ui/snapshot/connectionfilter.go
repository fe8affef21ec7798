package snapshot

import (
	"errors"
	"net/netip"
	"strconv"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// connectionKind has no orders: see ranking.
var connectionKind = kind[*probes.Connection]{rows: "connections", text: connectionText, names: conditions[*probes.Connection]{
	"port": {of: func(value string) (func(*probes.Connection) bool, error) {
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil || port == 0 {
			return nil, errors.New("use a number from 1 to 65535")
		}
		return func(c *probes.Connection) bool {
			return netip.AddrPort(c.Local).Port() == uint16(port) || netip.AddrPort(c.Remote).Port() == uint16(port)
		}, nil
	}},
	"host": within(func(c *probes.Connection) []netip.Addr {
		return []netip.Addr{netip.AddrPort(c.Local).Addr(), netip.AddrPort(c.Remote).Addr()}
	}),
	"proto": named(func(c *probes.Connection) []string { return []string{c.Protocol} }),
	"state": named(func(c *probes.Connection) []string { return []string{c.State.String()} }),
	"iface": named(func(c *probes.Connection) []string { return append([]string{c.Interface}, c.Path...) }),
	"proc":  holding(func(c *probes.Connection) []string { return ofOwner(c, func(o *probes.Owner) string { return o.Comm }) }),
	"user": named(func(c *probes.Connection) []string {
		return append(ofOwner(c, func(o *probes.Owner) string { return o.User }), ofOwner(c, uidOf)...)
	}),
	"pid":  named(func(c *probes.Connection) []string { return ofOwner(c, pidOf) }),
	"unit": holding(func(c *probes.Connection) []string { return ofOwner(c, func(o *probes.Owner) string { return o.Unit }) }),
	"container": holding(func(c *probes.Connection) []string {
		return append(ofOwner(c, func(o *probes.Owner) string { return o.Container }), ofOwner(c, func(o *probes.Owner) string { return o.Hostname })...)
	}),
	"rate": over(func(c *probes.Connection) float64 { return c.RXBPS + c.TXBPS }),
	"rtt": longer(func(c *probes.Connection) time.Duration {
		if c.Quality == nil {
			return 0
		}
		return c.Quality.RoundTrip()
	}),
	"retrans": over(func(c *probes.Connection) float64 {
		if c.Quality == nil {
			return 0
		}
		return float64(c.Retransmits)
	}),
}}

// ofOwner is what the owner of a connection is called, nothing if it has none.
func ofOwner(c *probes.Connection, of func(*probes.Owner) string) []string {
	if c.Owner == nil {
		return nil
	}
	return []string{of(c.Owner)}
}

func uidOf(o *probes.Owner) string { return strconv.FormatUint(uint64(o.UID), 10) }

func pidOf(o *probes.Owner) string { return strconv.FormatUint(uint64(o.PID), 10) }

// CheckConnections returns why a filter of connections cannot be understood.
func CheckConnections(said string) error {
	_, err := connectionKind.newFilter(said)
	return err
}

// connectionText is what words of a filter of connections look through: interfaces, protocol,
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
func matchingConnections(conns []probes.Connection, said string) []int32 {
	f, _ := connectionKind.newFilter(said) // CheckConnections says what is wrong with it
	rows := make([]int32, 0, len(conns))
	for i := range conns {
		if f.isEmpty() || f.passes(&conns[i]) {
			rows = append(rows, int32(i))
		}
	}
	return rows
}
