package lab_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink/nl"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestPrepareForXDP has a reflector of native XDP send a frame to an end that
// is not prepared, and then to the same one prepared.
func TestPrepareForXDP(t *testing.T) {
	labtest.RequireRoot(t)
	far, near := labtest.Namespace(t), labtest.Namespace(t)
	if err := lab.QuietVeth(far, "far", near, "near"); err != nil {
		t.Fatal(err)
	}
	reflectXDP(t, near, "near")
	wire := openWire(t, far, "far")
	sent := frame(60, 0x88, 0xb5)
	if err := wire.Send(sent); err != nil {
		t.Fatal(err)
	}
	if got, err := wire.Receive(time.Now().Add(100 * time.Millisecond)); err == nil {
		t.Fatalf("received %x without being prepared", got)
	}

	if err := far.PrepareForXDP("far"); err != nil {
		t.Fatal(err)
	}
	if err := wire.Send(sent); err != nil {
		t.Fatal(err)
	}
	got, err := wire.Receive(time.Now().Add(5 * time.Second))
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("received %x (%v), want %x", got, err, sent)
	}
}

// reflectXDP attaches a program that redirects what enters an interface out of
// the same.
func reflectXDP(t *testing.T, n *lab.Namespace, iface string) {
	t.Helper()
	l, err := n.Link(iface)
	if err != nil {
		t.Fatal(err)
	}
	devmap, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.DevMap, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { devmap.Close() })
	if err := n.Do(func() error { return devmap.Put(uint32(0), uint32(l.Attrs().Index)) }); err != nil {
		t.Fatal(err)
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMapPtr(asm.R1, devmap.FD()),
		asm.LoadImm(asm.R2, 0, asm.DWord),
		asm.LoadImm(asm.R3, 0, asm.DWord),
		asm.FnRedirectMap.Call(),
		asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	err = n.Do(func() error {
		attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: l.Attrs().Index, Flags: link.XDPDriverMode})
		if err == nil {
			t.Cleanup(func() { attached.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignXDP attaches a second program, which must not replace the first.
func TestForeignXDP(t *testing.T) {
	labtest.RequireRoot(t)
	a, b := labtest.Namespace(t), labtest.Namespace(t)
	if err := lab.QuietVeth(a, "left", b, "right"); err != nil {
		t.Fatal(err)
	}
	if err := a.AttachXDP("left", "first"); err != nil {
		t.Fatal(err)
	}
	l, err := a.Link("left")
	if err != nil {
		t.Fatal(err)
	}
	if xdp := l.Attrs().Xdp; xdp == nil || xdp.AttachMode != nl.XDP_ATTACHED_DRV {
		t.Errorf("attached %+v, want native XDP", xdp)
	}
	if err := a.AttachXDP("left", "second"); err == nil {
		t.Error("a second program replaced the first")
	}
}
