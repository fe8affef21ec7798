package packets

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
)

// slotProtocols are the IP protocols that have counters in memory, by slot: those
// that most traffic is made of, tunnels included. The others are rows of a table.
var slotProtocols = [protocolSlots]uint8{
	unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6,
	unix.IPPROTO_ESP, unix.IPPROTO_GRE, unix.IPPROTO_IPIP, unix.IPPROTO_IPV6,
}

const protocolSlots = 8 // PROTOCOL_SLOTS in headers/counters.h

// protocolSlotsByNumber is protocol_slots in headers/counters.h.
func protocolSlotsByNumber() (slots [256]uint8) {
	for number := range slots {
		slots[number] = protocolSlots
	}
	for slot, number := range slotProtocols {
		slots[number] = uint8(slot)
	}
	return slots
}

// presentCPUs returns how many CPUs have counters of their own: those plugged in, by
// their highest number. A hypervisor can leave room for many more. A CPU that is plugged
// in later counts in a table.
func presentCPUs() (int, error) {
	possible, err := ebpf.PossibleCPU()
	if err != nil {
		return 0, fmt.Errorf("count CPUs: %w", err)
	}
	list, err := os.ReadFile("/sys/devices/system/cpu/present")
	if err != nil {
		return possible, nil
	}
	last := strings.TrimSpace(string(list))
	last = last[strings.LastIndexAny(last, ",-")+1:]
	highest, err := strconv.Atoi(last)
	if err != nil {
		return possible, nil
	}
	return min(highest+1, possible), nil
}

// blocks returns how many interfaces have counters in memory: those there are, and
// some that may come. More than these count in the table of others.
func blocks(interfaces int) int {
	return min(interfaces+max(32, interfaces/4), noBlock)
}

// counters are map protocols: what each CPU counts on each interface, in memory that
// the packet program writes to. An interface has a block of them.
type counters struct {
	memory []byte
	counts []bpf.PacketsProtocolCounts
	cpus   int
	free   []uint16 // blocks
	others *others
}

