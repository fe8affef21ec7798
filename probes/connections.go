package probes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

// connectionEventsMax bounds the new connections told of in one interval.
const connectionEventsMax = 65536

// connections reads the connection tables, shared by all interfaces, and the
// events of new rows.
type connections struct {
	ipv4, ipv6 *ebpf.Map
	totals     *ebpf.Map
	counts     *perCPUArray[bpf.PacketsConnectionCounts]
	events     *ring[bpf.PacketsConnectionEvent]
	clock      *clock

	keys4  []bpf.PacketsConnectionKey4
	keys6  []bpf.PacketsConnectionKey6
	values []bpf.PacketsConnection

	orphans4 []bpf.PacketsConnectionKey4 // rows of interfaces that are gone
	orphans6 []bpf.PacketsConnectionKey6
	removed  uint64 // rows deleted by us
	lost     Lost
}

// newConnections reads from the maps of p, which stay p's.
func newConnections(p *packets, clock *clock) (*connections, error) {
	const batch = 4096 // larger than any hash bucket, small enough to reuse
	counts, err := newPerCPUArray[bpf.PacketsConnectionCounts](1)
	if err != nil {
		return nil, err
	}
	events, err := newRing(p.shared[bpf.PacketsMapConnectionEvents], connectionEventsMax, decodeConnectionEvent)
	if err != nil {
		return nil, fmt.Errorf("read connection events: %w", err)
	}
	return &connections{
		ipv4:   p.shared[bpf.PacketsMapConnections4],
		ipv6:   p.shared[bpf.PacketsMapConnections6],
		totals: p.shared[bpf.PacketsMapConnectionTotals],
		counts: counts,
		events: events,
		clock:  clock,
		keys4:  make([]bpf.PacketsConnectionKey4, batch),
		keys6:  make([]bpf.PacketsConnectionKey6, batch),
		values: make([]bpf.PacketsConnection, batch),
	}, nil
}

// Close stops the reading of events.
func (c *connections) Close() error { return c.events.Close() }

// interfaceNames gives the name of an interface id; false if it is gone.
type interfaceNames func(id uint32) (string, bool)

// poll returns all connections and, oldest first, those that are new.
func (c *connections) poll(names interfaceNames) (rows, fresh []Connection, lost Lost, err error) {
	events, overflow, err := c.events.drain()
	if err != nil {
		return nil, nil, c.lost, fmt.Errorf("read connection events: %w", err)
	}
	for i := range events {
		if row, ok := c.announced(&events[i], names); ok {
			fresh = append(fresh, row)
		}
	}
	// Read before the rows: a row made meanwhile can then only hide an
	// eviction until the next poll, never invent one.
	if err := c.counts.read(c.totals); err != nil {
		return nil, nil, c.lost, fmt.Errorf("read connection totals: %w", err)
	}
	var created, refused, eventsLost uint64
	for _, count := range c.counts.of(0) {
		created += count.Created
		refused += count.Refused
		eventsLost += count.EventsLost
	}
	rows, present, err := c.pollTables(names)
	if err != nil {
		return nil, nil, c.lost, err
	}
	c.lost.ConnectionEvents = eventsLost + overflow
	if gone := present + c.removed; created > gone {
		c.lost.ConnectionsEvicted = max(c.lost.ConnectionsEvicted, created-gone+refused)
	}
	return rows, fresh, c.lost, c.removeOrphans()
}

// pollTables reads both tables; present counts rows of gone interfaces too.
func (c *connections) pollTables(names interfaceNames) (rows []Connection, present uint64, err error) {
	row4 := func(key *bpf.PacketsConnectionKey4, value *bpf.PacketsConnection) {
		present++
		if row, ok := connectionOf4(key, names); ok {
			rows = append(rows, c.measured(row, value))
		} else {
			c.orphans4 = append(c.orphans4, *key)
		}
	}
	row6 := func(key *bpf.PacketsConnectionKey6, value *bpf.PacketsConnection) {
		present++
		if row, ok := connectionOf6(key, names); ok {
			rows = append(rows, c.measured(row, value))
		} else {
			c.orphans6 = append(c.orphans6, *key)
		}
	}
	if err := readTable(c.ipv4, c.keys4, c.values, row4); err != nil {
		return nil, 0, fmt.Errorf("read IPv4 connections: %w", err)
	}
	if err := readTable(c.ipv6, c.keys6, c.values, row6); err != nil {
		return nil, 0, fmt.Errorf("read IPv6 connections: %w", err)
	}
	return rows, present, nil
}

