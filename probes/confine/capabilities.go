package confine

import (
	"slices"

	libcap "kernel.org/pub/linux/libs/security/libcap/cap"
)

// Watching are what it takes to attach to interfaces that appear, to connect
// and disconnect them, and to read the counters.
var Watching = []libcap.Value{
	libcap.BPF,       // maps and programs
	libcap.PERFMON,   // pointer arithmetic in the packet program, tracing
	libcap.NET_ADMIN, // XDP, tc, netlink
	libcap.NET_RAW,   // the socket that makes an interface promiscuous
}

// Serving are those of Watching that are not for changing pairs.
var Serving = []libcap.Value{libcap.BPF, libcap.PERFMON, libcap.NET_ADMIN}

// Inspecting are what it takes to look at what is not ours: the programs of
// others, and the processes that an SSH session may be served by.
var Inspecting = []libcap.Value{
	libcap.SYS_ADMIN,       // programs and maps by their number
	libcap.SYS_PTRACE,      // what sockets a process has, and its environment,
	libcap.DAC_READ_SEARCH, // which are files of the user who owns the process
}

// Keeping is what it takes to pin, and to open what is pinned, for the owner of the pins.
var Keeping = []libcap.Value{libcap.BPF}

// Following is what it takes to read a file of links, whose directory may be closed to root
// otherwise, as that of the user is who called sudo.
var Following = []libcap.Value{libcap.DAC_READ_SEARCH}

// Supervising are those of the processes that a supervisor starts.
var Supervising = slices.Concat(Inspecting, Keeping) // and Following is among Inspecting

// keepCapabilities drops all others from the sets of all threads that give any.
// The bounding set gives none: it bounds what comes with programs executed, which
// after no_new_privs is nothing. If they are passed on, programs executed have them, too.
func keepCapabilities(keep []libcap.Value, passedOn bool) error {
	have := libcap.GetProc()
	kept := libcap.NewSet()
	var ambient []libcap.Value
	sets := []libcap.Flag{libcap.Permitted, libcap.Effective}
	if passedOn {
		sets = append(sets, libcap.Inheritable)
	}
	for _, value := range substitute(keep, have) {
		if !holds(have, value) {
			continue
		}
		for _, set := range sets {
			if err := kept.SetFlag(set, true, value); err != nil {
				return err
			}
		}
		ambient = append(ambient, value)
	}
	if err := libcap.ResetAmbient(); err != nil {
		return err
	}
	if err := kept.SetProc(); err != nil || !passedOn {
		return err
	}
	return libcap.SetAmbient(true, ambient...)
}

// substitute lets CAP_SYS_ADMIN stand in for what was split off it, for
// container runtimes that do not know the parts.
func substitute(keep []libcap.Value, have *libcap.Set) []libcap.Value {
	missing := func(v libcap.Value) bool { return (v == libcap.BPF || v == libcap.PERFMON) && !holds(have, v) }
	if slices.ContainsFunc(keep, missing) {
		return append(slices.Clone(keep), libcap.SYS_ADMIN)
	}
	return keep
}

func holds(set *libcap.Set, value libcap.Value) bool {
	held, err := set.GetFlag(libcap.Permitted, value)
	return err == nil && held
}
