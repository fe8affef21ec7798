package packets

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// What the tracepoints see that tc does not, and what they must leave out.

// tracedAttempts is how often what the tracepoints count is compared until it is exact:
// the kernel may keep tracing programs from running in some contexts. That of a sandbox
// does where a frame is handled while PID 1 is interrupted, so there a busy machine
// misses some in a hundred thousand frames now and then.
const tracedAttempts = 10

// anyOf makes attempts until one succeeds, and fails with the last error if none does.
func anyOf(t *testing.T, attempts int, attempt func() error) {
	t.Helper()
	var err error
	for range attempts {
		if err = attempt(); err == nil {
			return
		}
		t.Log(err)
	}
	t.Error(err)
}

// rows are all watched interfaces by name, and their protocols.
func (r *rig) rows() (interfaces map[string]probes.Interface, protocols []probes.Protocol) {
	r.t.Helper()
	interfaces = make(map[string]probes.Interface)
	r.check(r.host.Do(func() error {
		links, err := rtnl.ListLinks()
		if err != nil {
			return err
		}
		rows, traffic, err := r.watched.Poll(links, 1)
		for _, row := range rows {
			interfaces[row.Name] = row
		}
		protocols = traffic
		return err
	}))
	return interfaces, protocols
}

// eventually waits until a check passes.
func (r *rig) eventually(check func() error) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}

// awaitReceived awaits that many frames on an interface.
func (r *rig) awaitReceived(iface string, frames uint64) {
	r.t.Helper()
	r.eventually(func() error {
		interfaces, _ := r.rows()
		if got := interfaces[iface].RXPackets; got != frames {
			return fmt.Errorf("%s received %d frames, want %d", iface, got, frames)
		}
		return nil
	})
}

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

