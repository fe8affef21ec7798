package probes

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
)

// counts is map protocols of an interface: what each CPU counts, in memory that
// the packet program writes to.
type counts struct {
	memory []byte
	ofCPUs []bpf.PacketsProtocolCounts
}

// mapCounts has m in memory until close.
func mapCounts(m *ebpf.Map) (c counts, err error) {
	cpus := int(m.MaxEntries())
	c.memory, err = unix.Mmap(m.FD(), 0, cpus*int(m.ValueSize()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return c, fmt.Errorf("map the protocol counters to memory: %w", err)
	}
	c.ofCPUs = unsafe.Slice((*bpf.PacketsProtocolCounts)(unsafe.Pointer(unsafe.SliceData(c.memory))), cpus)
	return c, nil
}

// close is called once at most; what is not mapped needs no closing.
func (c *counts) close() error {
	if c.memory == nil {
		return nil
	}
	memory := c.memory
	*c = counts{}
	if err := unix.Munmap(memory); err != nil {
		return fmt.Errorf("unmap the protocol counters: %w", err)
	}
	return nil
}

// sum adds up what all CPUs counted so far.
func (c *counts) sum(to *bpf.PacketsProtocolCounts) {
	*to = bpf.PacketsProtocolCounts{}
	for cpu := range c.ofCPUs {
		here := &c.ofCPUs[cpu]
		for direction := range directions {
			sumIP(&to.Ip[direction], &here.Ip[direction])
			to.Malformed[direction] += atomic.LoadUint64(&here.Malformed[direction])
		}
	}
}

// sumIP adds what a CPU may be writing to at the same time.
func sumIP(to, here *[ipProtocolCount]bpf.PacketsTraffic) {
	for number := range here {
		if packets := atomic.LoadUint64(&here[number].Packets); packets > 0 {
			to[number].Packets += packets
			to[number].Bytes += atomic.LoadUint64(&here[number].Bytes)
		}
	}
}
