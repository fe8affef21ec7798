// Package snapshot computes what the screen shows: the presenter turns samples
// into snapshots, away from the screen and as fast as that can draw them.
package snapshot

import (
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot/past"
)

// Snapshot is all that one refresh shows. Once handed over it is never changed.
type Snapshot struct {
	Sample     *probes.Sample // of which all is but the pairs of now
	Time       time.Time
	Moment     past.Moment   // of the sample
	Moments    []past.Moment // that one can go back to, the oldest first
	Ago        Ago
	Since      time.Time // from when on totals are, zero for the start
	Hooks      []HookCount
	Attaching  probes.Progress
	Interfaces []probes.Interface // by ifindex
	// InterfaceRows are the same as rows to show.
	InterfaceRows Interfaces
	Protocols     Protocols
	Connections   Connections
	Noticed       Noticed
	Detail        *Detail // of what the query says; nil: of nothing
	Groups        []Group // by what the query says; the busiest first
	// OwnersProblem is as in probes.Sample.
	OwnersProblem string
	Execs         Execs
	Drops         Drops
	Pairs         int                   // there are
	PairRows      []probes.CrossConnect // those of them to show
	LinksProblem  string
	OthersUnknown string
	KeptUnknown   bool
	InspectorNews string
	// CrossConnects are the pairs of the sample taken at PairsTime, always the latest one: what
	// is changed by hand, or on trial, is changed now.
	CrossConnects []probes.CrossConnect
	PairsTime     time.Time

	Lost  probes.Lost
	Self  probes.Self // smoothed
	Ended bool        // the source has ended, this is its last sample
}

// HookCount is how many interfaces are watched at one hook.
type HookCount struct {
	Hook       probes.Hook
	Interfaces int
}

// countHooks counts interfaces that are not watched, too, once all were attached to.
func countHooks(interfaces []probes.Interface, attaching probes.Progress) []HookCount {
	var out []HookCount
	hooks := []probes.Hook{probes.HookTracepoint, probes.HookXDP, probes.HookXDPGeneric, probes.HookTC, probes.HookClsact}
	if attaching.All == 0 {
		hooks = append(hooks, probes.HookNone)
	}
	for _, hook := range hooks {
		n := 0
		for i := range interfaces {
			if interfaces[i].Hook == hook {
				n++
			}
		}
		if n > 0 {
			out = append(out, HookCount{hook, n})
		}
	}
	return out
}
