package doctor

import (
	"fmt"

	"github.com/ebpftop/ebpftop/probes/drops"
)

// dropFeatures are what it takes to know what is dropped, and why.
var dropFeatures = []feature{
	{
		name: "drop tracepoints", look: drops.Verify,
		cost:   "Of drops, only what interfaces count themselves is known.",
		remedy: "Use a kernel with BTF (CONFIG_DEBUG_INFO_BTF), not locked down.",
	},
	{
		name: "drop reasons", look: dropReasons,
		cost:   "A drop has the name of the function that dropped; the last segments of TCP connections are among the drops.",
		remedy: "Use Linux 5.17 or later.",
	},
	{
		name: "kernel symbols", look: drops.VerifySymbols,
		cost:   "Where the kernel gives no reason for a drop, the function that dropped has no name.",
		remedy: "Run as root or with CAP_SYSLOG, and sysctl kernel.kptr_restrict=1.",
	},
}

func dropReasons() (string, error) {
	known, err := drops.ReasonsKnown()
	switch {
	case err != nil:
		return "", err
	case known == 0:
		return "", degraded("the kernel says only where it drops")
	}
	return fmt.Sprintf("%d, by their names", known), nil
}
