package probes

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

// The copies of the program that a bench has, as so many interfaces would. The
// last is given frames as a driver gives them that takes the VLAN tag out.
const (
	parserXDP = iota
	parserTC
	parserProtocolsXDP
	parserProtocolsTC
	parserUntagged
	parserTaps
)

var parserKinds = [parserTaps]struct {
	name    string
	hook    Hook
	entries entries
}{
	parserXDP:          {"xdp", HookXDP, connectionEntries},
	parserTC:           {"tc", HookTC, connectionEntries},
	parserProtocolsXDP: {"xdp, protocols only", HookXDP, protocolEntries},
	parserProtocolsTC:  {"tc, protocols only", HookTC, protocolEntries},
	parserUntagged:     {"tc behind a tag", HookTC, connectionEntries},
}

// parserEntry is one way for a frame into the program.
type parserEntry struct {
	tap, direction int
	program        *ebpf.Program
	pass           uint32 // the verdict that lets a frame pass
}

// parserBench runs the packet program, without any interface, and the oracle.
type parserBench struct {
	taps    [parserTaps]*tap
	entries []parserEntry
	past    [parserTaps]bpf.PacketsProtocolCounts // when it was last read
	oracle  parserOracle

	connections4, connections6, slots *ebpf.Map
	buffers                           parserBuffers
}

func newParserBench(t testing.TB) *parserBench {
	t.Helper()
	shared, err := newPackets(parserConnections, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shared.Close() })
	b := &parserBench{
		connections4: shared.shared[bpf.PacketsMapConnections4],
		connections6: shared.shared[bpf.PacketsMapConnections6],
		slots:        shared.shared[bpf.PacketsMapConnectionSlots],
	}
	for i, kind := range parserKinds {
		b.taps[i] = &tap{id: uint32(i + 1), hook: kind.hook}
		shared.entries = kind.entries
		t.Cleanup(func() { _ = b.taps[i].Close() })
		link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{EncapType: "ether"}}
		if err := b.taps[i].load(shared, link); err != nil {
			t.Fatalf("%+v", err)
		}
	}
	if b.buffers, err = newParserBuffers(); err != nil {
		t.Fatal(err)
	}
	b.entries = b.allEntries(t)
	return b
}

func (b *parserBench) allEntries(t testing.TB) []parserEntry {
	const xdpPass, tcUnspec = 2, ^uint32(0)
	var all []parserEntry
	for i, kind := range parserKinds {
		programs := b.taps[i].collection.Programs
		receive := programs[kind.entries.receive(b.taps[i])]
		switch {
		case i == parserUntagged:
			all = append(all, parserEntry{i, directionRX, behindTag(t, receive), tcUnspec})
		case isXDP(kind.hook):
			all = append(all, parserEntry{i, directionRX, receive, xdpPass})
		default:
			all = append(all, parserEntry{i, directionRX, receive, tcUnspec},
				parserEntry{i, directionTX, programs[kind.entries.tcSend], tcUnspec})
		}
	}
	return all
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
	if e.tap != parserUntagged {
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
		if errors.Is(err, unix.EINVAL) && !isXDP(parserKinds[e.tap].hook) && endsInIPHeader(frame) {
			continue // the kernel makes no skb of it
		}
		if err != nil {
			return fmt.Errorf("frame of %d bytes: %w", len(frame), err)
		}
		if result != e.pass {
			got.add(parserCell{tap: e.tap, direction: e.direction, table: "verdict", number: result}, parserCount{packets: 1})
		}
		wire := e.onTheWire(frame)
		if e.tap == parserUntagged {
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
