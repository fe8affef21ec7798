package packets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/names"
)

// Connections reads the connection tables, which all interfaces share, what the slots of
// the CPUs hold beyond them, and the events of new rows.
type Connections struct {
	ipv4   *connectionTable[bpf.PacketsConnectionKey4]
	ipv6   *connectionTable[bpf.PacketsConnectionKey6]
	slots  *kernel.PerCPUArray[bpf.PacketsConnectionSlot]
	totals *kernel.PerCPUArray[bpf.PacketsConnectionCounts]
	events *kernel.Ring[uint64]
	maps   map[string]*ebpf.Map
	times  connectionTimes
	read   readRows // of the last poll; what has room is used again
	rates  rateMeter
	joiner joiner
	lost   probes.Lost
}

// Polled is what a poll finds of connections.
type Polled struct {
	Connections []probes.Connection
	Passages    []probes.Connection // as in probes.Sample
	New         uint64              // since the last poll, as the kernel announced them
	Lost        probes.Lost
}

// connectionTimes turns ticks into wall clock time, and decides which connections are
// over.
type connectionTimes struct {
	clock  *kernel.Clock
	ticks  kernel.Jiffies
	ageing probes.Ageing
	now    time.Time // of the reading
	before uint64    // ticks at the reading before
}

func (t connectionTimes) isOver(c *probes.Connection) bool { return t.ageing.IsOver(c, t.now) }

func (t connectionTimes) wall(ticks uint64) time.Time {
	return t.clock.Wall(uint64(t.ticks.Time(ticks)))
}

// NewConnections reads the maps of p, and does not close them. Connections that are over
// by ageing are deleted from the tables.
func NewConnections(p *Program, clock *kernel.Clock, ageing probes.Ageing) (*Connections, error) {
	ticks, err := kernel.ReadJiffies()
	if err != nil {
		return nil, err
	}
	slots, errSlots := kernel.NewPerCPUArray[bpf.PacketsConnectionSlot](2 * connectionSlots)
	totals, errTotals := kernel.NewPerCPUArray[bpf.PacketsConnectionCounts](1)
	if err := errors.Join(errSlots, errTotals); err != nil {
		return nil, err
	}
	events, err := kernel.NewRing(p.shared[bpf.PacketsMapConnectionEvents], countEvent)
	if err != nil {
		return nil, fmt.Errorf("read connection events: %w", err)
	}
	return &Connections{
		ipv4:   newConnectionTable(p.shared[bpf.PacketsMapConnections4], 0, connectionOf4, tupleOf4),
		ipv6:   newConnectionTable(p.shared[bpf.PacketsMapConnections6], connectionSlots, connectionOf6, tupleOf6),
		slots:  slots,
		totals: totals,
		events: events,
		maps:   p.shared,
		times:  connectionTimes{clock: clock, ticks: ticks, ageing: ageing},
	}, nil
}

// Close stops the reading of events.
func (c *Connections) Close() error { return c.events.Close() }

// countEvent counts new rows, each of which is an event in the ring. It does not keep
// what they are, because that is in the table, and keeping it would cost most in a flood,
// when nobody can read it.
func countEvent(announced *uint64, _ []byte) error {
	*announced++
	return nil
}

// Poll returns all connections, with rates over the interval since the last poll.
func (c *Connections) Poll(standings Standings, interval time.Duration) (Polled, error) {
	announced, err := c.events.Drain()
	if err != nil {
		return Polled{}, fmt.Errorf("read connection events: %w", err)
	}
	// Read before the rows: a row made meanwhile can then only hide an
	// eviction until the next poll, never invent one.
	if err := c.totals.Read(c.maps[bpf.PacketsMapConnectionTotals]); err != nil {
		return Polled{}, fmt.Errorf("read connection totals: %w", err)
	}
	var created, refused, eventsLost uint64
	for _, count := range c.totals.Of(0) {
		created += count.Created
		refused += count.Refused
		eventsLost += count.EventsLost
	}
	staying, err := c.pollTables(standings)
	if err != nil {
		return Polled{}, err
	}
	c.lost.ConnectionEvents = eventsLost
	evicted := max(created, c.ipv4.made()+c.ipv6.made()) - c.ipv4.made() - c.ipv6.made()
	c.lost.ConnectionsEvicted = max(c.lost.ConnectionsEvicted, evicted+refused)
	c.lost.ConnectionsEnded = max(c.lost.ConnectionsEnded, c.ipv4.ended+c.ipv6.ended+staying)
	if err := errors.Join(c.ipv4.removeLeaving(), c.ipv6.removeLeaving()); err != nil {
		return Polled{}, err
	}
	c.rates.measure(c.read.rows, c.times.now, interval)
	out := Polled{New: announced, Lost: c.lost}
	c.joiner.standings = standings
	out.Connections = c.joiner.join(&c.read)
	out.Passages = c.joiner.passed
	out.New -= min(out.New, c.joiner.again)
	c.read.rows, c.joiner.passed = nil, nil
	return out, nil
}

