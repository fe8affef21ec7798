package probes

import (
	"fmt"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// BenchmarkProtocolsPoll reads the counters of one interface, which are apart
// for each CPU.
func BenchmarkProtocolsPoll(b *testing.B) {
	lab.RequireRoot(b)
	b.Run(fmt.Sprintf("cpus=%d", ebpf.MustPossibleCPU()), func(b *testing.B) {
		shared, err := newPackets(1000, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer shared.Close()
		t := &tap{id: 1, hook: HookTC}
		defer t.Close()
		if err := t.load(shared, &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{EncapType: "ether"}}); err != nil {
			b.Fatal(err)
		}
		p, err := newProtocols()
		if err != nil {
			b.Fatal(err)
		}
		past := newTally()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.poll(t, past, time.Second, &Interface{}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
