package packets

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// connectionSlots is how many slots a CPU has for each table: CONNECTION_SLOTS in
// headers/connections.h, which explains them.
const connectionSlots = 32

// connectionTable is a table of connections by their key in the kernel.
type connectionTable[K comparable] struct {
	m         *ebpf.Map
	firstSlot int // of its slots, among those of both tables
	rowOf     func(*K, Standings) (row probes.Connection, iface uint32, ok bool)

	tupleOf tupleOf[K]

	keys   []K
	values []bpf.PacketsConnection

	present uint64 // rows at the last reading, those of gone interfaces too
	removed uint64 // rows deleted by us
	leaving []K    // rows to delete: of interfaces that are gone, or over
	ended   uint64 // connections that were over

	from    int         // the first of our rows
	rowKeys []K         // of these
	last    map[K]int32 // the last of the rows of a connection, by its tuple

	// Connections that are in slots, and those that were at the last reading.
	slotted, slottedBefore map[K]slotted
}

// tupleOf returns the tuple of a key, which is the same whichever end is local, and
// whether the ends were swapped to get it.
type tupleOf[K comparable] func(K) (tuple K, isFlipped bool)

// readRows are the rows of both tables as they were read.
type readRows struct {
	rows     []probes.Connection
	passages []passage // of each
	shared   int       // rows of connections that have several
	aged     probes.Connection
}

// slotted is a connection in a slot.
type slotted struct {
	row   int // index among the rows read; -1: none
	total bpf.PacketsConnection
}

func newConnectionTable[K comparable](m *ebpf.Map, firstSlot int, rowOf func(*K, Standings) (probes.Connection, uint32, bool), tupleOf tupleOf[K]) *connectionTable[K] {
	const batch = 4096 // larger than any hash bucket, small enough to reuse
	return &connectionTable[K]{
		m: m, firstSlot: firstSlot, rowOf: rowOf, tupleOf: tupleOf,
		keys: make([]K, batch), values: make([]bpf.PacketsConnection, batch),
		slotted: make(map[K]slotted), slottedBefore: make(map[K]slotted), last: make(map[K]int32),
	}
}

// made is how many of the rows that the kernel made are accounted for.
func (t *connectionTable[K]) made() uint64 { return t.present + t.removed }

// expect remembers which connections are in slots. Slots that are changing hands are
// among them, because what the leaving connection counted may not be in its row yet.
func (t *connectionTable[K]) expect(slots *kernel.PerCPUArray[bpf.PacketsConnectionSlot]) {
	t.slotted, t.slottedBefore = t.slottedBefore, t.slotted
	clear(t.slotted)
	t.eachSlot(slots, func(key K, slot *bpf.PacketsConnectionSlot) { t.slotted[key] = slotted{row: -1} })
}

// read appends all rows. It reads batches (Linux 5.6 for hash tables), because walking
// key by key shows rows twice if rows are evicted meanwhile.
func (t *connectionTable[K]) read(to *readRows, standings Standings, times connectionTimes) error {
	t.present = 0
	t.from, t.rowKeys = len(to.rows), t.rowKeys[:0]
	clear(t.last)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := t.m.BatchLookup(&cursor, t.keys, t.values, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		t.present += uint64(n)
		for i := range n {
			t.take(to, &t.keys[i], &t.values[i], standings, times)
		}
		if err != nil {
			return nil
		}
	}
}

// take appends a row, and chains it to those of the same connection.
func (t *connectionTable[K]) take(to *readRows, key *K, value *bpf.PacketsConnection, standings Standings, times connectionTimes) {
	row, iface, ok := t.rowOf(key, standings)
	if !ok {
		t.leaving = append(t.leaving, *key)
		return
	}
	at := int32(len(to.rows))
	_, isSlotted := t.slotted[*key]
	if isSlotted {
		t.slotted[*key] = slotted{row: int(at), total: *value}
	}
	tuple, isFlipped := t.tupleOf(*key)
	before, hasBefore := t.last[tuple]
	if hasBefore {
		to.passages[before].next = at
		to.shared++
		if to.passages[before].isFirst {
			to.shared++
		}
	}
	t.last[tuple] = at
	t.rowKeys = append(t.rowKeys, *key)
	to.rows = append(to.rows, counting(row, value, times))
	to.passages = append(to.passages, passage{
		iface: iface, isFirst: !hasBefore, isFlipped: isFlipped,
		isNew: value.FirstSeen > times.before, isSlotted: isSlotted,
	})
}