// readTable calls each for every row of m. Batches never show a row twice, as
// walking key by key does when rows are evicted meanwhile; hash tables have
// them from Linux 5.6.
func readTable[K any](m *ebpf.Map, keys []K, values []bpf.PacketsConnection, each func(*K, *bpf.PacketsConnection)) error {
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		for i := range n {
			each(&keys[i], &values[i])
		}
		if err != nil {
			return nil
		}
	}
}

// removeOrphans deletes the rows of interfaces that are gone.
func (c *connections) removeOrphans() error {
	var errs []error
	for i := range c.orphans4 {
		errs = append(errs, c.remove(c.ipv4, &c.orphans4[i]))
	}
	for i := range c.orphans6 {
		errs = append(errs, c.remove(c.ipv6, &c.orphans6[i]))
	}
	c.orphans4, c.orphans6 = c.orphans4[:0], c.orphans6[:0]
	return errors.Join(errs...)
}

func (c *connections) remove(m *ebpf.Map, key any) error {
	err := m.Delete(key)
	if err == nil {
		c.removed++
	} else if errors.Is(err, ebpf.ErrKeyNotExist) {
		err = nil // evicted meanwhile
	}
	if err != nil {
		return fmt.Errorf("remove a connection: %w", err)
	}
	return nil
}

// decodeConnectionEvent copies a record out of the ring.
func decodeConnectionEvent(record []byte) (event bpf.PacketsConnectionEvent, err error) {
	if len(record) < int(unsafe.Sizeof(event)) {
		return event, fmt.Errorf("connection event of %d bytes", len(record))
	}
	// The layout is the kernel's own (bpf2go), and so is the byte order.
	return *(*bpf.PacketsConnectionEvent)(unsafe.Pointer(unsafe.SliceData(record))), nil
}

// announced is the row that an event tells of, nothing counted yet.
func (c *connections) announced(event *bpf.PacketsConnectionEvent, names interfaceNames) (Connection, bool) {
	var row Connection
	var ok bool
	if event.IsIpv6 != 0 {
		row, ok = connectionOf6(&event.Key, names)
	} else {
		row, ok = connectionOf4((*bpf.PacketsConnectionKey4)(unsafe.Pointer(&event.Key)), names)
	}
	row.FirstSeen = c.clock.wall(event.Time)
	row.LastSeen = row.FirstSeen
	return row, ok
}

// measured adds what was counted to a row.
func (c *connections) measured(row Connection, value *bpf.PacketsConnection) Connection {
	row.RXPackets, row.RXBytes = value.RxPackets, value.RxBytes
	row.TXPackets, row.TXBytes = value.TxPackets, value.TxBytes
	row.RXFlags, row.TXFlags = TCPFlags(value.RxFlags), TCPFlags(value.TxFlags)
	row.FirstSeen = c.clock.wall(value.FirstSeen)
	row.LastSeen = c.clock.wall(value.LastSeen)
	return row
}

func connectionOf4(key *bpf.PacketsConnectionKey4, names interfaceNames) (Connection, bool) {
	return connectionOf(
		address4(key.Local), address4(key.Remote),
		key.LocalPort, key.RemotePort, key.InterfaceProtocol, names)
}

func connectionOf6(key *bpf.PacketsConnectionKey6, names interfaceNames) (Connection, bool) {
	return connectionOf(
		address6(key.Local), address6(key.Remote),
		key.LocalPort, key.RemotePort, key.InterfaceProtocol, names)
}

func connectionOf(local, remote netip.Addr, localPort, remotePort uint16, interfaceProtocol uint32, names interfaceNames) (Connection, bool) {
	name, ok := names(interfaceProtocol >> 8)
	return Connection{
		Interface: name,
		Protocol:  ipProtocolName(uint8(interfaceProtocol)),
		Local:     Endpoint(netip.AddrPortFrom(local, fromNetwork(localPort))),
		Remote:    Endpoint(netip.AddrPortFrom(remote, fromNetwork(remotePort))),
	}, ok
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
