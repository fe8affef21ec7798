package main

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// newVeths makes two hosts that are as they come, with all offloads of a veth on, but for
// GRO, which a veth needs to be sent to by native XDP.
func newVeths(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, 2)
	if b.isBefore(5, 13) {
		t.Skip("a veth takes no XDP frames by GRO before Linux 5.13")
	}
	for i, host := range b.hosts {
		b.check(host.AddAddress("net0", address(i).String()+"/24"))
		b.check(host.SetOffload("net0", lab.GRO, true))
	}
	b.acquaint(0, 1)
	b.acquaint(1, 0)
	return b
}

// TestNativeXDPFillsInChecksums sends UDP of several lengths, and TCP, from a host that
// leaves checksums to its device. Where the program does not see that, the pair says so.
func TestNativeXDPFillsInChecksums(t *testing.T) {
	b := newVeths(t)
	for _, datapath := range []crossconnect.Datapath{crossconnect.TC, crossconnect.XDP} {
		b.run("add", port(0), port(1), "--datapath", string(datapath))
		fills := datapath == crossconnect.TC || !b.isBefore(6, 3)
		says := strings.Contains(b.only().Reason, "the far end of sw0 leaves to its device")
		if says == fills {
			t.Errorf("%s: %q", datapath, b.only().Reason)
		}
		if !fills {
			b.check(b.hosts[0].SetOffload("net0", lab.TXChecksum, false)) // as it says
			b.check(b.hosts[1].SetOffload("net0", lab.TXChecksum, false))
		}
		for _, bytes := range []int{1, 2, 8, 247, 248, 249, 512, 1001, 1472} {
			if !b.udpArrives(bytes) {
				t.Errorf("%s: %d bytes of UDP get lost", datapath, bytes)
			}
		}
		b.tcpArrives(200_000)
		b.run("del", port(0))
	}
}

// udpArrives sends a datagram from the first host to the second.
func (b *bench) udpArrives(count int) bool {
	b.t.Helper()
	to := netip.AddrPortFrom(address(1), 4000)
	var received, sent *net.UDPConn
	b.check(b.hosts[1].Do(func() (err error) {
		received, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(to))
		return err
	}))
	defer received.Close()
	b.check(b.hosts[0].Do(func() (err error) {
		sent, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		return err
	}))
	defer sent.Close()
	data := bytesOf(count)
	_, err := sent.Write(data)
	b.check(err)
	b.check(received.SetReadDeadline(time.Now().Add(time.Second)))
	got := make([]byte, count+1)
	n, err := received.Read(got)
	return err == nil && bytes.Equal(got[:n], data)
}

// tcpArrives sends bytes from the first host to the second.
func (b *bench) tcpArrives(count int) {
	b.t.Helper()
	to := netip.AddrPortFrom(address(1), 4000)
	var listener net.Listener
	b.check(b.hosts[1].Do(func() (err error) {
		listener, err = net.Listen("tcp4", to.String())
		return err
	}))
	defer listener.Close()
	received := make(chan int64, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- -1
			return
		}
		defer conn.Close()
		n, _ := io.Copy(io.Discard, conn)
		received <- n
	}()
	b.check(b.hosts[0].Do(func() error {
		conn, err := net.DialTimeout("tcp4", to.String(), 10*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(make([]byte, count))
		return err
	}))
	if n := <-received; n != int64(count) {
		b.t.Errorf("%d of %d bytes of TCP arrived", n, count)
	}
}

// TestNativeXDPKeepsTags sends frames whose VLAN tag is beside the data, one of them with
// another tag in the data. What passes, because it is not connected, has its tag once.
func TestNativeXDPKeepsTags(t *testing.T) {
	b := newVeths(t)
	if b.isBefore(6, 3) {
		t.Skip("native XDP of a veth does not show the tag before Linux 6.3")
	}
	b.tagSent(0)
	b.run("add", port(0), port(1), "--datapath", "xdp")
	total := 0
	for _, sent := range [][]byte{numbered(0, 100), numbered(1, 1514), slices.Insert(numbered(2, 100), 12, 0x81, 0, 0, 7)} {
		b.check(b.wires[0].Send(sent))
		got, err := b.wires[1].Receive(time.Now().Add(time.Second))
		b.check(err)
		want := slices.Insert(slices.Clone(sent), 12, 0x81, 0, 0, 100)
		if !bytes.Equal(got, want) {
			t.Errorf("received\n%x, want\n%x", got, want)
		}
		total += len(want)
	}
	b.counted(b.only().AToB, 3, total, 0)

	hub, err := b.hub.Open(port(0))
	b.check(err)
	defer hub.Close()
	b.run("del", port(0))
	b.run("add", port(1), port(1), "--datapath", "xdp")
	sent := numbered(3, 100)
	b.check(b.wires[0].Send(sent))
	got, err := hub.Receive(time.Now().Add(time.Second))
	b.check(err)
	if want := slices.Insert(slices.Clone(sent), 12, 0x81, 0, 0, 100); !bytes.Equal(got, want) {
		t.Errorf("passed on\n%x, want\n%x", got, want)
	}
}
