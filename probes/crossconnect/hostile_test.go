package crossconnect

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestForgedMaps has a program of somebody else on an interface, whose maps are
// called what ours are: no ingress, and no reason not to find those there are.
func TestForgedMaps(t *testing.T) {
	for name, forge := range map[string]func(*ebpf.MapSpec){
		"smaller values": func(m *ebpf.MapSpec) { m.ValueSize = 4 },
		"larger values":  func(m *ebpf.MapSpec) { m.ValueSize = 4096 },
		"fewer entries":  func(m *ebpf.MapSpec) { m.MaxEntries = 1 },
		"more entries":   func(m *ebpf.MapSpec) { m.MaxEntries = 1000 },
		"hashes":         func(m *ebpf.MapSpec) { m.Type = ebpf.Hash },
		"one of them":    func(m *ebpf.MapSpec) { *m = *portMaps(t)[0] },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1)
			specs := portMaps(t)
			for i := range specs {
				if forge(specs[i]); specs[i].Type == ebpf.DevMap {
					specs[i].ValueSize = 4 // it takes no other
				}
			}
			b.attach(near(0), usingMaps(t, specs))
			b.do(func() error {
				links, err := listLinks()
				if err != nil {
					return err
				}
				ingresses, err := findIngresses(links[near(0)], LookAtProgram)
				if len(ingresses) > 0 {
					t.Errorf("found %+v", ingresses)
				}
				return err
			})
		})
	}
}

// portMaps are the maps of an ingress as they are.
func portMaps(t *testing.T) (specs []*ebpf.MapSpec) {
	t.Helper()
	spec, err := bpf.LoadCrossConnects()
	if err != nil {
		t.Fatal(err)
	}
	bpf.NameVariables(spec)
	for _, name := range []string{
		bpf.CrossConnectsMapRecord, bpf.CrossConnectsMapControl,
		bpf.CrossConnectsMapXdpDevices, bpf.CrossConnectsMapTcDevices, bpf.CrossConnectsMapCrossConnectTraffic,
	} {
		m := spec.Maps[name]
		m.Key, m.Value, m.Contents, m.Pinning = nil, nil, nil, ebpf.PinNone
		specs = append(specs, m)
	}
	return specs
}

// usingMaps is an XDP program that passes everything, and uses new maps whose
// first value is all ones: every name in it has no end.
func usingMaps(t *testing.T, specs []*ebpf.MapSpec) *ebpf.Program {
	t.Helper()
	var code asm.Instructions
	for _, spec := range specs {
		m, err := ebpf.NewMap(spec)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if spec.Type == ebpf.Array {
			ones := []byte(strings.Repeat("\xff", int(spec.ValueSize)))
			if err := m.Put(uint32(0), ones); err != nil {
				t.Fatal(err)
			}
		}
		code = append(code, asm.LoadMapPtr(asm.R1, m.FD()))
	}
	code = append(code, asm.Mov.Imm(asm.R0, 2), asm.Return())
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: code, License: "MIT"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program
}

// attach attaches a program of somebody else to an ingress.
func (b *bench) attach(iface string, program *ebpf.Program) {
	b.t.Helper()
	b.do(func() error {
		links, err := listLinks()
		if err != nil {
			return err
		}
		l, err := link.AttachXDP(link.XDPOptions{
			Program: program, Interface: links[iface].Attrs().Index, Flags: link.XDPGenericMode,
		})
		if err == nil {
			b.t.Cleanup(func() { l.Close() })
		}
		return err
	})
}

