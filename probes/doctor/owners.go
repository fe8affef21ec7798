package doctor

import (
	"github.com/ebpftop/ebpftop/probes/internal/procfs"
	"github.com/ebpftop/ebpftop/probes/owners"
)

// diagnoseOwners attaches what tells whose connections are, for a moment.
func diagnoseOwners() []Finding {
	tcp, others := owners.Try()
	return diagnoseEach([]feature{
		{
			name: "owners of TCP", look: worksUnless(tcp),
			cost:   "No connection has an owner.",
			remedy: "Use a kernel with BTF (CONFIG_DEBUG_INFO_BTF), not locked down.",
		},
		{
			name: "owners of UDP", look: worksUnless(others),
			cost:   "UDP sockets that are closed within a second or so have no owner.",
			remedy: "Use a kernel with CONFIG_CGROUP_BPF, and mount control groups of version 2.",
		},
		{
			name: "all processes", look: firstPIDNamespace,
			cost:   "What processes of other PID namespaces opened before the start has no owner. Pids are those of the host.",
			remedy: "In a container, run it in the host's PID namespace (docker run --pid=host).",
		},
	})
}

func firstPIDNamespace() (string, error) {
	if !procfs.InFirstPIDNamespace() {
		return "", degraded("in a PID namespace of its own")
	}
	return "in sight", nil
}
