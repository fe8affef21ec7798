package drops

import (
	"errors"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// table reads the counts of the kernel.
type table struct {
	m       *ebpf.Map
	rest    *ebpf.Map
	cpus    int
	keys    []bpf.DropsDropKey // of a batch
	values  []bpf.DropsDropCount
	all     []bpf.DropsDropKey
	packets []uint64 // of each
	rests   *kernel.PerCPUArray[bpf.DropsDropRest]
}

// rowsAtOnce is how many rows a system call reads.
const rowsAtOnce = 128

func newTable(c *ebpf.Collection) (*table, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, err
	}
	rests, err := kernel.NewPerCPUArray[bpf.DropsDropRest](1)
	if err != nil {
		return nil, err
	}
	return &table{
		m: c.Maps[bpf.DropsMapDrops], rest: c.Maps[bpf.DropsMapDropsWithoutRow], cpus: cpus, rests: rests,
		keys: make([]bpf.DropsDropKey, rowsAtOnce), values: make([]bpf.DropsDropCount, rowsAtOnce*cpus),
	}, nil
}

// read returns the rows, and the packets of each. Both are valid until the next call.
func (t *table) read() ([]bpf.DropsDropKey, []uint64, error) {
	t.all, t.packets = t.all[:0], t.packets[:0]
	var cursor ebpf.MapBatchCursor
	for {
		n, err := t.m.BatchLookup(&cursor, t.keys, t.values, nil)
		for i := range n {
			var sum uint64
			for _, count := range t.values[i*t.cpus : (i+1)*t.cpus] {
				sum += count.Packets
			}
			t.all = append(t.all, t.keys[i])
			t.packets = append(t.packets, sum)
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return t.all, t.packets, nil
		case err != nil:
			return nil, nil, err
		}
	}
}

// forget removes a row.
func (t *table) forget(key *bpf.DropsDropKey) error {
	if err := t.m.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return nil
}

// withoutRow returns how many packets have no row: there was no room for one, or it is not
// known in which network namespace they were dropped.
func (t *table) withoutRow() (noRoom, noNamespace uint64, err error) {
	if err := t.rests.Read(t.rest); err != nil {
		return 0, 0, err
	}
	for _, rest := range t.rests.Of(0) {
		noRoom += rest.NoRoom
		noNamespace += rest.NoNamespace
	}
	return noRoom, noNamespace, nil
}
