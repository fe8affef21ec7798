package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// PerCPUArray reads a per-CPU array whole: in one system call where the
// kernel can (Linux 5.13), key by key where not.
type PerCPUArray[V any] struct {
	cpus   int
	keys   []uint32
	values []V // one per CPU for each key
	slow   bool
}

// NewPerCPUArray makes room for reading arrays of the given number of entries.
func NewPerCPUArray[V any](entries int) (*PerCPUArray[V], error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	return &PerCPUArray[V]{
		cpus:   cpus,
		keys:   make([]uint32, entries),
		values: make([]V, entries*cpus),
	}, nil
}

// Read fills the buffer from m.
func (a *PerCPUArray[V]) Read(m *ebpf.Map) error {
	if !a.slow {
		var cursor ebpf.MapBatchCursor
		n, err := m.BatchLookup(&cursor, a.keys, a.values, nil)
		if n == len(a.keys) && (err == nil || errors.Is(err, ebpf.ErrKeyNotExist)) {
			return nil
		}
		if !errors.Is(err, ebpf.ErrNotSupported) {
			return fmt.Errorf("read %d entries of map, got %d: %w", len(a.keys), n, err)
		}
		a.slow = true
	}
	for key := range a.keys {
		if err := m.Lookup(uint32(key), a.values[key*a.cpus:(key+1)*a.cpus]); err != nil {
			return fmt.Errorf("read entry %d of map: %w", key, err)
		}
	}
	return nil
}

// Of returns one key's values, one per CPU, valid until the next read.
func (a *PerCPUArray[V]) Of(key int) []V {
	return a.values[key*a.cpus : (key+1)*a.cpus]
}

// IsSlow tells whether the kernel reads the array key by key, once it was read.
func (a *PerCPUArray[V]) IsSlow() bool { return a.slow }
