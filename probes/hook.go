package probes

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/hook"
)

// Hook is where in the kernel received frames are counted. Sent frames are
// counted by a tracepoint where that is attached anyway, else by tc egress.
type Hook = hook.Hook

// The hooks, as package hook has them.
const (
	HookAuto       = hook.Auto
	HookTracepoint = hook.Tracepoint
	HookXDP        = hook.XDP
	HookXDPGeneric = hook.XDPGeneric
	HookTC         = hook.TC
	HookClsact     = hook.Clsact
	HookNone       = hook.None
)

// ParseHook reads the word that --hook takes.
func ParseHook(word string) (Hook, error) { return hook.Parse(word) }

// linkFacts is what the choice of a hook depends on.
type linkFacts struct {
	kind        string // "device" for hardware, else what it is made of: veth, bridge, ...
	hasEthernet bool   // frames begin with an Ethernet header
	foreignXDP  bool   // someone else's XDP program is attached
}

func factsOf(link netlink.Link) linkFacts {
	attrs := link.Attrs()
	return linkFacts{
		kind:        link.Type(),
		hasEthernet: attrs.EncapType == "ether" || attrs.EncapType == "loopback",
		foreignXDP:  attrs.Xdp != nil && attrs.Xdp.Attached,
	}
}

// standingKinds are the devices that receive by another round of the kernel's loop
// over a frame, __netif_receive_skb_core() in net/core/dev.c, in which the tracepoint
// does not fire again.
var standingKinds = []string{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "bond", "team"}

// hooksToTry lists the hooks for received frames in the order to try them,
// and why the first one is preferred. XDP generic comes before tc only on
// hardware: there it switches GRO off and sees frames one by one, while on a
// virtual device it would take a 64 KiB aggregate for one frame.
func hooksToTry(wish Hook, facts linkFacts) (hooks []Hook, reason string) {
	tc := []Hook{HookTC, HookClsact}
	traced := wish == HookAuto || wish == HookTracepoint
	switch {
	case traced && slices.Contains(standingKinds, facts.kind):
		return tc, "what a " + facts.kind + " receives passes the tracepoint on the device below only"
	case wish == HookAuto:
		return append([]Hook{HookTracepoint}, tc...), "sees every frame; nothing is attached to the interface"
	case wish == HookTracepoint:
		return append([]Hook{HookTracepoint}, tc...), "asked for"
	case wish == HookTC:
		return tc, "asked for"
	case wish == HookClsact:
		return tc[1:], "asked for"
	case facts.foreignXDP:
		return tc, "XDP is taken by another program"
	case !facts.hasEthernet:
		return tc, "XDP needs an Ethernet header"
	case wish == HookXDPGeneric:
		return append([]Hook{HookXDPGeneric}, tc...), "asked for"
	}
	return append([]Hook{HookXDP, HookXDPGeneric}, tc...), "asked for"
}

// refusals collects why hooks were refused, for the reason shown to the user.
type refusals []error

func (r *refusals) add(hook Hook, err error) {
	*r = append(*r, fmt.Errorf("%s refused: %w", hook, err))
}

// reason explains a hook that may not be the first choice.
func (r refusals) reason(preferred string) string {
	if len(r) == 0 {
		return preferred
	}
	return preferred + "; " + oneLine(errors.Join(r...))
}

// oneLine is an error's text without line breaks.
func oneLine(err error) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