// pollTables reads the tables between two looks at the slots: the first tells
// which rows to remember, the second what to add to them. What is in a slot then
// was in no table when that was read, so nothing is counted twice.
// It returns how many connections that are over have rows yet.
func (c *Connections) pollTables(standings Standings) (staying uint64, err error) {
	now := kernel.Monotonic()
	c.times.now = c.times.clock.Wall(uint64(now))
	if err := c.readSlots(); err != nil {
		return 0, err
	}
	c.ipv4.expect(c.slots)
	c.ipv6.expect(c.slots)
	before := c.ipv4.present + c.ipv6.present
	c.read.rows = make([]probes.Connection, 0, before+before/8) // as a rule, that will do
	c.read.passages, c.read.shared = c.read.passages[:0], 0
	if err := c.ipv4.read(&c.read, standings, c.times); err != nil {
		return 0, fmt.Errorf("read IPv4 connections: %w", err)
	}
	if err := c.ipv6.read(&c.read, standings, c.times); err != nil {
		return 0, fmt.Errorf("read IPv6 connections: %w", err)
	}
	if err := c.readSlots(); err != nil {
		return 0, err
	}
	c.ipv4.add(c.read.rows, c.slots, c.times)
	c.ipv6.add(c.read.rows, c.slots, c.times)
	c.times.before = c.times.ticks.Ticks(time.Duration(now))
	return c.ipv4.leaveOver(&c.read, c.times) + c.ipv6.leaveOver(&c.read, c.times), nil
}

func (c *Connections) readSlots() error {
	if err := c.slots.Read(c.maps[bpf.PacketsMapConnectionSlots]); err != nil {
		return fmt.Errorf("read connection slots: %w", err)
	}
	return nil
}

func connectionOf4(key *bpf.PacketsConnectionKey4, standings Standings) (probes.Connection, uint32, bool) {
	return connectionOf(
		address4(key.Local), address4(key.Remote),
		key.LocalPort, key.RemotePort, key.InterfaceProtocol, standings)
}

func connectionOf6(key *bpf.PacketsConnectionKey6, standings Standings) (probes.Connection, uint32, bool) {
	return connectionOf(
		address6(key.Local), address6(key.Remote),
		key.LocalPort, key.RemotePort, key.InterfaceProtocol, standings)
}

func connectionOf(local, remote netip.Addr, localPort, remotePort uint16, interfaceProtocol uint32, standings Standings) (probes.Connection, uint32, bool) {
	iface := interfaceProtocol >> 8
	standing, ok := standings(iface)
	return probes.Connection{
		Interface: standing.Name,
		Protocol:  names.IPProtocol(uint8(interfaceProtocol)),
		Local:     probes.Endpoint(netip.AddrPortFrom(local, fromNetwork(localPort))),
		Remote:    probes.Endpoint(netip.AddrPortFrom(remote, fromNetwork(remotePort))),
	}, iface, ok
}

func tupleOf4(key bpf.PacketsConnectionKey4) (bpf.PacketsConnectionKey4, bool) {
	isFlipped := key.Local > key.Remote || key.Local == key.Remote && key.LocalPort > key.RemotePort
	if isFlipped {
		key.Local, key.Remote = key.Remote, key.Local
		key.LocalPort, key.RemotePort = key.RemotePort, key.LocalPort
	}
	key.InterfaceProtocol &= 0xff
	return key, isFlipped
}

func tupleOf6(key bpf.PacketsConnectionKey6) (bpf.PacketsConnectionKey6, bool) {
	order := slices.Compare(key.Local[:], key.Remote[:])
	isFlipped := order > 0 || order == 0 && key.LocalPort > key.RemotePort
	if isFlipped {
		key.Local, key.Remote = key.Remote, key.Local
		key.LocalPort, key.RemotePort = key.RemotePort, key.LocalPort
	}
	key.InterfaceProtocol &= 0xff
	return key, isFlipped
}

// Addresses and ports are in network order in memory, whatever the machine's.

func address4(word uint32) netip.Addr {
	var bytes [4]byte
	binary.NativeEndian.PutUint32(bytes[:], word)
	return netip.AddrFrom4(bytes)
}

func address6(words [4]uint32) netip.Addr {
	var bytes [16]byte
	for i, word := range words {
		binary.NativeEndian.PutUint32(bytes[4*i:], word)
	}
	return netip.AddrFrom16(bytes)
}

func fromNetwork(port uint16) uint16 {
	var bytes [2]byte
	binary.NativeEndian.PutUint16(bytes[:], port)
	return binary.BigEndian.Uint16(bytes[:])
}
