package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf/features"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// load is what a sample is taken of, all of it real: veths, copies of
// the packet program on those watched, rows in the table, pairs.
type load struct {
	interfaces, watched, connections, pairs int
}

func (l load) String() string {
	return fmt.Sprintf("interfaces=%d/watched=%d/connections=%d/pairs=%d", l.interfaces, l.watched, l.connections, l.pairs)
}

// BenchmarkSample is one poll of all probes, as the goroutine of Live does it.
func BenchmarkSample(b *testing.B) {
	for _, l := range []load{
		{interfaces: 10, watched: 2, connections: 100},
		{interfaces: 10, watched: 2, connections: 10_000},
		{interfaces: 10, watched: 2, connections: 65_536},
		{interfaces: 1000, watched: 2, connections: 100},
		{interfaces: 10, watched: 10, connections: 100},
		{interfaces: 100, watched: 100, connections: 100},
		{interfaces: 20, watched: 2, connections: 100, pairs: 10},
		{interfaces: 1000, watched: 2, connections: 100, pairs: 500},
	} {
		b.Run(l.String(), func(b *testing.B) {
			host := labtest.Namespace(b)
			b.ReportAllocs()
			// On a thread inside.
			if err := host.Do(func() error { return l.measure(b) }); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func (l load) measure(b *testing.B) (err error) {
	live, err := l.open(b.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, live.release()) }()
	const interval = 500 * time.Millisecond
	for b.Loop() {
		s, err := live.sample(time.Now(), interval)
		if err != nil {
			return err
		}
		got := load{l.interfaces, len(s.Interfaces), len(s.Passages), len(s.CrossConnects)}
		if got != l {
			return fmt.Errorf("sampled %v, want %v", got, l)
		}
	}
	return nil
}

func benchLink(i int) string { return fmt.Sprint("veth", i) }

// open is NewLive without the goroutine.
func (l load) open(ctx context.Context) (live *Live, err error) {
	here, err := lab.Current()
	if err != nil {
		return nil, err
	}
	defer here.Close()
	if err := lab.QuietVeth(here, benchLink(0), here, benchLink(1)); err != nil {
		return nil, err
	}
	var watched []string
	for i := 2; i < l.interfaces; i += 2 {
		veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: benchLink(i + 1)}
		veth.Name = benchLink(i)
		if err := netlink.LinkAdd(veth); err != nil {
			return nil, err
		}
	}
	for i := range l.watched {
		watched = append(watched, benchLink(i))
	}
	live = &Live{clock: kernel.NewClock()}
	room := uint32(2*l.connections + 1024) // the kernel evicts before the last place is taken
	if _, err := live.open(ctx, Options{Interfaces: watched, Hook: probes.HookAuto, MaxConnections: room}); err != nil {
		return nil, errors.Join(err, live.release())
	}
	var pairs []probes.Pair
	for i := range l.pairs {
		pairs = append(pairs, probes.Pair{
			A: benchLink(2 * i), B: benchLink(2*i + 1), AToB: crossconnect.TC, BToA: crossconnect.TC,
		})
	}
	err = errors.Join(live.pairs.own.Set(pairs, 0), l.connect(here))
	if err != nil {
		return nil, errors.Join(err, live.release())
	}
	return live, nil
}

// connect sends a frame of each connection over the first cable, both ends of which are
// watched: each is a row at both.
func (l load) connect(here *lab.Namespace) error {
	frame := []byte{
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, // Ethernet, IPv4
		0x45, 0, 0, 46, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 11, 0, 0, 0, 10, 0, 0, 2,
		0, 53, 0, 53, 0, 26, 0, 0, // ports, length
	}
	frame = append(frame, make([]byte, 18)...)
	frames := make([][]byte, l.connections/2)
	for i := range frames {
		frames[i] = slices.Clone(frame)
		binary.BigEndian.PutUint32(frames[i][26:], 11<<24|uint32(i)) // source
	}
	return here.Inject(benchLink(0), frames...)
}

// TestSampleAllocates as much as before, sample after sample, and little for
// what nobody looks at.
func TestSampleAllocates(t *testing.T) {
	host := labtest.Namespace(t)
	if err := host.Do(func() error {
		live, err := load{interfaces: 4, watched: 4, connections: 1000}.open(t.Context())
		if err != nil {
			return err
		}
		defer live.release()
		_, failure := live.sample(time.Now(), time.Second)
		if version, err := features.LinuxVersionCode(); err == nil && version < 5<<16|13<<8 {
			t.Log("not tested: the kernel reads per-CPU arrays entry by entry (before Linux 5.13)")
			return failure
		}
		const most = 1000 // of which 30 are to list an interface, and 80 to count on it
		got := testing.AllocsPerRun(20, func() {
			_, err := live.sample(time.Now(), time.Second)
			failure = errors.Join(failure, err)
		})
		if got > most {
			t.Errorf("%.0f allocations, want %d at most", got, most)
		}
		return failure
	}); err != nil {
		t.Fatal(err)
	}
}
