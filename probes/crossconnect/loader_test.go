package crossconnect

import (
	"testing"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestTypesAreTaken makes every map once: one that has types, but none in the
// kernel, was made, refused, and made again without.
func TestTypesAreTaken(t *testing.T) {
	labtest.RequireRoot(t)
	l, err := newLoader()
	if err != nil {
		t.Fatal(err)
	}
	for name, spec := range l.spec.Maps {
		m, err := ebpf.NewMap(spec)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		info, err := m.Info()
		if err != nil {
			t.Fatal(err)
		}
		if _, taken := info.BTFID(); taken != (spec.Value != nil) {
			t.Errorf("%s: types taken: %v, told: %v", name, taken, spec.Value)
		}
	}
}
