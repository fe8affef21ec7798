package crossconnect

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// oneWay is a wire of two veth pairs, on which frames that enter hub by "in" are
// redirected to "out":
//
//	source --- in [hub] out --- sink
type oneWay struct {
	t                 *testing.T
	source, hub, sink *lab.Namespace
	in, out           int // ifindexes
}

func newOneWay(t *testing.T) *oneWay {
	t.Helper()
	w := &oneWay{t: t, source: labtest.Namespace(t), hub: labtest.Namespace(t), sink: labtest.Namespace(t)}
	w.check(lab.QuietVeth(w.source, "source", w.hub, "in"))
	w.check(lab.QuietVeth(w.hub, "out", w.sink, "sink"))
	w.in, w.out = w.ifindex("in"), w.ifindex("out")
	return w
}

func (w *oneWay) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *oneWay) ifindex(iface string) int {
	w.t.Helper()
	l, err := w.hub.Link(iface)
	w.check(err)
	return l.Attrs().Index
}

// redirectByXDP attaches the least program that redirects by a devmap.
func (w *oneWay) redirectByXDP(mode link.XDPAttachFlags) {
	w.t.Helper()
	devmap, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.DevMapHash, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	w.check(err)
	w.t.Cleanup(func() { devmap.Close() })
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMapPtr(asm.R1, devmap.FD()),
		asm.LoadImm(asm.R2, 0, asm.DWord),
		asm.LoadImm(asm.R3, 0, asm.DWord),
		asm.FnRedirectMap.Call(),
		asm.Return(),
	}})
	w.check(err)
	defer program.Close()
	w.check(w.hub.Do(func() error {
		if err := devmap.Put(uint32(0), uint32(w.out)); err != nil {
			return err
		}
		attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: w.in, Flags: mode})
		if err == nil {
			w.t.Cleanup(func() { attached.Close() })
		}
		return err
	}))
}

// redirectByTC adds the least filter that redirects.
func (w *oneWay) redirectByTC() {
	w.t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.LoadImm(asm.R1, int64(w.out), asm.DWord),
		asm.LoadImm(asm.R2, 0, asm.DWord),
		asm.FnRedirect.Call(),
		asm.Return(),
	}})
	w.check(err)
	defer program.Close()
	w.check(w.hub.Do(func() error {
		_, err := attach.Receive(probes.HookClsact, program, w.in)
		return err
	}))
}

// send sends n frames of a length into the wire.
func (w *oneWay) send(n, length int) {
	w.t.Helper()
	frame := make([]byte, length)
	copy(frame, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5})
	w.check(w.source.Inject("source", slices.Repeat([][]byte{frame}, n)...))
}

// openRedirects opens in hub.
func (w *oneWay) openRedirects(folder string) *redirects {
	w.t.Helper()
	d, err := openRedirectsIn(w.hub, folder)
	w.check(err)
	w.t.Cleanup(func() { d.Close() })
	return d
}

func openRedirectsIn(n *lab.Namespace, folder string) (d *redirects, err error) {
	err = n.Do(func() (err error) {
		d, err = openRedirects(pins(folder))
		return err
	})
	return d, err
}

// await waits until that many frames that entered by "in" are counted.
func (w *oneWay) await(d *redirects, frames uint64) redirectCount {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		all, err := d.count()
		w.check(err)
		if got := all[w.in]; got.sent+got.dropped >= frames {
			return got
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%+v after 10 s, want %d frames", all, frames)
		}
	}
}

func (w *oneWay) expect(got redirectCount, sent uint64, reasons ...redirectError) {
	w.t.Helper()
	var dropped uint64
	for _, r := range reasons {
		dropped += r.frames
	}
	if got.sent != sent || got.dropped != dropped || !slices.Equal(got.errors, reasons) {
		w.t.Errorf("%+v, want %d sent, dropped %v", got, sent, reasons)
	}
}

// unprepared is the error of a veth whose far end takes no XDP frames.
func unprepared(t *testing.T) unix.Errno {
	if kernelIsAtLeast(t, 6, 3) {
		return unix.EOPNOTSUPP
	}
	return unix.ENXIO
}

