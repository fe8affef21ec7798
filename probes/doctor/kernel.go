package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

const newerKernel = "Install a newer kernel, Linux 5.10 at least."

// kernelFeatures lists the features that depend on the kernel alone.
var kernelFeatures = []feature{
	{
		name: "kernel version", look: kernelVersion,
		cost:   "Nothing older than Linux 5.10 is tested.",
		remedy: newerKernel,
	},
	{
		name: "kernel BTF", look: kernelBTF,
		cost:   "Executed programs are seen by a slower hook.",
		remedy: "Use a kernel built with CONFIG_DEBUG_INFO_BTF=y.",
	},
	{
		name: "JIT compiler", look: jitCompiler,
		cost:   "Every packet costs several times more CPU.",
		remedy: "Run: sysctl net.core.bpf_jit_enable=1",
	},
	{
		name: "ring buffer", look: mapType(ebpf.RingBuf), required: true,
		cost:   "Neither new connections nor executed programs can be listed.",
		remedy: newerKernel,
	},
	{
		name: "LRU hash", look: mapType(ebpf.LRUHash), required: true,
		cost:   "Connections cannot be counted.",
		remedy: newerKernel,
	},
	{
		name: "per-CPU array", look: mapType(ebpf.PerCPUArray), required: true,
		cost:   "Neither connections nor cross-connects can be counted.",
		remedy: newerKernel,
	},
	{
		name: "batch lookup", look: batchLookup,
		cost:   "Reading the counters takes more system calls.",
		remedy: "Use Linux 5.13 or later.",
	},
	{
		name: "DEVMAP", look: mapType(ebpf.DevMap),
		cost:   "No cross-connects by XDP, only the slower ones by tc.",
		remedy: newerKernel,
	},
	{
		name: "tc programs", look: programType(ebpf.SchedCLS), required: true,
		cost:   "Sent frames cannot be counted.",
		remedy: newerKernel,
	},
	{
		name: "XDP programs", look: programType(ebpf.XDP),
		cost:   "Received frames are counted by tc, which costs more on fast NICs.",
		remedy: newerKernel,
	},
	{
		name: "kernel memory", look: kernelMemory,
		cost:   "Executed programs cannot be seen.",
		remedy: "Boot without lockdown=confidentiality.",
	},
}

// surroundings lists what the host has set up around the kernel.
var surroundings = []feature{
	{
		name: "tracefs", look: mounted("tracefs", "debugfs"),
		cost:   "Without kernel BTF, executed programs are seen by kprobe at best.",
		remedy: "Run: mount -t tracefs tracefs /sys/kernel/tracing",
	},
	{
		name: "bpffs", look: mounted("bpf"),
		cost:   "No pair can be kept, unless ebpftop may mount it for the first one.",
		remedy: "Run: mount -t bpf bpf /sys/fs/bpf",
	},
	{
		name: "XDP feature list", look: netdevNetlink,
		cost:   "What a driver can do with XDP has to be found out by trying.",
		remedy: "Use Linux 6.3 or later.",
	},
}

func kernelVersion() (string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	detail := "Linux " + unix.ByteSliceToString(name.Release[:])
	code, err := features.LinuxVersionCode()
	if err != nil {
		return detail, fmt.Errorf("find kernel version: %w", err)
	}
	if code < 5<<16|10<<8 {
		return detail, degraded("older than Linux 5.10")
	}
	return detail, nil
}

func kernelBTF() (string, error) {
	if _, err := btf.LoadKernelSpec(); err != nil {
		return "", err
	}
	return "type information of the running kernel", nil
}

func jitCompiler() (string, error) {
	const setting = "/proc/sys/net/core/bpf_jit_enable"
	content, err := os.ReadFile(setting)
	switch {
	case errors.Is(err, os.ErrNotExist):
		// There is no such file in network namespaces other than the first.
		return "no " + setting, unix.EPERM
	case err != nil:
		return "", err
	case strings.TrimSpace(string(content)) == "0":
		return "", degraded("switched off")
	}
	return "programs run as machine code", nil
}

func mapType(kind ebpf.MapType) func() (string, error) {
	return func() (string, error) { return "map type " + kind.String(), features.HaveMapType(kind) }
}

func programType(kind ebpf.ProgramType) func() (string, error) {
	return func() (string, error) { return "program type " + kind.String(), features.HaveProgramType(kind) }
}

// kernelMemory finds whether lockdown withholds the helper that reads it
// (bpf_base_func_proto() in kernel/bpf/helpers.c).
func kernelMemory() (string, error) {
	err := features.HaveProgramHelper(ebpf.Kprobe, asm.FnProbeReadKernel)
	if errors.Is(err, ebpf.ErrNotSupported) {
		return "", errors.New("hidden from programs, by kernel lockdown most likely")
	}
	if err != nil {
		return "", err
	}
	return "programs may read it", nil
}

func batchLookup() (string, error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return "", err
	}
	defer m.Close()
	array, err := kernel.NewPerCPUArray[uint64](1)
	if err != nil {
		return "", err
	}
	if err := array.Read(m); err != nil {
		return "", err
	}
	if array.IsSlow() {
		return "", ebpf.ErrNotSupported
	}
	return "counters are read in one system call", nil
}

func netdevNetlink() (string, error) {
	if _, err := netlink.GenlFamilyGet("netdev"); err != nil {
		return "", fmt.Errorf("generic netlink family netdev: %w", err)
	}
	return "generic netlink family netdev", nil
}

// mounted looks for the first of some file systems that is mounted.
func mounted(types ...string) func() (string, error) {
	return func() (string, error) {
		file, err := os.Open("/proc/self/mounts")
		if err != nil {
			return "", err
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			// Device, mount point, type: fstab(5).
			if f := strings.Fields(lines.Text()); len(f) > 2 && slices.Contains(types, f[2]) {
				return f[2] + " on " + f[1], nil
			}
		}
		if err := lines.Err(); err != nil {
			return "", err
		}
		return "", errors.New("not mounted")
	}
}