// TestCountedWithoutBlock has neither interface nor CPU counters in memory: all counts
// in the table, and shows as if it did not.
func TestCountedWithoutBlock(t *testing.T) {
	for name, prepare := range map[string]func(*Program) error{
		"interface": func(p *Program) error { p.counters.free = nil; return nil },
		"CPU":       func(p *Program) error { return p.spec.Variables[bpf.PacketsVarProtocolCpus].Set(uint32(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			host, peer := newPair(t)
			r := &rig{t: t, host: host, peer: peer, prepare: prepare}
			r.open(tcHook, 1000)
			r.check(peer.Inject(peerInterface, tcp4Frame(), udp4Frame(), udp4Frame()))
			r.awaitReceived(hostInterface, 3)
			_, protocols := r.rows()
			if len(protocols) != 2 || protocols[0].Name != "udp" || protocols[0].Packets != 2 || protocols[1].Name != "tcp" {
				t.Errorf("protocols %+v", protocols)
			}
		})
	}
}

// TestProgramsOfOthersHideNothing attaches programs on tc that let frames pass, at the
// head of both sides, before and after ours.
func TestProgramsOfOthersHideNothing(t *testing.T) {
	const frames = 1000
	host, peer := newPair(t)
	attachAccepting(t, host)
	r := newRigWish(t, host, peer, probes.HookAuto)
	attachAccepting(t, host)
	r.check(peer.Inject(peerInterface, repeat(udp4Frame(), frames)...))
	r.check(host.Inject(hostInterface, repeat(udp4Frame(), frames)...))
	row, _ := r.await(2 * frames)
	if row.RXPackets != frames || row.TXPackets != frames {
		t.Errorf("received %d, sent %d of %d", row.RXPackets, row.TXPackets, frames)
	}
}

// attachAccepting attaches a program that says TC_ACT_OK to both sides of host0.
func attachAccepting(t *testing.T, host *lab.Namespace) {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "accepting", Type: ebpf.SchedCLS, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	if err := host.Do(func() error {
		l, err := netlink.LinkByName(hostInterface)
		if err != nil {
			return err
		}
		for _, attach := range []func(probes.Hook, *ebpf.Program, int) (io.Closer, error){attach.Receive, attach.Send} {
			attached, err := attach(tcHook, program, l.Attrs().Index)
			if err != nil {
				return err
			}
			t.Cleanup(func() { attached.Close() })
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestUnseenFrames has frames take ways past the tracepoints, after many aggregates, which
// the driver counts as one frame each: the driver tells of them, they are in the sums, and
// the likely cause is said.
func TestUnseenFrames(t *testing.T) {
	const dropped, bypassing = 30, 20
	r := newRig(t, probes.HookTracepoint, 1000)
	_, peer := r.addresses()
	if row, _ := r.poll(); row.UnseenRX != 0 || row.UnseenTX != 0 || row.Discrepancy != "" {
		t.Errorf("unseen from the start: %d received, %d sent (%s)", row.UnseenRX, row.UnseenTX, row.Discrepancy)
	}
	send(t, r.host, r.peer, peer, 4<<20)
	before, _ := r.poll()
	if before.TXPackets < 10*before.Driver.TXPackets {
		t.Errorf("no aggregates: counted %d sent, the driver %d", before.TXPackets, before.Driver.TXPackets)
	}
	r.check(r.host.Do(func() error { return dropAll(t, hostInterface) }))
	r.check(r.peer.Inject(peerInterface, repeat(udp4Frame(), dropped)...))
	r.check(r.host.Do(func() error { return injectBypassing(hostInterface, udp4Frame(), bypassing) }))
	r.eventually(func() error {
		row, protocols := r.poll()
		unseen := make(map[probes.Direction]uint64)
		for _, p := range protocols {
			if p.Name == "unseen" {
				unseen[p.Direction] = p.Packets
			}
		}
		rx, tx := row.RXPackets-before.RXPackets, row.TXPackets-before.TXPackets
		// Some ARP may have come, besides.
		if row.UnseenRX < dropped || row.UnseenTX < bypassing || rx < dropped || tx < bypassing || rx > dropped+5 || tx > bypassing+5 ||
			unseen[probes.RX] != row.UnseenRX || unseen[probes.TX] != row.UnseenTX {
			return fmt.Errorf("unseen %d received, %d sent, want %d, %d; counted %d, %d, as protocol %v",
				row.UnseenRX, row.UnseenTX, dropped, bypassing, rx, tx, unseen)
		}
		for _, want := range []string{"frames more: xdp: dropping", "PACKET_QDISC_BYPASS"} {
			if !strings.Contains(row.Discrepancy, want) {
				return fmt.Errorf("says %q, want %q", row.Discrepancy, want)
			}
		}
		if !strings.Contains(row.HookReason, "what xdp: dropping drops") {
			return fmt.Errorf("hook: %q", row.HookReason)
		}
		return nil
	})
}

// TestUnseenAges is told counts of a driver that are late, and frames that are on their way.
func TestUnseenAges(t *testing.T) {
	for name, test := range map[string]struct {
		kind           string
		driver, frames []uint64
		aggregated     uint64
		want           []uint64
	}{
		"on their way":      {"veth", []uint64{110, 130, 140}, []uint64{100, 130, 140}, 0, []uint64{0, 0, 0}},
		"past the hook":     {"veth", []uint64{110, 120, 130}, []uint64{100, 110, 110}, 0, []uint64{0, 10, 10}},
		"counted after all": {"veth", []uint64{110, 120, 120}, []uint64{100, 110, 120}, 0, []uint64{0, 10, 0}},
		"aggregates":        {"veth", []uint64{70, 80, 90}, []uint64{100, 100, 100}, 40, []uint64{0, 10, 20}},
		"hardware":          {"device", []uint64{70, 110, 120}, []uint64{100, 100, 100}, 40, []uint64{0, 0, 10}},
		"fewer, then more":  {"veth", []uint64{90, 110, 120}, []uint64{100, 100, 100}, 0, []uint64{0, 0, 10}},
		"fewer":             {"veth", []uint64{90, 80, 70}, []uint64{100, 100, 100}, 0, []uint64{0, 0, 0}},
	} {
		var u unseen
		u.begin(test.kind, [directionCount]seen{}, &probes.DriverStats{})
		u.settled = time.Time{}
		for i, want := range test.want {
			counted := [directionCount]seen{directionRX: {test.frames[i], test.aggregated}}
			u.tell(test.kind, counted, &probes.DriverStats{RXPackets: test.driver[i], RXBytes: 100 * test.driver[i]})
			if got := u.ways[directionRX].total; got.Packets != want || got.Bytes != 100*want {
				t.Errorf("%s: %d frames, %d bytes, want %d, %d", name, got.Packets, got.Bytes, want, 100*want)
			}
		}
	}
}

// TestUnseenHardwareSettles is told counts of firmware that are a second old at first.
func TestUnseenHardwareSettles(t *testing.T) {
	var u unseen
	tell := func(driver, frames uint64) uint64 {
		u.tell("device", [directionCount]seen{directionRX: {frames: frames}}, &probes.DriverStats{RXPackets: driver})
		return u.ways[directionRX].total.Packets
	}
	u.begin("device", [directionCount]seen{directionRX: {frames: 1000}}, &probes.DriverStats{RXPackets: 900})
	tell(1100, 1100)
	tell(1200, 1200)
	u.settled = time.Time{}
	tell(1200, 1300)
	tell(1400, 1400)
	if got := tell(1500, 1500); got != 0 {
		t.Errorf("%d frames unseen, want 0", got)
	}
	tell(1600, 1550)
	if got := tell(1600, 1550); got != 50 {
		t.Errorf("%d frames unseen, want 50", got)
	}
}

// dropAll attaches a native XDP program that drops what an interface receives.
func dropAll(t *testing.T, iface string) error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "dropping", Type: ebpf.XDP, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	if err != nil {
		return err
	}
	t.Cleanup(func() { program.Close() })
	l, err := netlink.LinkByName(iface)
	if err != nil {
		return err
	}
	attached, err := attach.Receive(probes.HookXDP, program, l.Attrs().Index)
	if err != nil {
		return err
	}
	t.Cleanup(func() { attached.Close() })
	return nil
}

// injectBypassing sends frames past the queueing discipline (packet(7)).
func injectBypassing(iface string, frame []byte, times int) error {
	l, err := net.InterfaceByName(iface)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = errors.Join(unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: l.Index}),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1))
	for range times {
		_, sendErr := unix.Write(fd, frame)
		err = errors.Join(err, sendErr)
	}
	return err
}

// TestOwnMulticastWasNotReceived: the host loops it back to itself, and to nobody else.
func TestOwnMulticastWasNotReceived(t *testing.T) {
	const datagrams = 50
	for _, at := range []probes.Hook{probes.HookTracepoint, probes.HookXDP, probes.HookXDPGeneric, tcHook, probes.HookClsact} {
		t.Run(string(at), func(t *testing.T) {
			host, peer := newPair(t)
			r := newRigWish(t, host, peer, at)
			r.addresses()
			r.check(r.host.Do(func() error { return sendMulticast(datagrams) }))
			r.eventually(func() error {
				row, _ := r.poll()
				if row.TXPackets < datagrams || row.RXPackets != 0 || row.Malformed != 0 {
					return fmt.Errorf("sent %d, received %d, malformed %d; want %d, 0, 0",
						row.TXPackets, row.RXPackets, row.Malformed, datagrams)
				}
				return nil
			})
		})
	}
}

// sendMulticast sends to a group that the host itself has joined.
func sendMulticast(datagrams int) error {
	host0, err := net.InterfaceByName(hostInterface)
	if err != nil {
		return err
	}
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	member, err := net.ListenMulticastUDP("udp4", host0, group)
	if err != nil {
		return err
	}
	defer member.Close()
	sender, err := net.DialUDP("udp4", &net.UDPAddr{IP: host4}, group)
	if err != nil {
		return err
	}
	defer sender.Close()
	for range datagrams {
		if _, err := sender.Write(make([]byte, 100)); err != nil {
			return err
		}
	}
	buffer := make([]byte, 200)
	for range datagrams {
		if _, err := member.Read(buffer); err != nil {
			return err
		}
	}
	return nil
}

// TestSentMeansSent offers more than a queueing discipline lets through: what counts is
// what the driver was given.
func TestSentMeansSent(t *testing.T) {
	r := newRig(t, probes.HookTracepoint, 1000)
	r.check(r.host.Do(func() error {
		l, err := netlink.LinkByName(hostInterface)
		if err != nil {
			return err
		}
		return netlink.QdiscReplace(&netlink.Tbf{
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			Rate:       125_000, Limit: 20_000, Buffer: 10_000, // bytes a second, bytes, bytes
		})
	}))
	frame := append(udp4Frame(), make([]byte, 900)...)
	var refused int
	for range 200 {
		if err := r.host.Inject(hostInterface, frame); errors.Is(err, unix.ENOBUFS) {
			refused++
		} else {
			r.check(err)
		}
	}
	r.eventually(func() error {
		row, _ := r.poll()
		if want := uint64(200 - refused); refused == 0 || row.TXPackets != want || row.Driver.TXPackets != want {
			return fmt.Errorf("sent %d frames, the driver %d, of 200 of which %d were refused", row.TXPackets, row.Driver.TXPackets, refused)
		}
		return nil
	})
}