// TestRedirectsCounted sends frames that are dropped for three reasons, and some
// that are not.
func TestRedirectsCounted(t *testing.T) {
	w := newOneWay(t)
	d := w.openRedirects("")
	w.redirectByXDP(link.XDPDriverMode)
	w.check(w.source.SetMTU("source", 2000)) // beyond that of out
	w.check(w.hub.SetMTU("in", 2000))

	const unpreparedFrames, sent, long = 300, 500, 100
	w.send(unpreparedFrames, 60)
	w.await(d, unpreparedFrames)
	w.check(w.sink.PrepareForXDP("sink"))
	// Bursts that fit into the ring of 256 frames of the far end
	// (VETH_RING_SIZE in drivers/net/veth.c).
	for total := uint64(unpreparedFrames); total < unpreparedFrames+sent; {
		w.send(100, 60)
		total += 100
		w.await(d, total)
	}
	w.send(long, 1500+headerBytes+1)
	got := w.await(d, unpreparedFrames+sent+long)
	w.expect(got, sent, redirectError{unprepared(t), unpreparedFrames}, redirectError{unix.EMSGSIZE, long})

	w.check(d.forget(w.in))
	all, err := d.count()
	if err != nil || len(all) != 0 {
		t.Errorf("%+v (%v) after all was forgotten", all, err)
	}
}

// TestRedirectsOfGenericXDP counts what generic XDP drops.
func TestRedirectsOfGenericXDP(t *testing.T) {
	w := newOneWay(t)
	d := w.openRedirects("")
	w.redirectByXDP(link.XDPGenericMode)
	w.check(w.source.SetMTU("source", 2000))
	w.check(w.hub.SetMTU("in", 2000))
	w.send(20, 1500+headerBytes+1)
	w.expect(w.await(d, 20), 0, redirectError{unix.EMSGSIZE, 20})
}

// TestRedirectsOfOneNamespace counts in a namespace through which nothing passes,
// though the same ifindexes exist there.
func TestRedirectsOfOneNamespace(t *testing.T) {
	w, other := newOneWay(t), newOneWay(t)
	if w.in != other.in {
		t.Fatalf("ifindex %d and %d", w.in, other.in)
	}
	there, here := other.openRedirects(""), w.openRedirects("")
	w.redirectByXDP(link.XDPDriverMode)
	w.send(10, 60)
	w.await(here, 10)
	all, err := there.count()
	if err != nil || len(all) != 0 {
		t.Errorf("%+v (%v) in another namespace", all, err)
	}
}

// TestRedirectsPinned counts while nobody has the counters open, and goes on with
// them.
func TestRedirectsPinned(t *testing.T) {
	w := newOneWay(t)
	folder := pinFolder(t)
	first := w.openRedirects(folder)
	w.redirectByXDP(link.XDPDriverMode)
	w.send(10, 60)
	w.await(first, 10)
	w.check(first.Close())
	w.send(10, 60)

	second := w.openRedirects(folder)
	w.send(10, 60)
	w.expect(w.await(second, 30), 0, redirectError{unprepared(t), 30})

	// As a process leaves it that is killed while it pins.
	w.check(os.Remove(filepath.Join(folder, "redirects_err")))
	third := w.openRedirects(folder)
	w.send(10, 60)
	w.expect(w.await(third, 10), 0, redirectError{unprepared(t), 10})
	for _, name := range []string{"redirects", "redirects_xmit", "redirects_err"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestRedirectsPinnedByAnotherVersion finds a map of another shape.
func TestRedirectsPinnedByAnotherVersion(t *testing.T) {
	labtest.RequireRoot(t)
	folder := pinFolder(t)
	other, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Pin(filepath.Join(folder, "redirects")); err != nil {
		t.Fatal(err)
	}
	if d, err := openRedirectsIn(labtest.Namespace(t), folder); !errors.Is(err, ebpf.ErrMapIncompatible) {
		t.Errorf("%v, error %v", d, err)
	}
}

// pinFolder is a file system for pins, which goes with the test.
func pinFolder(t *testing.T) string {
	t.Helper()
	labtest.RequireRoot(t)
	folder := t.TempDir()
	if err := unix.Mount("bpf", folder, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// TestNoRedirects is a kernel that cannot count.
func TestNoRedirects(t *testing.T) {
	var d *redirects
	all, err := d.count()
	if all != nil || errors.Join(err, d.forget(1), d.Close()) != nil {
		t.Errorf("%v, %v", all, err)
	}
}
