package packets

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// parserCensus is all that is counted, or must be, of a batch of frames.
type parserCensus map[parserCell]parserCount

// parserCell is one row of one of the program's tables.
type parserCell struct {
	kind, direction int
	table           string
	number          uint32 // IP protocol, ethertype or verdict
	local, remote   netip.AddrPort
}

type parserCount struct {
	packets, bytes uint64
	flags          uint8
}

// add leaves out what is zero: a row that exists, but counts nothing yet.
func (c parserCensus) add(cell parserCell, more parserCount) {
	if more == (parserCount{}) {
		return
	}
	count := c[cell]
	count.packets += more.packets
	count.bytes += more.bytes
	count.flags |= more.flags
	c[cell] = count
}

// expect adds what a frame must count as.
func (c parserCensus) expect(e *parserEntry, v parserVerdict, size int) {
	cell := parserCell{kind: e.kind, direction: e.direction, table: "ethertype", number: v.number}
	if v.isIP {
		cell.table = "protocol"
	}
	one := parserCount{packets: 1, bytes: uint64(size)}
	c.add(cell, one)
	if v.malformed {
		c.add(parserCell{kind: e.kind, direction: e.direction, table: "malformed"}, parserCount{packets: 1})
	}
	if v.source.IsValid() && !parserKinds[e.kind].protocolsOnly {
		cell.table, cell.local, cell.remote = "connection", v.destination, v.source
		if e.direction == directionTX {
			cell.local, cell.remote = v.source, v.destination
		}
		one.flags = v.flags
		c.add(cell, one)
	}
}

// parserBuffers are what the maps are read into.
type parserBuffers struct {
	others  []bpf.PacketsOtherKey
	traffic []bpf.PacketsTraffic
	keys4   []bpf.PacketsConnectionKey4
	keys6   []bpf.PacketsConnectionKey6
	rows    []bpf.PacketsConnection
	slots   *kernel.PerCPUArray[bpf.PacketsConnectionSlot]
	noSlot  []bpf.PacketsConnectionSlot // one per CPU, of nothing
}

func newParserBuffers() (b parserBuffers, err error) {
	const others, connections = 4096, directionCount * parserBatch
	if b.slots, err = kernel.NewPerCPUArray[bpf.PacketsConnectionSlot](2 * connectionSlots); err != nil {
		return b, err
	}
	b.noSlot = make([]bpf.PacketsConnectionSlot, ebpf.MustPossibleCPU())
	b.others = make([]bpf.PacketsOtherKey, others)
	b.traffic = make([]bpf.PacketsTraffic, others)
	b.keys4 = make([]bpf.PacketsConnectionKey4, connections)
	b.keys6 = make([]bpf.PacketsConnectionKey6, connections)
	b.rows = make([]bpf.PacketsConnection, connections)
	return b, err
}

// read adds what was counted since it last read.
func (b *parserBench) read(got parserCensus) error {
	var errs []error
	for _, s := range b.subjects {
		errs = append(errs, s.read(&b.buffers, got))
	}
	return errors.Join(errs...)
}

func (s *parserSubject) read(b *parserBuffers, got parserCensus) error {
	add4 := func(key *bpf.PacketsConnectionKey4, row *bpf.PacketsConnection) {
		got.addConnection(s.kind, key.InterfaceProtocol, address4(key.Local), address4(key.Remote), key.LocalPort, key.RemotePort, row)
	}
	add6 := func(key *bpf.PacketsConnectionKey6, row *bpf.PacketsConnection) {
		got.addConnection(s.kind, key.InterfaceProtocol, address6(key.Local), address6(key.Remote), key.LocalPort, key.RemotePort, row)
	}
	s.readSlots(got)
	return errors.Join(
		s.readOthers(b, got),
		takeRows(s.packets.shared[bpf.PacketsMapConnections4], b.keys4, b.rows, add4),
		takeRows(s.packets.shared[bpf.PacketsMapConnections6], b.keys6, b.rows, add6),
		s.takeConnectionSlots(b, add4, add6))
}

// takeConnectionSlots empties the slots, too.
func (s *parserSubject) takeConnectionSlots(
	b *parserBuffers,
	add4 func(*bpf.PacketsConnectionKey4, *bpf.PacketsConnection),
	add6 func(*bpf.PacketsConnectionKey6, *bpf.PacketsConnection),
) error {
	slots := s.packets.shared[bpf.PacketsMapConnectionSlots]
	if err := b.slots.Read(slots); err != nil {
		return err
	}
	var errs []error
	for number := range 2 * connectionSlots {
		for _, slot := range b.slots.Of(number) {
			if number < connectionSlots {
				add4((*bpf.PacketsConnectionKey4)(unsafe.Pointer(&slot.Key)), &slot.More)
			} else {
				add6(&slot.Key, &slot.More)
			}
		}
		errs = append(errs, slots.Put(uint32(number), b.noSlot))
	}
	return errors.Join(errs...)
}

