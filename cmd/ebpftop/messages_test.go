package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// TestMessagesOfInterfacesLost stops stats while more changes than its socket has room for
// the messages of. An interface that then comes and goes between two samples is noticed all
// the same.
func TestMessagesOfInterfacesLost(t *testing.T) {
	host, peer := pair(t)
	s := openStats(t, host, "--interval", "2s")
	signal := func(number syscall.Signal) {
		if err := s.cmd.Process.Signal(number); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	if err := host.Do(func() error { return changeOften("host0") }); err != nil {
		t.Fatal(err)
	}
	signal(syscall.SIGCONT)
	s.next()
	s.next() // now it is in step again
	if err := lab.QuietVeth(host, "pod0", peer, "pod0"); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		if err := peer.Inject("pod0", udpFrame(t, 4000)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := host.DeleteLink("pod0"); err != nil {
		t.Fatal(err)
	}
	var object struct {
		Totals struct {
			RXPackets uint64 `json:"rx_packets"`
		} `json:"totals"`
	}
	s.next()
	s.decode(&object)
	if object.Totals.RXPackets == 0 {
		t.Error("the interface was not noticed")
	}
	s.stop(syscall.SIGTERM)
}

// changeOften changes an interface some thousand times, each of which sends a message.
func changeOften(iface string) error {
	link, err := netlink.LinkByName(iface)
	for n := 0; n < 3000 && err == nil; n++ {
		err = netlink.LinkSetMTU(link, 1400+n%100)
	}
	return err
}
