package packets

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

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
