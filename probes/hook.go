package probes

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/hook"
)

// Hook is where in the kernel received frames are counted. Sent frames are
// always counted by tc egress.
type Hook = hook.Hook

// The hooks, as package hook has them.
const (
	HookAuto       = hook.Auto
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
	carriesSSH  bool   // the user's own session runs over it
}

func factsOf(link netlink.Link, carriesSSH bool) linkFacts {
	attrs := link.Attrs()
	return linkFacts{
		kind:        link.Type(),
		hasEthernet: attrs.EncapType == "ether" || attrs.EncapType == "loopback",
		foreignXDP:  attrs.Xdp != nil && attrs.Xdp.Attached,
		carriesSSH:  carriesSSH,
	}
}

// hooksToTry lists the hooks for received frames in the order to try them,
// and why the first one is preferred. XDP generic comes before tc only on
// hardware: there it switches GRO off and sees frames one by one, while on a
// virtual device it would take a 64 KiB aggregate for one frame.
func hooksToTry(wish Hook, facts linkFacts) (hooks []Hook, reason string) {
	tc := []Hook{HookTC, HookClsact}
	switch {
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
	case wish == HookXDP:
		return append([]Hook{HookXDP, HookXDPGeneric}, tc...), "asked for"
	case facts.carriesSSH:
		return tc, "carries your SSH session, which attaching XDP could interrupt"
	case facts.kind != "device":
		return tc, "virtual device: " + facts.kind
	}
	return append([]Hook{HookXDP, HookXDPGeneric}, tc...), "native XDP in the driver"
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
