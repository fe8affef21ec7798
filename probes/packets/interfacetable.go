package packets

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
)

// Values of enum interface_flag in headers/interfaces.h.
const (
	interfaceEthernet uint16 = 1 << iota
	interfaceTraceRX
	interfaceTraceTX
	interfaceNativeVeth
)

const (
	noBlock           = 0xffff // NO_BLOCK
	interfaceChainMax = 8      // INTERFACE_CHAIN_MAX
	interfaceSpread   = 61     // INTERFACE_SPREAD
	interfacePlaces   = 1024   // at least, besides as many for what is chained
)

// interfaceTable is map interfaces, in memory shared with the kernel: what the
// packet program finds there of an interface is what user space wrote last.
type interfaceTable struct {
	m      *ebpf.Map
	memory []byte
	places []bpf.PacketsInterface
	mask   uint32 // of the places that an ifindex leads to; the others are for chains
	// namespace is the one that programs were loaded for, as Program has it.
	namespace uint32
	used      uint32 // places of chains that were ever used
	// elsewhere is how many of these an interface of another network namespace was the first
	// to use.
	elsewhere uint32
}

// tablePlaces returns how many places map interfaces has for that many
// interfaces, half of them for chains.
func tablePlaces(interfaces int) uint32 {
	direct := uint32(interfacePlaces)
	if twice := uint32(2 * interfaces); twice > direct {
		direct = 1 << bits.Len32(twice-1)
	}
	return 2 * direct
}

// newInterfaceTable maps m to memory. It does not own m.
func newInterfaceTable(m *ebpf.Map) (*interfaceTable, error) {
	memory, err := unix.Mmap(m.FD(), 0, int(m.MaxEntries()*m.ValueSize()),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the table of interfaces to memory: %w", err)
	}
	return &interfaceTable{
		m:      m,
		memory: memory,
		places: unsafe.Slice((*bpf.PacketsInterface)(unsafe.Pointer(unsafe.SliceData(memory))), m.MaxEntries()),
		mask:   m.MaxEntries()/2 - 1,
	}, nil
}

// Close unmaps the table.
func (t *interfaceTable) Close() error {
	t.places = nil
	if err := unix.Munmap(t.memory); err != nil {
		return fmt.Errorf("unmap the table of interfaces: %w", err)
	}
	return nil
}

// place is where the chain of an interface begins: interface_place().
func (t *interfaceTable) place(entry bpf.PacketsInterface) uint32 {
	return (entry.Ifindex + (entry.NetworkNamespace-t.namespace)*interfaceSpread) & t.mask
}

// mostElsewhere is how many interfaces of other network namespaces have room at once: half
// of what the table of the rarer protocols has for all. Because whoever has a namespace of
// his own, as any user may, makes as many interfaces there as he likes, with what ifindexes
// he likes, they take no more than half of anything from those of ours.
const mostElsewhere = otherRowsMax / rowsOfInterface / 2

// add has the packet program find an interface, and returns its place. It fails
// if too many interfaces share one.
func (t *interfaceTable) add(entry bpf.PacketsInterface, isElsewhere bool) (place uint32, err error) {
	place = t.place(entry)
	for chained := 0; t.places[place].Ifindex != 0; chained++ {
		next := t.places[place].Next
		if next == 0 {
			if t.isFull(chained, isElsewhere) {
				return 0, fmt.Errorf("no room among %d interfaces: watch fewer with -i", len(t.places)/2)
			}
			next = t.mask + 1 + t.used
			t.used++
			if isElsewhere {
				t.elsewhere++
			}
			// Filled before it is found.
			t.fill(next, entry)
			atomic.StoreUint32(&t.places[place].Next, next)
			return next, nil
		}
		place = next
	}
	t.fill(place, entry)
	return place, nil
}

// isFull tells whether a chain of that many may not be longer.
func (t *interfaceTable) isFull(chained int, isElsewhere bool) bool {
	chains := uint32(len(t.places)) - (t.mask + 1) // places
	if isElsewhere && (chained >= interfaceChainMax/2 || t.elsewhere >= chains/2) {
		return true
	}
	return chained == interfaceChainMax || t.used == chains
}

// fill writes ifindex last, by which the program finds the rest. A chain goes on
// behind the entry, whatever is in it.
func (t *interfaceTable) fill(place uint32, entry bpf.PacketsInterface) {
	p := &t.places[place]
	p.NetworkNamespace, p.Id, p.Block = entry.NetworkNamespace, entry.Id, entry.Block
	t.setFlags(place, entry.Flags)
	atomic.StoreUint32(&p.Ifindex, entry.Ifindex)
}

// remove has the program find nothing at a place any more.
func (t *interfaceTable) remove(place uint32) {
	atomic.StoreUint32(&t.places[place].Ifindex, 0)
}

// setFlags says how the frames of an interface are counted from now on.
func (t *interfaceTable) setFlags(place uint32, flags uint16) {
	t.places[place].Flags = flags // 16 bits: never half written
}
