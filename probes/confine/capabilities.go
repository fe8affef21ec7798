package confine

import (
	"slices"

	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// Watching are what it takes to attach to interfaces that appear, to connect
// and disconnect them, and to read the counters.
var Watching = []cap.Value{
	cap.BPF,       // maps and programs
	cap.PERFMON,   // pointer arithmetic in the packet program, tracing
	cap.NET_ADMIN, // XDP, tc, netlink
	cap.NET_RAW,   // the socket that makes an interface promiscuous
}

// Inspecting are what it takes to look at what is not ours: the programs of
// others, and the processes that an SSH session may be served by.
var Inspecting = []cap.Value{
	cap.SYS_ADMIN,       // programs and maps by their number
	cap.SYS_PTRACE,      // what sockets a process has, and its environment,
	cap.DAC_READ_SEARCH, // which are files of the user who owns the process
}

// keepCapabilities drops all others from every set of all threads.
func keepCapabilities(keep []cap.Value) error {
	have := cap.GetProc()
	kept := cap.NewSet()
	for _, value := range substitute(keep, have) {
		if !holds(have, value) {
			continue
		}
		if err := kept.SetFlag(cap.Permitted, true, value); err != nil {
			return err
		}
		if err := kept.SetFlag(cap.Effective, true, value); err != nil {
			return err
		}
	}
	if holds(have, cap.SETPCAP) {
		// Else no_new_privs has to do: what is executed gets no more than we have.
		if err := dropBounding(kept); err != nil {
			return err
		}
	}
	if err := cap.ResetAmbient(); err != nil {
		return err
	}
	return kept.SetProc()
}

// substitute lets CAP_SYS_ADMIN stand in for what was split off it, for
// container runtimes that do not know the parts.
func substitute(keep []cap.Value, have *cap.Set) []cap.Value {
	missing := func(v cap.Value) bool { return (v == cap.BPF || v == cap.PERFMON) && !holds(have, v) }
	if slices.ContainsFunc(keep, missing) {
		return append(slices.Clone(keep), cap.SYS_ADMIN)
	}
	return keep
}

func dropBounding(kept *cap.Set) error {
	var rest []cap.Value
	for value := range cap.MaxBits() {
		if bound, err := cap.GetBound(value); err == nil && bound && !holds(kept, value) {
			rest = append(rest, value)
		}
	}
	return cap.DropBound(rest...)
}

func holds(set *cap.Set, value cap.Value) bool {
	held, err := set.GetFlag(cap.Permitted, value)
	return err == nil && held
}
