package packets

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// tableSizes are connections in the table: few, many, and all that it holds
// unless one asks for more.
var tableSizes = []int{100, 10_000, 65_536}

const benchInterface = 1 // its id

func benchStandings(id uint32) (Standing, bool) {
	return Standing{Name: "eth0", InTotal: true}, id == benchInterface
}

// newTable is a probe with so many connections in its table.
func newTable(tb testing.TB, connections int) *Connections {
	tb.Helper()
	labtest.RequireRoot(tb)
	// The kernel evicts before the last place is taken.
	p, err := New(Options{MaxConnections: uint32(2*connections + 1024)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Close() })
	c, err := NewConnections(p, kernel.NewClock(), probes.Ageing{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	if err := fillTable(c.ipv4.m, connections); err != nil {
		tb.Fatal(err)
	}
	return c
}

func fillTable(m *ebpf.Map, connections int) error {
	const udp = 17
	keys := make([]bpf.PacketsConnectionKey4, connections)
	for i := range keys {
		keys[i].Local, keys[i].Remote, keys[i].RemotePort = 1, uint32(i), 53
		keys[i].InterfaceProtocol = benchInterface<<8 | udp
	}
	_, err := m.BatchUpdate(keys, make([]bpf.PacketsConnection, connections), nil)
	return err
}

// BenchmarkMapRead is what the kernel takes to hand the table over.
func BenchmarkMapRead(b *testing.B) {
	for _, n := range tableSizes {
		b.Run(fmt.Sprintf("connections=%d", n), func(b *testing.B) {
			c := newTable(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if rows, err := c.ipv4.count(); err != nil || rows != n {
					b.Fatalf("%d rows, %v", rows, err)
				}
			}
		})
	}
}

// count reads the table, and makes nothing of it.
func (t *connectionTable[K]) count() (rows int, err error) {
	var cursor ebpf.MapBatchCursor
	for err == nil {
		var n int
		n, err = t.m.BatchLookup(&cursor, t.keys, t.values, nil)
		rows += n
	}
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		err = nil
	}
	return rows, err
}

// pollSizes are those that docs/scale.md tells of.
var pollSizes = []int{100, 1000, 10_000, 65_536, 1_000_000}

// BenchmarkConnectionsPoll makes rows of it, besides.
func BenchmarkConnectionsPoll(b *testing.B) {
	for _, n := range pollSizes {
		b.Run(fmt.Sprintf("connections=%d", n), func(b *testing.B) {
			c := newTable(b, n)
			if _, err := c.Poll(benchStandings, time.Second); err != nil { // tells the next one how much room to make
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if polled, err := c.Poll(benchStandings, time.Second); err != nil || len(polled.Connections) != n {
					b.Fatalf("%d rows, %v", len(polled.Connections), err)
				}
			}
		})
	}
}

// TestConnectionsPollAllocates the rows, with room for an eighth more, and
// little besides, however many there are.
func TestConnectionsPollAllocates(t *testing.T) {
	for _, n := range tableSizes {
		most := 25 + float64(n)/1000 // the table is read in parts
		c := newTable(t, n)
		poll := func() {
			if _, err := c.Poll(benchStandings, time.Second); err != nil {
				t.Fatal(err)
			}
		}
		poll() // tells the next one how much room to make
		if version, err := features.LinuxVersionCode(); err == nil && version < 5<<16|13<<8 {
			t.Skip("the kernel reads per-CPU arrays entry by entry (before Linux 5.13)")
		}
		if got := testing.AllocsPerRun(10, poll); got > most {
			t.Errorf("%d connections: %.0f allocations, want %.0f at most", n, got, most)
		}
		rows := uint64(n+n/8) * uint64(unsafe.Sizeof(probes.Connection{}))
		// What the runtime makes of a size is up to an eighth more.
		if got := bytesAllocated(poll); got > rows+rows/8+16<<10 {
			t.Errorf("%d connections: %d bytes, of which %d are rows", n, got, rows)
		}
	}
}

func bytesAllocated(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
