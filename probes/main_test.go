package probes

import (
	"os"
	"testing"

	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
)

// tcHook is what --hook tc comes down to on the kernel at hand, by its version
// alone, so that a kernel that should have tcx and has not is noticed.
var (
	tcHook   = HookTC
	allHooks = []Hook{HookTracepoint, HookXDP, HookXDPGeneric, HookTC, HookClsact}
)

func TestMain(m *testing.M) {
	_ = rlimit.RemoveMemlock() // before Linux 5.11; not permitted, the tests that need it say so
	if version, err := features.LinuxVersionCode(); err == nil && version < 6<<16|6<<8 {
		tcHook = HookClsact
		allHooks = []Hook{HookTracepoint, HookXDP, HookXDPGeneric, HookClsact}
	}
	os.Exit(m.Run())
}
