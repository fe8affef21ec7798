package kernel

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/cilium/ebpf"
	"golang.org/x/sync/errgroup"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestTypesKept: they are shared while somebody holds it, and gone after that.
func TestTypesKept(t *testing.T) {
	cache := cachedTypes()
	if cachedTypes() != cache {
		t.Error("not shared")
	}
	seen := weak.Make(cache)
	runtime.KeepAlive(cache)
	cache = nil
	for range 3 {
		runtime.GC()
	}
	if seen.Value() != nil {
		t.Error("kept though nobody holds it")
	}
	if cachedTypes() == nil {
		t.Error("no other one made")
	}
}

// TestLoadSideBySide loads programs that need the kernel's types at the same time, as the
// dashboard does.
func TestLoadSideBySide(t *testing.T) {
	labtest.RequireRoot(t)
	var group errgroup.Group
	for range 2 {
		for _, read := range []func() (*ebpf.CollectionSpec, error){bpf.LoadHostnames, bpf.LoadCrossConnects} {
			group.Go(func() error {
				spec, err := read()
				if err != nil {
					return err
				}
				VethSkbOffset() // which may read a module's
				collection, err := Load(spec, nil, ebpf.ProgramOptions{})
				if err == nil {
					collection.Close()
				}
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// TestLoadWithoutTarget loads a program for a tracepoint that no kernel has, which is looked for
// in no module.
func TestLoadWithoutTarget(t *testing.T) {
	labtest.RequireRoot(t)
	spec, err := bpf.LoadHostnames()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range spec.Programs {
		program.AttachTo = "no_such"
	}
	_, err = Load(spec, nil, ebpf.ProgramOptions{})
	if !errors.Is(err, ebpf.ErrNotSupported) || !strings.Contains(err.Error(), "no_such") {
		t.Errorf("error %v", err)
	}
}
