package packets

import (
	"errors"
	"fmt"
	"io"
	"net"
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
