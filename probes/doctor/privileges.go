package doctor

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/confine"
)

// privileges lists what the user is allowed to do.
var privileges = []feature{
	{
		name: "capabilities", look: Capabilities, required: true,
		cost:   "The programs cannot be loaded.",
		remedy: "Run as root: sudo ebpftop",
	},
	{
		name: "packet sockets", look: holding(libcap.NET_RAW),
		cost:   "Interfaces cannot be cross-connected.",
		remedy: "Run as root, or add CAP_NET_RAW.",
	},
	{
		name: "programs of others", look: holding(libcap.SYS_ADMIN),
		cost:   "They have numbers instead of names, and pairs of other processes are not seen.",
		remedy: "Run as root, or add CAP_SYS_ADMIN.",
	},
	{
		name: "processes of others", look: holding(libcap.SYS_PTRACE, libcap.DAC_READ_SEARCH),
		cost:   "An SSH session may not be found, and then nobody warns that it is cut off.",
		remedy: "Run as root, or add CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.",
	},
	{
		name: "kept while running", look: keptWhileRunning,
		cost:   "If ebpftop is compromised, the attacker reads what is root's.",
		remedy: "Add CAP_SETUID, CAP_SETGID and CAP_SETPCAP, for it to leave root.",
	},
	{
		name: "Landlock", look: landlock,
		cost:   "If ebpftop is compromised, the attacker can reach more of the host.",
		remedy: "Use Linux 6.12 or later, with landlock among the modules in lsm=.",
	},
	{
		name: "seccomp", look: seccomp,
		cost:   "If ebpftop is compromised, the attacker can make every system call.",
		remedy: "Use a kernel with CONFIG_SECCOMP_FILTER.",
	},
	{
		name: "bpf() system call", look: bpfSystemCall, required: true,
		cost:   "The programs cannot be loaded.",
		remedy: "Run as root of the host, outside of containers.",
	},
	{
		name: "locked memory", look: lockedMemory, required: true,
		cost:   "No map can be made.",
		remedy: "Add CAP_SYS_RESOURCE, or run: ulimit -l unlimited",
	},
}

// neededCapabilities load and attach programs. CAP_PERFMON is not for tracing
// alone: without it, the verifier forbids the packet program to compute with
// pointers and unknown offsets (adjust_ptr_min_max_vals(), allow_ptr_leaks).
var neededCapabilities = []struct {
	bit     int
	name    string
	byAdmin bool // split off CAP_SYS_ADMIN in Linux 5.8: capabilities(7)
}{
	{unix.CAP_BPF, "CAP_BPF", true},
	{unix.CAP_PERFMON, "CAP_PERFMON", true},
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", false},
}

func Capabilities() (string, error) {
	have, err := effectiveCapabilities()
	if err != nil {
		return "", err
	}
	admin := have&(1<<unix.CAP_SYS_ADMIN) != 0
	var names, missing []string
	for _, c := range neededCapabilities {
		names = append(names, c.name)
		if have&(1<<c.bit) == 0 && !(c.byAdmin && admin) {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		return "", errors.New("without " + strings.Join(missing, ", "))
	}
	return strings.Join(names, ", "), nil
}

// holding looks for capabilities that ebpftop can do without.
func holding(values ...libcap.Value) func() (string, error) {
	return func() (string, error) {
		have, err := effectiveCapabilities()
		if err != nil {
			return "", err
		}
		for _, value := range values {
			if have&(1<<value) == 0 {
				return "", errors.New("without " + capabilityNames(values))
			}
		}
		return capabilityNames(values), nil
	}
}

// keptWhileRunning says what the dashboard keeps once it is attached.
func keptWhileRunning() (string, error) {
	have, err := effectiveCapabilities()
	if err != nil {
		return "", err
	}
	kept := slices.DeleteFunc(slices.Clone(confine.Watching), func(v libcap.Value) bool { return have&(1<<v) == 0 })
	detail := "no capability, and no_new_privs"
	if len(kept) > 0 {
		detail = capabilityNames(kept) + ", and no_new_privs"
	}
	switch {
	case confine.MayLeaveRoot():
		return detail + "; as a user that nobody else is", nil
	case os.Geteuid() == 0:
		return detail, degraded("it stays root's")
	}
	return detail, nil
}

func capabilityNames(values []libcap.Value) string {
	var names []string
	for _, value := range values {
		names = append(names, strings.ToUpper(value.String()))
	}
	return strings.Join(names, ", ")
}

func landlock() (string, error) {
	version, confined, err := confine.Landlock()
	switch {
	case err != nil:
		return "", err
	case version == 0:
		return "", errors.New("not in this kernel, or switched off")
	}
	detail := fmt.Sprintf("version %d confines %s", version, confined)
	if version < confine.CompleteLandlock {
		return detail, degraded("not all that ebpftop does without: newer ones add " + confine.LandlockAdds(version))
	}
	if adds := confine.LandlockAdds(version); adds != "" {
		detail += "; newer ones add " + adds
	}
	return detail, nil
}

func seccomp() (string, error) {
	has, err := confine.HasFilters()
	switch {
	case err != nil:
		return "", err
	case !has:
		return "", errors.New("not in this kernel")
	}
	return "system calls are filtered", nil
}

// effectiveCapabilities has a bit for each.
func effectiveCapabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("capget: %w", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

// bpfSystemCall makes the smallest of maps.
func bpfSystemCall() (string, error) {
	_ = rlimit.RemoveMemlock() // if that fails, locked memory says so
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	switch {
	case errors.Is(err, unix.ENOSYS):
		return "", errors.New("the kernel is built without CONFIG_BPF_SYSCALL, or a seccomp filter hides it")
	case errors.Is(err, unix.EPERM):
		return "", errors.New(WhyForbidden())
	case err != nil:
		return "", err
	}
	return "allowed", m.Close()
}

// WhyForbidden says why the kernel answers EPERM, as far as that can be known.
func WhyForbidden() string {
	if _, err := Capabilities(); err != nil {
		return "forbidden: " + err.Error()
	}
	// In the first user namespace, every id maps to itself: user_namespaces(7).
	ids, err := os.ReadFile("/proc/self/uid_map")
	if f := strings.Fields(string(ids)); err == nil && (len(f) != 3 || f[2] != "4294967295") {
		return "forbidden: the capabilities are those of a user namespace"
	}
	if confine.IsFilteredByOthers() {
		return "forbidden: most likely by the seccomp filter this process runs under"
	}
	return "forbidden: by a security module, or kernel lockdown"
}

// lockedMemory raises the limit as the dashboard does, before Linux 5.11.
func lockedMemory() (string, error) {
	if _, err := bpfSystemCall(); err != nil {
		return "", unix.EPERM // maps are refused for other reasons
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return "", errors.New("limited, and the limit cannot be raised")
	}
	return "no limit stands in the way", nil
}
