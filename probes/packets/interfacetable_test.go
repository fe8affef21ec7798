package packets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestInterfacesShareAPlace in the table of interfaces, whose ifindexes are a multiple
// of its places apart. One of them leaves, and another one comes.
func TestInterfacesShareAPlace(t *testing.T) {
	labtest.RequireRoot(t)
	host, peer := labtest.Namespace(t), labtest.Namespace(t)
	add := func(n int) {
		name := fmt.Sprint("veth", n)
		if err := lab.QuietVethAt(100+n*interfacePlaces, host, name, peer, name); err != nil {
			t.Fatal(err)
		}
	}
	const count = 4
	for n := range count {
		add(n)
	}
	r := &rig{t: t, host: host, peer: peer}
	r.openOn("veth*", probes.HookTracepoint, 1000)
	send := func(n, frames int) {
		name := fmt.Sprint("veth", n)
		r.check(peer.Inject(name, repeat(udp4Frame(), frames)...))
		r.awaitReceived(name, uint64(frames))
	}
	for n := range count {
		send(n, 1+n)
	}
	r.check(host.DeleteLink("veth0"))
	r.check(host.DeleteLink("veth2"))
	r.reconcile()
	add(count)
	r.reconcile()
	send(count, 10)
	for n := range count {
		if n%2 == 0 {
			continue
		}
		name := fmt.Sprint("veth", n)
		r.check(peer.Inject(name, udp4Frame()))
		r.awaitReceived(name, uint64(2+n))
	}
}

// TestTooManyShareAPlace: one that has no room is refused, with what to do.
func TestTooManyShareAPlace(t *testing.T) {
	labtest.RequireRoot(t)
	p, err := New(Options{Interfaces: 1, MaxConnections: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for n := range interfaceChainMax + 2 {
		link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: 1 + n*interfacePlaces}}
		free := len(p.counters.free)
		_, err := p.newProbe(link, 0)
		switch {
		case n <= interfaceChainMax && err != nil:
			t.Errorf("interface %d: %v", n, err)
		case n > interfaceChainMax && (err == nil || !strings.Contains(err.Error(), "-i") || len(p.counters.free) != free):
			t.Errorf("interface %d: %v, %d blocks free, before %d", n, err, len(p.counters.free), free)
		}
	}
}

// TestElsewhereLeavesRoom makes interfaces in other network namespaces, as many as any user
// may, all where one of ours belongs, and as many as there are rows for. Those of ours have
// room nevertheless.
func TestElsewhereLeavesRoom(t *testing.T) {
	labtest.RequireRoot(t)
	for name, ifindex := range map[string]func(n int) int{
		"one place":  func(n int) int { return (n+1)*interfacePlaces + 1 - interfaceSpread },
		"all places": func(n int) int { return n + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			p, err := New(Options{Interfaces: 1, MaxConnections: 1000})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			add := func(ifindex int, elsewhere uint32) error {
				_, err := p.newProbe(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}, elsewhere)
				return err
			}
			if err := add(interfacePlaces-1, 0); err != nil { // which says what namespace is ours
				t.Fatal(err)
			}
			refused := 0
			for n := range 3000 {
				if add(ifindex(n), p.namespace+1) != nil {
					refused++
				}
			}
			if refused == 0 {
				t.Error("others had all the room they wanted")
			}
			for n := range interfaceChainMax / 2 {
				if err := add(1+n*interfacePlaces, 0); err != nil {
					t.Errorf("interface %d of ours: %v", n, err)
				}
			}
		})
	}
}

// TestFullTableLeavesRoom fills the table of the rarer protocols, as made-up ones do. What
// comes then is watched all the same.
func TestFullTableLeavesRoom(t *testing.T) {
	labtest.RequireRoot(t)
	p, err := New(Options{Interfaces: 1, MaxConnections: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	add := func(ifindex int) error {
		_, err := p.newProbe(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}, 0)
		return err
	}
	if err := add(1); err != nil {
		t.Fatal(err)
	}
	for n := 0; err == nil; n++ {
		key := bpf.PacketsOtherKey{Interface: 1, Kind: otherEthertype, Number: uint16(n)}
		err = p.counters.others.m.Put(key, bpf.PacketsTraffic{})
	}
	if err := p.counters.others.read(); err != nil {
		t.Fatal(err)
	}
	for n := range spareRows {
		if err := add(2 + n); err != nil {
			t.Fatalf("interface %d after the table was full: %v", n+1, err)
		}
	}
}
