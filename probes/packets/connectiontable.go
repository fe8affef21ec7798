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

// connectionSlots is how many a CPU has for each table: CONNECTION_SLOTS in
// headers/connections.h, where what slots are is told.
const connectionSlots = 32

// connectionTable is a table of connections by their key in the kernel.
type connectionTable[K comparable] struct {
	m         *ebpf.Map
	firstSlot int // of its slots, among those of both tables
	rowOf     func(*K, interfaceNames) (probes.Connection, bool)

	keys   []K
	values []bpf.PacketsConnection

	present uint64 // rows at the last reading, those of gone interfaces too
	removed uint64 // rows deleted by us
	leaving []K    // rows to delete: of interfaces that are gone, or over
	ended   uint64 // rows that were over
	hidden  []int  // rows of those read that are over, but in slots

	// Connections that are in slots, and those that were at the last reading.
	slotted, slottedBefore map[K]slotted
}

// slotted is a connection in a slot.
type slotted struct {
	row   int // of those read; -1: none
	total bpf.PacketsConnection
}

func newConnectionTable[K comparable](m *ebpf.Map, firstSlot int, rowOf func(*K, interfaceNames) (probes.Connection, bool)) *connectionTable[K] {
	const batch = 4096 // larger than any hash bucket, small enough to reuse
	return &connectionTable[K]{
		m: m, firstSlot: firstSlot, rowOf: rowOf,
		keys: make([]K, batch), values: make([]bpf.PacketsConnection, batch),
		slotted: make(map[K]slotted), slottedBefore: make(map[K]slotted),
	}
}

// made is how many of the rows that the kernel made are accounted for.
func (t *connectionTable[K]) made() uint64 { return t.present + t.removed }

// expect remembers which connections are in slots, those of which one is just given to
// another connection among them: whoever leaves may not be in its row yet.
func (t *connectionTable[K]) expect(slots *kernel.PerCPUArray[bpf.PacketsConnectionSlot]) {
	t.slotted, t.slottedBefore = t.slottedBefore, t.slotted
	clear(t.slotted)
	t.eachSlot(slots, func(key K, slot *bpf.PacketsConnectionSlot) { t.slotted[key] = slotted{row: -1} })
}

// read appends all rows but those that are over. Batches never show a row twice, as walking key by key
// does when rows are evicted meanwhile; hash tables have them from Linux 5.6.
func (t *connectionTable[K]) read(rows []probes.Connection, names interfaceNames, times connectionTimes) ([]probes.Connection, error) {
	t.present = 0
	var cursor ebpf.MapBatchCursor
	for {
		n, err := t.m.BatchLookup(&cursor, t.keys, t.values, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil, err
		}
		t.present += uint64(n)
		for i := range n {
			key := &t.keys[i]
			row, ok := t.rowOf(key, names)
			if !ok {
				t.leaving = append(t.leaving, *key)
				continue
			}
			row = counting(row, &t.values[i], times)
			if _, ok := t.slotted[*key]; ok {
				t.slotted[*key] = slotted{row: len(rows), total: t.values[i]}
			} else if times.isOver(&row) {
				t.leaving = append(t.leaving, *key)
				t.ended++
				continue
			}
			rows = append(rows, row)
		}
		if err != nil {
			return rows, nil
		}
	}
}

// add adds to rows what is in slots. Those that are over it only hides: a row must stay
// while a slot counts for it.
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
		// A slot may have been emptied into the row after that was read. Then
		// the row tells of it the next time, and must not fall back until.
		if before := t.slottedBefore[key].total; before.FirstSeen == s.total.FirstSeen {
			noLess(&s.total, &before)
			t.slotted[key] = s
		}
		rows[s.row] = counting(rows[s.row], &s.total, times)
		if times.isOver(&rows[s.row]) {
			t.hidden = append(t.hidden, s.row)
		}
	}
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

// eachSlot calls each for the slots of the table that have a connection. The key of one
// that is just given to another connection, where Entered and Left differ, may be none.
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
