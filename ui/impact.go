package ui

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
)

// mostNamed is how many addresses or routes are named. A router has thousands.
const mostNamed = 8

// impactRemarks says in words what a change would do: to the user's own session
// first, then to each interface.
func impactRemarks(s *styleSet, c *probes.Change, would *probes.Impact) []remark {
	var out []remark
	interfaces := slices.Clone(would.Interfaces)
	slices.SortStableFunc(interfaces, func(x, y probes.InterfaceImpact) int {
		switch {
		case x.CarriesSSH == y.CarriesSSH:
			return 0
		case x.CarriesSSH:
			return -1
		}
		return 1
	})
	if would.SessionUnknown != "" {
		out = append(out, remark{about: "session", ink: s.Bad, text: "Cannot tell whether your SSH session runs over " +
			strings.Join(slices.Compact([]string{c.Add.A, c.Add.B}), " or ") + ": " + would.SessionUnknown})
	}
	for i := range interfaces {
		out = append(out, consequence(s, &interfaces[i])...)
	}
	if r, ok := mismatch(s, would.Interfaces); ok {
		out = append(out, r)
	}
	if c.Add.A == c.Add.B {
		out = append(out, remark{about: "reflector", text: c.Add.A + " sends back every frame it receives"})
	}
	if c.Trial > 0 {
		out = append(out, remark{about: "trial", text: "after " + short(c.Trial) + " the pairs before come back, unless you press c"})
	}
	exit := "the pair ends with ebpftop"
	if c.Keep {
		exit = "the pair stays"
	}
	return append(out, remark{about: "on exit", text: exit})
}

// consequence describes what one interface loses.
func consequence(s *styleSet, i *probes.InterfaceImpact) []remark {
	var out []remark
	addLine := func(ink ink, text string) { out = append(out, remark{text: text, ink: ink}) }
	if i.CarriesSSH {
		addLine(s.Bad, "CARRIES YOUR SSH SESSION, which hangs until the trial is over")
	}
	if i.Missing {
		addLine(s.Warn, "does not exist: the pair waits for it")
	}
	if i.Master != "" {
		addLine(s.Warn, "is a port of "+i.Master+", which gets nothing from it any more")
	}
	if above := slices.DeleteFunc(slices.Clone(i.Above), func(name string) bool { return name == i.Master }); len(above) > 0 {
		addLine(s.Warn, plural(len(above), "interface on it is cut off: ", "interfaces on it are cut off: ")+firstOf(above))
	}
	if len(i.Addresses) > 0 {
		addLine(s.Warn, plural(len(i.Addresses), "address becomes unreachable: ", "addresses become unreachable: ")+firstOf(texts(i.Addresses)))
	}
	if len(i.Routes) > 0 {
		addLine(s.Warn, plural(len(i.Routes), "route is lost: ", "routes are lost: ")+firstOf(i.Routes))
	}
	if i.Connections > 0 {
		addLine(s.Warn, plural(i.Connections, "connection runs", "connections run")+" over it now")
	}
	if out == nil {
		addLine(s.Good, "no addresses, routes or connections of this host on it")
	}
	out[0].about = i.Interface
	return out
}

func texts(in []netip.Prefix) []string {
	out := make([]string, len(in))
	for i, p := range in {
		out[i] = p.String()
	}
	return out
}

// firstOf names the first and counts the rest.
func firstOf(names []string) string {
	if len(names) <= mostNamed {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:mostNamed], ", ") + fmt.Sprintf(" and %s more", count(uint64(len(names)-mostNamed)))
}

// mismatch is about frames that one end takes and the other cannot send.
func mismatch(s *styleSet, ends []probes.InterfaceImpact) (remark, bool) {
	if len(ends) != 2 || ends[0].Missing || ends[1].Missing || ends[0].MTU == ends[1].MTU {
		return remark{}, false
	}
	small, large := &ends[0], &ends[1]
	if small.MTU > large.MTU {
		small, large = large, small
	}
	return remark{about: "MTU", ink: s.Warn, text: fmt.Sprintf("%s %d, %s %d: longer frames from %s are dropped",
		small.Interface, small.MTU, large.Interface, large.MTU, large.Interface)}, true
}