// FuzzFound describes pairs of whatever is in the maps of other processes.
func FuzzFound(f *testing.F) {
	size := int(unsafe.Sizeof(KernelIngress{}))
	f.Add(make([]byte, size), int64(0))
	f.Add([]byte(strings.Repeat("\xff", size)), int64(1<<62))
	f.Fuzz(func(t *testing.T, bytes []byte, now int64) {
		f := discovered{datapath: TC}
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&f.KernelIngress)), size), bytes)
		for _, peer := range []*discovered{nil, &f} {
			if _, err := json.Marshal(f.status(peer, time.Duration(now), nil)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestUnsafePlace has others able to write where pairs would be kept: what they
// put there is neither used nor removed.
func TestUnsafePlace(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	const user = 1000
	for name, test := range map[string]struct {
		spoil  func(place pins) error
		says   string
		isLink bool
	}{
		"root is another's":      {func(pins) error { return os.Lchown(pinRoot, user, user) }, pinRoot + " is no safe place for kept pairs: it is owned by user 1000", false},
		"root is for all":        {func(pins) error { return os.Chmod(pinRoot, 0o777|os.ModeSticky) }, "users other than root may write to it", false},
		"root is for a group":    {func(pins) error { return os.Chmod(pinRoot, 0o770) }, "users other than root may write to it", false},
		"root is a link":         {func(pins) error { return replaceByLink(pinRoot) }, pinRoot + " is no safe place for kept pairs: it is no directory", true},
		"place is another's":     {func(p pins) error { return os.Lchown(string(p), user, user) }, "it is owned by user 1000", false},
		"place is a link":        {func(p pins) error { return replaceByLink(string(p)) }, "it is no directory", true},
		"bpffs is not sticky":    {func(pins) error { return os.Chmod(bpffs, 0o777) }, bpffs + " is no safe place", false},
		"bpffs is for all":       {func(pins) error { return os.Chmod(bpffs, 0o777|os.ModeSticky) }, "", false},
		"as it is made":          {func(pins) error { return nil }, "", false},
		"root is for all to see": {func(pins) error { return os.Chmod(pinRoot, 0o755) }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			mountBare(t)
			place := pins(filepath.Join(pinRoot, "net-1"))
			if err := errors.Join(place.make(), test.spoil(place)); err != nil {
				t.Fatal(err)
			}
			w, err := newPairSet(place)
			if err != nil {
				t.Fatal(err)
			}
			for what, try := range map[string]func() error{
				"make": place.make, "refresh": w.inKernel.refresh, "remove": place.remove,
			} {
				if err := try(); test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
					t.Errorf("%s: got %v, want an error that says %q", what, err, test.says)
				} else if test.says == "" && err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := os.Stat(precious); test.isLink && err != nil {
				t.Error(err)
			}
		})
	}
}

// precious is what a link leads to.
const precious = bpffs + "/elsewhere/net-1/precious"

func replaceByLink(dir string) error {
	elsewhere := bpffs + "/elsewhere"
	target := elsewhere
	if dir != pinRoot {
		target += "/net-1"
	}
	return errors.Join(os.RemoveAll(dir), os.MkdirAll(precious, 0o700), os.Symlink(target, dir))
}

// ownMountsVariable tells the test binary that nobody else sees what it mounts.
const ownMountsVariable = "EBPFTOP_TEST_OWN_MOUNTS"

// inOwnMounts says whether the test is in mounts of its own. If not, it runs the
// test once more that is.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	labtest.RequireRoot(t)
	if os.Getenv(ownMountsVariable) != "" {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), ownMountsVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	return false
}

// mountBare mounts a bpffs as is usual where nobody thinks of its mode.
func mountBare(t *testing.T) {
	t.Helper()
	if err := unix.Mount("bpffs", bpffs, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(bpffs, 0); err != nil {
			t.Error(err)
		}
	})
}

// TestForeignPins has root put other things among the pins: that is said, or
// passed over, and goes with the pins.
func TestForeignPins(t *testing.T) {
	forged := &ebpf.MapSpec{Name: "forged", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	for name, test := range map[string]struct {
		plant func(place string, m *ebpf.Map) error
		says  string // nothing: passed over
	}{
		"link":         {func(place string, _ *ebpf.Map) error { return os.Symlink(bpffs, place) }, ""},
		"link to none": {func(place string, _ *ebpf.Map) error { return os.Symlink("/nowhere", place) }, ""},
		"empty":        {func(place string, _ *ebpf.Map) error { return os.Mkdir(place, 0o700) }, ""},
		"map":          {func(place string, m *ebpf.Map) error { return m.Pin(place) }, "not a directory"},
		"other map": {func(place string, m *ebpf.Map) error {
			return errors.Join(os.Mkdir(place, 0o700), m.Pin(filepath.Join(place, bpf.RecordMapName)))
		}, "another version of ebpftop"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 2)
			w := b.kept()
			b.set(w, pair(0, 1, TC))
			m, err := ebpf.NewMap(forged)
			b.check(err)
			defer m.Close()
			b.check(test.plant(b.pins().path(ingressPrefix+"9"), m))
			fresh := b.kept()
			var list []Status
			err = b.hub.Do(func() (err error) {
				list, err = fresh.Status()
				return err
			})
			if test.says == "" && (err != nil || len(list) != 1) {
				t.Errorf("lists %+v, %v", list, err)
			}
			if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("got %v, want a line that says %q", err, test.says)
			}
			b.check(os.RemoveAll(b.pins().path(ingressPrefix + "9")))
		})
	}
}
