package packets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
)

const (
	// What BPF_PROG_TEST_RUN takes. The most is what fits a page of 4 KiB
	// beside what the kernel needs of it.
	parserFrameMin = 14
	parserFrameMax = 3300
	// Frames between two looks at the maps: few enough for all to have
	// ethertypes and connections of their own.
	parserBatch       = 256
	parserConnections = 8192
)

// The packet programs that a bench has, each with maps of its own. Untagged is given
// frames as a driver gives them that takes the VLAN tag out. Traced is given frames by
// a real interface, because tracepoints have no test runs.
const (
	parserXDP = iota
	parserTC
	parserProtocolsXDP
	parserProtocolsTC
	parserUntagged
	parserRunKinds
	parserTraced = iota - 1
	parserCopied
	parserKindCount
)

var parserKinds = [parserKindCount]struct {
	name          string
	hook          probes.Hook
	protocolsOnly bool
}{
	parserXDP:          {"xdp", probes.HookXDP, false},
	parserTC:           {"tc", probes.HookTC, false},
	parserProtocolsXDP: {"xdp, protocols only", probes.HookXDP, true},
	parserProtocolsTC:  {"tc, protocols only", probes.HookTC, true},
	parserUntagged:     {"tc behind a tag", probes.HookTC, false},
	parserTraced:       {"tracepoint", probes.HookTracepoint, false},
	parserCopied:       {"tracepoint, by copies", probes.HookTracepoint, false},
}

// parserEntry is one way for a frame into the program.
type parserEntry struct {
	kind, direction int
	program         *ebpf.Program
	pass            uint32 // the verdict that lets a frame pass
}

// parserSubject is a packet program that counts on one interface.
type parserSubject struct {
	kind    int
	packets *Program
	probe   *packetProbe
	past    bpf.PacketsProtocolCounts // when it was last read
}

// parserBench runs the packet program, without any interface, and the oracle.
type parserBench struct {
	subjects []*parserSubject
	entries  []parserEntry
	oracle   parserOracle
	buffers  parserBuffers
}

// loopback is the interface that frames of a test run are on.
var loopback = &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: 1, EncapType: "ether"}}

func newParserBench(t testing.TB) *parserBench {
	t.Helper()
	b := &parserBench{}
	var err error
	if b.buffers, err = newParserBuffers(); err != nil {
		t.Fatal(err)
	}
	for kind := range parserRunKinds {
		b.subjects = append(b.subjects, newParserSubject(t, kind, loopback))
	}
	b.entries = b.allEntries(t)
	return b
}

// newParserSubject must be called on a thread in the network namespace of the link.
func newParserSubject(t testing.TB, kind int, link netlink.Link) *parserSubject {
	t.Helper()
	packets, err := New(Options{
		Interfaces: 1, MaxConnections: parserConnections, ProtocolsOnly: parserKinds[kind].protocolsOnly,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = packets.Close() })
	probe, err := packets.newProbe(link, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &parserSubject{kind: kind, packets: packets, probe: probe}
}

func (b *parserBench) allEntries(t testing.TB) []parserEntry {
	const xdpPass, tcUnspec = 2, ^uint32(0)
	var all []parserEntry
	for i, s := range b.subjects {
		receive := s.program(t, s.packets.entries.receive(parserKinds[i].hook))
		switch {
		case i == parserUntagged:
			all = append(all, parserEntry{i, directionRX, behindTag(t, receive), tcUnspec})
		case isXDP(parserKinds[i].hook):
			all = append(all, parserEntry{i, directionRX, receive, xdpPass})
		default:
			all = append(all, parserEntry{i, directionRX, receive, tcUnspec},
				parserEntry{i, directionTX, s.program(t, s.packets.entries.tcSend), tcUnspec})
		}
	}
	return all
}

func (s *parserSubject) program(t testing.TB, name string) *ebpf.Program {
	t.Helper()
	program, err := s.packets.program(name)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	return program
}

// The tag that a frame has beside its data. A driver leaves any other tags.
var parserOuterTag = [4]byte{0x81, 0, 0, 100}

// behindTag makes a program that lays a VLAN tag beside the data, as a driver
// does, and goes on in another. A test run cannot be given one.
func behindTag(t testing.TB, program *ebpf.Program) *ebpf.Program {
	t.Helper()
	next, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Close() })
	if err := next.Put(uint32(0), program); err != nil {
		t.Fatal(err)
	}
	wrapper, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:    ebpf.SchedCLS,
		License: "Dual MIT/GPL",
		Instructions: asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.Mov.Imm(asm.R2, int32(binary.NativeEndian.Uint16(parserOuterTag[:2]))),
			asm.Mov.Imm(asm.R3, int32(binary.BigEndian.Uint16(parserOuterTag[2:]))),
			asm.FnSkbVlanPush.Call(),
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.LoadMapPtr(asm.R2, next.FD()),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnTailCall.Call(),
			asm.Mov.Imm(asm.R0, 1), // a verdict that no test expects
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { _ = wrapper.Close() })
	return wrapper
}

// onTheWire is the frame whose data an entry is given.
func (e *parserEntry) onTheWire(frame []byte) []byte {
	if e.kind != parserUntagged {
		return frame
	}
	wire := append(make([]byte, 0, len(frame)+len(parserOuterTag)), frame[:12]...)
	return append(append(wire, parserOuterTag[:]...), frame[12:]...)
}

// run has the program count frames, and the oracle. They must agree.
func (b *parserBench) run(frames [][]byte) (want, got parserCensus, err error) {
	want, got = make(parserCensus), make(parserCensus)
	err = undisturbed(func() error {
		for _, frame := range frames {
			if err := b.runFrame(frame, want, got); err != nil {
				return err
			}
		}
		return nil
	})
	return want, got, errors.Join(err, b.read(got))
}

func (b *parserBench) runFrame(frame []byte, want, got parserCensus) error {
	verdict := b.oracle.judge(frame)
	for i := range b.entries {
		e := &b.entries[i]
		result, err := e.program.Run(&ebpf.RunOptions{Data: frame, Repeat: 1})
		if errors.Is(err, unix.EINVAL) && !isXDP(parserKinds[e.kind].hook) && endsInIPHeader(frame) {
			continue // the kernel makes no skb of it
		}
		if err != nil {
			return fmt.Errorf("frame of %d bytes: %w", len(frame), err)
		}
		if result != e.pass {
			got.add(parserCell{kind: e.kind, direction: e.direction, table: "verdict", number: result}, parserCount{packets: 1})
		}
		wire := e.onTheWire(frame)
		if e.kind == parserUntagged {
			verdict = b.oracle.judge(wire)
		}
		want.expect(e, verdict, len(wire))
	}
	return nil
}

func endsInIPHeader(frame []byte) bool {
	switch binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_IP:
		return len(frame) < parserFrameMin+parserIPv4HeaderBytes
	case unix.ETH_P_IPV6:
		return len(frame) < parserFrameMin+parserIPv6HeaderBytes
	}
	return false
}

// undisturbed keeps the signal of Go's scheduler away: before Linux 5.13 a
// signal during a test run takes the verdict away.
func undisturbed(work func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	block.Val[0] = 1 << (unix.SIGURG - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before); err != nil {
		return fmt.Errorf("block signals: %w", err)
	}
	return errors.Join(work(), unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
}

// agree says whether program and oracle make the same of frames.
func (b *parserBench) agree(t testing.TB, frames ...[]byte) bool {
	t.Helper()
	want, got, err := b.run(frames)
	if err != nil {
		t.Fatal(err)
	}
	return maps.Equal(want, got)
}
