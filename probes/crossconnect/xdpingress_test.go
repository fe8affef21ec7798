package crossconnect

import (
	"io"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
)

const xdpPass = 2 // XDP_PASS in linux/bpf.h

// counting makes a program that does what that for packets does: the same as
// the plain one, by the maps of the ingress, under a name of its own.
func counting(t *testing.T, x XDPIngress) *ebpf.Program {
	t.Helper()
	maps, err := x.Maps()
	if err != nil {
		t.Fatal(err)
	}
	devmap := maps[bpf.CrossConnectsMapXdpDevices]
	control := maps[bpf.CrossConnectsMapControl]
	var flags uint32
	if hasXDPHelper(asm.FnXdpGetBuffLen) {
		flags = unix.BPF_F_XDP_HAS_FRAGS // all programs of a devmap must be alike
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "counting", Type: ebpf.XDP, AttachType: ebpf.AttachXDP, Flags: flags, License: "GPL", Instructions: asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, control.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.LoadMem(asm.R2, asm.R0, 0, asm.DWord),
		asm.And.Imm(asm.R2, 1),
		asm.LoadMapPtr(asm.R1, devmap.FD()),
		asm.Mov.Imm(asm.R3, xdpPass),
		asm.FnRedirectMap.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, xdpPass).WithSymbol("pass"),
		asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program
}

// xdpIngress is the one interface that XDP serves.
func (b *bench) xdpIngress(w *PairSet) (x XDPIngress) {
	b.t.Helper()
	b.do(func() error {
		ingresses, err := w.XDPIngresses()
		if len(ingresses) != 1 {
			b.t.Fatalf("%d ingresses, want one", len(ingresses))
		}
		for _, x = range ingresses {
		}
		return err
	})
	return x
}

// program is the name of that which XDP runs on an interface.
func (b *bench) program(iface string) string {
	b.t.Helper()
	xdp := b.link(iface).Attrs().Xdp
	if xdp == nil || !xdp.Attached {
		return ""
	}
	told, err := LookAtProgram(ebpf.ProgramID(xdp.ProgId))
	b.check(err)
	return told.Name
}

func (b *bench) expectProgram(want string) {
	b.t.Helper()
	if got := b.program("p0"); got != want {
		b.t.Errorf("program %q, want %q", got, want)
	}
}

// TestWatch has a program take the place of the plain one, and give it back,
// while frames flow.
func TestWatch(t *testing.T) {
	for name, open := range kindsOfSet {
		t.Run(name, func(t *testing.T) {
			b := newXDPBench(t, 2)
			w := open(b)
			b.set(w, pair(0, 1, XDP, TC))
			x := b.xdpIngress(w)
			f := b.startFlow(0)
			for range 10 {
				f.more()
				var watching io.Closer
				b.do(func() (err error) {
					watching, err = x.Watch(counting(t, x))
					return err
				})
				b.expectProgram("counting")
				f.more()
				b.do(watching.Close)
				b.expectProgram("connect_xdp")
			}
			f.stopAt(1)
			if x != b.xdpIngress(w) {
				t.Error("it seems that the program has to be put there again")
			}
			b.set(w)
			b.do(func() error { // nothing is left to watch, which is no error
				watching, err := x.Watch(anyXDP(t))
				if err != nil {
					return err
				}
				return watching.Close()
			})
			b.expectAttached()
		})
	}
}

// anyXDP is any XDP program.
func anyXDP(t *testing.T) *ebpf.Program {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program
}

// TestWatchThenKeep watches an ingress when the pair is kept meanwhile: the plain program is
// there, and frames go on.
func TestWatchThenKeep(t *testing.T) {
	b := newXDPBench(t, 2)
	own, kept := b.own(), b.kept()
	b.set(own, pair(0, 1, XDP, TC))
	x := b.xdpIngress(own)
	var watching io.Closer
	b.do(func() (err error) {
		watching, err = x.Watch(counting(t, x))
		return err
	})
	b.do(func() error { return own.Keep(kept) })
	b.expectProgram("connect_xdp")
	b.do(watching.Close)
	b.expectWires(1, 0)
	if x == b.xdpIngress(kept) {
		t.Error("nobody would notice that the program has to be put there again")
	}
}
