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

// keepCapabilities drops all others from the sets of all threads that give any.
// The bounding set gives none: it bounds what comes with programs executed, which
// after no_new_privs is nothing.
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

func holds(set *cap.Set, value cap.Value) bool {
	held, err := set.GetFlag(cap.Permitted, value)
	return err == nil && held
}
