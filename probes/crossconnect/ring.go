package crossconnect

import (
	"slices"

	"github.com/vishvananda/netlink"
)

// A frame that comes round to where it entered never ends, and keeps a CPU busy for good.
// What there is to see of the way is in one network namespace: the two ends of a veth, the
// ports of a bridge, and the pairs of the set.

// ways is where frames go next, by the names of interfaces.
type ways struct {
	pairs map[string]string   // where leaves what enters
	ends  map[string]string   // the other end of a veth
	ports map[string][]string // the other ports of the bridge
}

// newWays is for the pairs of a generation.
func newWays(ingresses ingresses, generation int, links links) *ways {
	w := &ways{pairs: make(map[string]string), ends: make(map[string]string), ports: make(map[string][]string)}
	for _, p := range ingresses {
		if plan := p.plan(generation); isThere(plan) {
			w.pairs[p.name()] = text(plan.Peer)
		}
	}
	byIndex := make(map[int]netlink.Link, len(links))
	for _, l := range links {
		byIndex[l.Attrs().Index] = l
	}
	bridges := make(map[int][]string)
	for name, l := range links {
		attrs := l.Attrs()
		if end := byIndex[attrs.ParentIndex]; l.Type() == veth && attrs.NetNsID < 0 && end != nil {
			w.ends[name] = end.Attrs().Name
		}
		if master := byIndex[attrs.MasterIndex]; master != nil && master.Type() == "bridge" {
			bridges[attrs.MasterIndex] = append(bridges[attrs.MasterIndex], name)
		}
	}
	for _, ports := range bridges {
		for _, port := range ports {
			w.ports[port] = ports
		}
	}
	return w
}

// ring is the way of a frame that enters an interface and comes round to it, each interface
// where it enters or leaves; nil if it does not, as far as there is to see.
func (w *ways) ring(start string) []string {
	seen := make(map[string]bool)
	var follow func(enters string) []string
	follow = func(enters string) []string {
		if seen[enters] {
			return nil
		}
		seen[enters] = true
		out := []string{w.pairs[enters]}
		if out[0] == "" {
			out = w.ports[enters]
		}
		for _, leaves := range out {
			next := w.ends[leaves]
			if next == "" || leaves == enters && w.pairs[enters] == "" {
				continue // to where there is nothing to see; a bridge sends nothing back
			}
			if next == start {
				return []string{enters, leaves}
			}
			if rest := follow(next); rest != nil {
				return append([]string{enters, leaves}, rest...)
			}
		}
		return nil
	}
	way := follow(start)
	if way == nil {
		return nil
	}
	return slices.Compact(append(way, start))
}
