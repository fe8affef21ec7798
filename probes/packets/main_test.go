package packets

import (
	"os"
	"testing"

	"github.com/cilium/ebpf/features"

	"github.com/ebpftop/ebpftop/probes"
)

// tcHook is what --hook tc comes down to on the kernel at hand, by its version
// alone, so that a kernel that should have tcx and has not is noticed.
var (
	tcHook   = probes.HookTC
	allHooks = []probes.Hook{probes.HookTracepoint, probes.HookXDP, probes.HookTC, probes.HookClsact}
)

func TestMain(m *testing.M) {
	if version, err := features.LinuxVersionCode(); err == nil && version < 6<<16|6<<8 {
		tcHook = probes.HookClsact
		allHooks = []probes.Hook{probes.HookTracepoint, probes.HookXDP, probes.HookClsact}
	}
	os.Exit(m.Run())
}
