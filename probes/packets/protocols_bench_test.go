package packets

import (
	"fmt"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// BenchmarkProtocolsPoll reads the counters of one interface, which are apart
// for each CPU.
func BenchmarkProtocolsPoll(b *testing.B) {
	labtest.RequireRoot(b)
	b.Run(fmt.Sprintf("cpus=%d", ebpf.MustPossibleCPU()), func(b *testing.B) {
		p, err := New(Options{Interfaces: 1, MaxConnections: 1000})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		probe, err := p.newProbe(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: 1, EncapType: "ether"}}, 0)
		if err != nil {
			b.Fatal(err)
		}
		past := p.counters.newTally(probe.block)
		b.ReportAllocs()
		for b.Loop() {
			p.counters.poll(probe, past, time.Second, &probes.Interface{}, nil, nil)
		}
	})
}
