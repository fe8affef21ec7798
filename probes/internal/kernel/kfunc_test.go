package kernel

import (
	"maps"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestForgo has the kernel accept the programs without the functions, whether
// or not it would let them call it.
func TestForgo(t *testing.T) {
	labtest.RequireRoot(t)
	for name, load := range map[string]func() (*ebpf.CollectionSpec, error){
		bpf.PacketsProgXdpRx:            bpf.LoadPackets,
		bpf.CrossConnectsProgConnectXdp: bpf.LoadCrossConnects,
	} {
		spec, err := load()
		if err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(spec.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
		calls := 0
		for _, i := range spec.Programs[name].Instructions {
			if i.Reference() == castToKernelContext {
				calls++
			}
		}
		Forgo(spec, castToKernelContext, ReadOnlyCast)
		for _, i := range spec.Programs[name].Instructions {
			if i.IsKfuncCall() || i.Reference() == castToKernelContext {
				t.Errorf("%s still refers to a function: %v", name, i)
			}
		}
		if calls == 0 {
			t.Errorf("%s has not referred to %s", name, castToKernelContext)
		}
		for _, m := range spec.Maps {
			m.Pinning = ebpf.PinNone
		}
		collection, err := ebpf.NewCollection(spec)
		if err != nil {
			t.Errorf("load %s: %v", name, err)
			continue
		}
		collection.Close()
	}
}