// newCounters maps protocols, a map of blocks times cpus entries, to memory.
func newCounters(protocols, rows *ebpf.Map, cpus int) (*counters, error) {
	entries := int(protocols.MaxEntries())
	memory, err := unix.Mmap(protocols.FD(), 0, entries*int(protocols.ValueSize()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the protocol counters to memory: %w", err)
	}
	c := &counters{
		memory: memory,
		counts: unsafe.Slice((*bpf.PacketsProtocolCounts)(unsafe.Pointer(unsafe.SliceData(memory))), entries),
		cpus:   cpus,
		others: newOthers(rows),
	}
	for block := entries/cpus - 1; block >= 0; block-- {
		c.free = append(c.free, uint16(block))
	}
	return c, nil
}

// Close unmaps the counters.
func (c *counters) Close() error {
	c.counts = nil
	if err := unix.Munmap(c.memory); err != nil {
		return fmt.Errorf("unmap the protocol counters: %w", err)
	}
	return nil
}

// take returns a block for an interface, noBlock if all are taken.
func (c *counters) take() uint16 {
	if len(c.free) == 0 {
		return noBlock
	}
	block := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	return block
}

// give takes back a block, which keeps what was counted in it.
func (c *counters) give(block uint16) {
	if block != noBlock {
		c.free = append(c.free, block)
	}
}

// sum adds up what all CPUs counted in a block since it exists.
func (c *counters) sum(block uint16) (sum bpf.PacketsProtocolCounts) {
	if block == noBlock {
		return sum
	}
	first := int(block) * c.cpus
	for cpu := range c.cpus {
		here := &c.counts[first+cpu]
		for direction := range directions {
			for slot := range here.Ip[direction] {
				// A CPU may be writing to it.
				if packets := atomic.LoadUint64(&here.Ip[direction][slot].Packets); packets != 0 {
					sum.Ip[direction][slot].Packets += packets
					sum.Ip[direction][slot].Bytes += atomic.LoadUint64(&here.Ip[direction][slot].Bytes)
				}
			}
		}
	}
	return sum
}

// Values of enum other_kind in headers/counters.h.
const (
	otherProtocol = iota
	otherEthertype
	otherMalformed
	otherRest
	otherRows
	otherAggregated

	otherUnseen = 255 // of user space alone: what the driver carried past the hook
)

// others is map others, and the rows that were last read of it.
type others struct {
	m      *ebpf.Map
	rows   map[uint32][]otherRow // by id of the interface
	spare  []uint32              // ids of interfaces of ours to come, whose rows are made
	keys   []bpf.PacketsOtherKey
	values []bpf.PacketsTraffic
}

type otherRow struct {
	key   bpf.PacketsOtherKey
	total bpf.PacketsTraffic
}

func newOthers(m *ebpf.Map) *others {
	const batch = 1024 // larger than any hash bucket
	return &others{
		m: m, rows: make(map[uint32][]otherRow),
		keys: make([]bpf.PacketsOtherKey, batch), values: make([]bpf.PacketsTraffic, batch),
	}
}

const (
	otherRowsMax    = 16384              // OTHER_ROWS_MAX in headers/counters.h
	rowsOfInterface = 3 * directionCount // that add makes
)

// add makes the rows that must be there even if the table is full.
func (o *others) add(id uint32) error {
	for _, key := range rowsThatMustBe(id) {
		if err := o.m.Put(key, bpf.PacketsTraffic{}); err != nil {
			o.takeBack(id)
			return fmt.Errorf("make room for the rarer protocols: %w", err)
		}
	}
	o.rows[id] = nil
	return nil
}

// spareRows is for how many interfaces of ours to come rows are made in advance: by then,
// others may have filled the table with protocols that they make up.
const spareRows = 64

// addOurs is add for an interface of our network namespace. It returns its id.
func (o *others) addOurs(nextID func() uint32) (id uint32, err error) {
	for len(o.spare) <= spareRows && err == nil {
		id = nextID()
		if err = o.add(id); err == nil {
			o.spare = append(o.spare, id)
		}
	}
	if len(o.spare) == 0 {
		return 0, err
	}
	id, o.spare = o.spare[0], o.spare[1:]
	return id, nil
}

// takeBack removes what add made of an interface that was never counted on.
func (o *others) takeBack(id uint32) {
	for _, key := range rowsThatMustBe(id) {
		_ = o.m.Delete(key) // or it goes with the next reading
	}
	o.remove(id)
}

func rowsThatMustBe(id uint32) (keys [rowsOfInterface]bpf.PacketsOtherKey) {
	kinds := []uint8{otherRest, otherRows, otherAggregated}
	for i := range keys {
		keys[i] = bpf.PacketsOtherKey{Interface: id, Direction: uint8(i % directionCount), Kind: kinds[i/directionCount]}
	}
	return keys
}

// remove forgets an interface. Its rows go with the next reading.
func (o *others) remove(id uint32) { delete(o.rows, id) }

// of returns the rows of an interface, valid until the next reading.
func (o *others) of(id uint32) []otherRow { return o.rows[id] }

// read reads all rows, and removes those of interfaces that are gone.
func (o *others) read() error {
	for id, rows := range o.rows {
		o.rows[id] = rows[:0]
	}
	var orphans []bpf.PacketsOtherKey
	var cursor ebpf.MapBatchCursor
	for {
		n, err := o.m.BatchLookup(&cursor, o.keys, o.values, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("read the rarer protocols: %w", err)
		}
		for i := range n {
			key := o.keys[i]
			rows, isWatched := o.rows[key.Interface]
			switch {
			case !isWatched:
				orphans = append(orphans, key)
			case key.Kind != otherRows && o.values[i].Packets != 0:
				o.rows[key.Interface] = append(rows, otherRow{key, o.values[i]})
			}
		}
		if err != nil {
			break
		}
	}
	for i := range orphans {
		if err := o.m.Delete(&orphans[i]); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("remove a row of the rarer protocols: %w", err)
		}
	}
	return nil
}