// add adds to rows what is in slots.
func (t *connectionTable[K]) add(rows []probes.Connection, slots *kernel.PerCPUArray[bpf.PacketsConnectionSlot], times connectionTimes) {
	t.eachSlot(slots, func(key K, slot *bpf.PacketsConnectionSlot) {
		if s, ok := t.slotted[key]; ok && slot.Entered == slot.Left {
			addTraffic(&s.total, &slot.More)
			t.slotted[key] = s
		}
	})
	for key, s := range t.slotted {
		if s.row < 0 {
			continue
		}
		// A slot may have been flushed to the row after the row was read. The
		// next reading has what it held; until then, the counts must not go back.
		if before := t.slottedBefore[key].total; before.FirstSeen == s.total.FirstSeen {
			noLess(&s.total, &before)
			t.slotted[key] = s
		}
		rows[s.row] = counting(rows[s.row], &s.total, times)
	}
}

// leaveOver removes connections that are over from the list, on all interfaces at once,
// and marks their rows for deletion. It returns how many have a row that must stay,
// because a slot counts for it.
func (t *connectionTable[K]) leaveOver(of *readRows, times connectionTimes) (staying uint64) {
	for i := range t.rowKeys {
		first := int32(t.from + i)
		if !of.passages[first].isFirst || !times.isOver(of.age(first)) {
			continue
		}
		of.passages[first].isFirst = false
		stays := false
		for at := range of.each(first) {
			if of.passages[at].isSlotted {
				stays = true
			} else {
				t.leaving = append(t.leaving, t.rowKeys[int(at)-t.from])
			}
		}
		if stays {
			staying++
		} else {
			t.ended++
		}
	}
	return staying
}

func addTraffic(to, more *bpf.PacketsConnection) {
	to.RxPackets += more.RxPackets
	to.RxBytes += more.RxBytes
	to.TxPackets += more.TxPackets
	to.TxBytes += more.TxBytes
	to.RxFlags |= more.RxFlags
	to.TxFlags |= more.TxFlags
	to.LastSeen = max(to.LastSeen, more.LastSeen)
}

func noLess(than, before *bpf.PacketsConnection) {
	than.RxPackets = max(than.RxPackets, before.RxPackets)
	than.RxBytes = max(than.RxBytes, before.RxBytes)
	than.TxPackets = max(than.TxPackets, before.TxPackets)
	than.TxBytes = max(than.TxBytes, before.TxBytes)
	than.RxFlags |= before.RxFlags
	than.TxFlags |= before.TxFlags
	than.LastSeen = max(than.LastSeen, before.LastSeen)
}

// eachSlot calls each for the slots of the table that have a connection. The key of a
// slot that is changing hands, where Entered and Left differ, may be no key at all.
func (t *connectionTable[K]) eachSlot(slots *kernel.PerCPUArray[bpf.PacketsConnectionSlot], each func(K, *bpf.PacketsConnectionSlot)) {
	for number := range connectionSlots {
		ofCPUs := slots.Of(t.firstSlot + number)
		for cpu := range ofCPUs {
			if slot := &ofCPUs[cpu]; slot.Entered != 0 {
				each(*(*K)(unsafe.Pointer(&slot.Key)), slot)
			}
		}
	}
}

// removeLeaving deletes the rows that are to leave.
func (t *connectionTable[K]) removeLeaving() error {
	keys := t.leaving
	t.leaving = t.leaving[:0]
	for len(keys) > 0 {
		n, err := t.m.BatchDelete(keys, nil)
		t.removed += uint64(n)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			n++ // that one was evicted meanwhile
		} else if err != nil {
			return fmt.Errorf("remove connections: %w", err)
		}
		keys = keys[n:]
	}
	return nil
}

// counting returns the row with what was counted of it.
func counting(c probes.Connection, total *bpf.PacketsConnection, times connectionTimes) probes.Connection {
	c.RXPackets, c.RXBytes = total.RxPackets, total.RxBytes
	c.TXPackets, c.TXBytes = total.TxPackets, total.TxBytes
	c.RXFlags, c.TXFlags = probes.TCPFlags(total.RxFlags), probes.TCPFlags(total.TxFlags)
	c.FirstSeen = times.wall(total.FirstSeen)
	c.LastSeen = times.wall(total.LastSeen)
	return c
}