func (s *parserSubject) readSlots(got parserCensus) {
	now := s.packets.counters.sum(s.probe.block)
	for direction := range directions {
		for slot, protocol := range slotProtocols {
			more := less(now.Ip[direction][slot], s.past.Ip[direction][slot])
			got.add(parserCell{kind: s.kind, direction: direction, table: "protocol", number: uint32(protocol)},
				parserCount{packets: more.Packets, bytes: more.Bytes})
		}
	}
	s.past = now
}

func (s *parserSubject) readOthers(b *parserBuffers, got parserCensus) error {
	err := takeRows(s.packets.shared[bpf.PacketsMapOthers], b.others, b.traffic,
		func(key *bpf.PacketsOtherKey, traffic *bpf.PacketsTraffic) {
			if key.Kind == otherRows || key.Kind == otherAggregated {
				return // of frames that are counted elsewhere
			}
			table := [...]string{otherProtocol: "protocol", otherEthertype: "ethertype", otherMalformed: "malformed", otherRest: "rest"}[key.Kind]
			count := parserCount{packets: traffic.Packets, bytes: traffic.Bytes}
			if key.Kind == otherMalformed {
				count.bytes = 0
			}
			got.add(parserCell{kind: s.kind, direction: int(key.Direction), table: table, number: uint32(key.Number)}, count)
		})
	return errors.Join(err, s.packets.counters.others.add(s.probe.id))
}

// addConnection adds a row.
func (c parserCensus) addConnection(kind int, interfaceProtocol uint32, local, remote netip.Addr, localPort, remotePort uint16, row *bpf.PacketsConnection) {
	cell := parserCell{
		kind: kind, table: "connection", number: interfaceProtocol & 0xff,
		local:  netip.AddrPortFrom(local, fromNetwork(localPort)),
		remote: netip.AddrPortFrom(remote, fromNetwork(remotePort)),
	}
	cell.direction = directionRX
	c.add(cell, parserCount{packets: row.RxPackets, bytes: row.RxBytes, flags: row.RxFlags})
	cell.direction = directionTX
	c.add(cell, parserCount{packets: row.TxPackets, bytes: row.TxBytes, flags: row.TxFlags})
}

// takeRows calls each for every row of m, and empties m.
func takeRows[K, V any](m *ebpf.Map, keys []K, values []V, each func(*K, *V)) error {
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookupAndDelete(&cursor, keys, values, nil)
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

func (c parserCell) String() string {
	name := parserKinds[c.kind].name + " " + string(directions[c.direction])
	switch c.table {
	case "connection":
		return fmt.Sprintf("%s: connection %d, local %v, remote %v", name, c.number, c.local, c.remote)
	case "malformed":
		return name + ": malformed"
	}
	return fmt.Sprintf("%s: %s %#x", name, c.table, c.number)
}

func (c parserCount) String() string {
	return fmt.Sprintf("%d (%d B, flags %#02x)", c.packets, c.bytes, c.flags)
}

// differences lists the rows that are not as they must be.
func (c parserCensus) differences(got parserCensus) string {
	var lines []string
	for cell, count := range c {
		if got[cell] != count {
			lines = append(lines, fmt.Sprintf("  %v: counted %v, must be %v", cell, got[cell], count))
		}
	}
	for cell, count := range got {
		if _, ok := c[cell]; !ok {
			lines = append(lines, fmt.Sprintf("  %v: counted %v, must be nothing", cell, count))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// compare reports the first frame of a batch of which program and oracle make
// different things, made as small and plain as it goes.
func (b *parserBench) compare(t testing.TB, frames [][]byte) {
	t.Helper()
	if b.agree(t, frames...) {
		return
	}
	i := slices.IndexFunc(frames, func(frame []byte) bool { return !b.agree(t, frame) })
	if i < 0 {
		t.Errorf("%d frames differ, though none does by itself", len(frames))
		return
	}
	whole := b.oracle.judge(frames[i])
	smallest := shrink(frames[i], func(frame []byte) bool {
		v := b.oracle.judge(frame) // of another protocol, it could be another matter
		return v.isIP == whole.isIP && v.number == whole.number && !b.agree(t, frame)
	})
	want, got, err := b.run([][]byte{smallest})
	if err != nil {
		t.Fatal(err)
	}
	t.Errorf("program and oracle differ on the frame\n%s%x\n%s\nwhich was made of %x",
		hex.Dump(smallest), smallest, want.differences(got), frames[i])
}

// shrink cuts bytes off and clears them as long as still holds.
func shrink(frame []byte, still func([]byte) bool) []byte {
	for cut := len(frame) / 2; cut > 0; cut /= 2 {
		for len(frame)-cut >= parserFrameMin && still(frame[:len(frame)-cut]) {
			frame = frame[:len(frame)-cut]
		}
	}
	for i := range frame {
		if cleared := patched(frame, i, 0); frame[i] != 0 && still(cleared) {
			frame = cleared
		}
	}
	return frame
}
