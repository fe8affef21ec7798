package packets

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
)

// linkFacts holds the properties of an interface that decide the hook.
type linkFacts struct {
	kind        string // "device" for hardware, else what it is made of: veth, bridge, ...
	hasEthernet bool   // frames begin with an Ethernet header
	foreignXDP  bool   // someone else's XDP program is attached
}

func factsOf(link netlink.Link) linkFacts {
	attrs := link.Attrs()
	return linkFacts{
		kind:        link.Type(),
		hasEthernet: rtnl.HasEthernet(link),
		foreignXDP:  attrs.Xdp != nil && attrs.Xdp.Attached,
	}
}

// standingKinds are the devices that receive by another round of the kernel's loop
// over a frame, __netif_receive_skb_core() in net/core/dev.c, in which the tracepoint
// does not fire again.
var standingKinds = []string{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "bond", "team"}

// hooksToTry lists the hooks for received frames in the order to try them,
// and why the first one is preferred. Generic XDP is the last of them: of an skb it shows
// the data alone, so it takes an aggregate for one frame, loses a VLAN tag that is beside
// the data, and takes what the host loops back to itself for received.
func hooksToTry(requested probes.Hook, facts linkFacts) (hooks []probes.Hook, reason string) {
	tc := []probes.Hook{probes.HookTC, probes.HookClsact}
	traced := requested == probes.HookAuto || requested == probes.HookTracepoint
	switch {
	case traced && slices.Contains(standingKinds, facts.kind):
		return tc, "what a " + facts.kind + " receives passes the tracepoint on the device below only"
	case requested == probes.HookAuto:
		return append([]probes.Hook{probes.HookTracepoint}, tc...), "comes before what others attach; nothing is attached to the interface"
	case requested == probes.HookTracepoint:
		return append([]probes.Hook{probes.HookTracepoint}, tc...), "asked for"
	case requested == probes.HookTC:
		return tc, "asked for"
	case requested == probes.HookClsact:
		return tc[1:], "asked for"
	case facts.foreignXDP:
		return tc, "XDP is taken by another program"
	case !facts.hasEthernet:
		return tc, "XDP needs an Ethernet header"
	case requested == probes.HookXDPGeneric:
		return append(tc, probes.HookXDPGeneric), "generic XDP does not show aggregates, VLAN tags beside the data, and the host's own multicast"
	}
	return append([]probes.Hook{probes.HookXDP}, append(tc, probes.HookXDPGeneric)...), "asked for"
}

// refusals collects why hooks were refused, for the reason shown to the user.
type refusals []error

func (r *refusals) add(hook probes.Hook, err error) {
	*r = append(*r, fmt.Errorf("%s refused: %w", hook, err))
}

// reason explains a hook that may not be the first choice.
func (r refusals) reason(preferred string) string {
	if len(r) == 0 {
		return preferred
	}
	return preferred + "; " + probes.OneLine(errors.Join(r...))
}
