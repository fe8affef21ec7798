package probes

import (
	"fmt"
	"slices"
)

// Hook is where in the kernel received frames are counted. Sent frames are
// counted by a tracepoint where that is attached anyway, else by tc egress.
type Hook string

// The hooks, and the words --hook takes for them.
const (
	HookAuto       Hook = "auto"        // only requested, never in a sample
	HookTracepoint Hook = "tracepoint"  // the kernel's own, of all interfaces together
	HookXDP        Hook = "xdp"         // native XDP, in the driver
	HookXDPGeneric Hook = "xdp-generic" // XDP emulated behind the driver
	HookTC         Hook = "tc"          // tcx, a bpf_link, Linux 6.6
	HookClsact     Hook = "clsact"      // filters on a clsact qdisc, before 6.6
	HookNone       Hook = ""            // not watched; HookReason says why
)

// Hooks returns those that --hook takes.
func Hooks() []Hook {
	return []Hook{HookAuto, HookTracepoint, HookXDP, HookXDPGeneric, HookTC, HookClsact}
}

// ParseHook reads the word that --hook takes.
func ParseHook(word string) (Hook, error) {
	if hook := Hook(word); slices.Contains(Hooks(), hook) {
		return hook, nil
	}
	return "", fmt.Errorf("unknown hook %q: use auto, tracepoint, xdp, xdp-generic, tc or clsact", word)
}
