// Package impact says what a cross-connect does to what uses its interfaces now, above
// all to the SSH session of the user.
package impact

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
)

// uses are what uses the interfaces of the namespace now.
type uses struct {
	links     []netlink.Link
	addresses map[int][]netip.Prefix // by ifindex
	routes    []netlink.Route
	carriers  []int // ifindexes that the user's SSH session runs over
	unknown   error // why there may be more of these, nil if there are not
}

// Of says what a change does to who uses the interfaces that it connects now. connections
// counts the connections seen on an interface, and sessions finds the user's SSH session. A
// change that only removes a pair gives interfaces back, and so has no impact. Of fails if
// the kernel does not list interfaces, addresses or routes.
func Of(change probes.Change, connections func(iface string) int, sessions func() (Sessions, error)) (probes.Impact, error) {
	if change.Add == nil {
		return probes.Impact{}, nil
	}
	now, err := findUses(sessions)
	if err != nil {
		return probes.Impact{}, err
	}
	var c probes.Impact
	if now.unknown != nil {
		c.SessionUnknown = probes.OneLine(now.unknown)
	}
	ends := slices.Compact([]string{change.Add.A, change.Add.B})
	for _, name := range ends {
		i := now.of(name, ends)
		i.Connections = connections(name)
		c.Interfaces = append(c.Interfaces, i)
	}
	return c, nil
}

func findUses(sessions func() (Sessions, error)) (uses, error) {
	var a rtnl.Socket
	defer a.Close()
	links, err := a.Links()
	if err != nil {
		return uses{}, err
	}
	addresses, err := a.Addresses()
	if err != nil {
		return uses{}, err
	}
	routes, err := listRoutes()
	if err != nil {
		return uses{}, err
	}
	found, unknown := sessions()
	return uses{links: links, addresses: addresses, routes: routes, carriers: found.carriers(links), unknown: unknown}, nil
}

// of describes an end of the pair. An interface that does not exist is described as
// missing.
func (u uses) of(name string, ends []string) probes.InterfaceImpact {
	i := slices.IndexFunc(u.links, func(l netlink.Link) bool { return l.Attrs().Name == name })
	if i < 0 {
		return probes.InterfaceImpact{Interface: name, Missing: true}
	}
	attrs := u.links[i].Attrs()
	found := probes.InterfaceImpact{
		Interface:  name,
		MTU:        attrs.MTU,
		Addresses:  slices.Clone(u.addresses[attrs.Index]),
		Routes:     u.routesOut(attrs.Index),
		CarriesSSH: slices.Contains(u.carriers, attrs.Index),
		Master:     u.nameOf(attrs.MasterIndex),
	}
	for _, above := range u.above(attrs.Index, ends) {
		found.Above = append(found.Above, u.nameOf(above))
		found.Addresses = append(found.Addresses, u.addresses[above]...)
		found.Routes = append(found.Routes, u.routesOut(above)...)
	}
	return found
}

// above lists the interfaces that can be reached only by this one: what stands on it, and
// on that, and so on.
func (u uses) above(ifindex int, ends []string) []int {
	cut := []int{ifindex}
	for before := 0; before < len(cut); {
		before = len(cut)
		for _, l := range u.links {
			if !slices.Contains(cut, l.Attrs().Index) && u.isOn(l.Attrs(), cut, ends) {
				cut = append(cut, l.Attrs().Index)
			}
		}
	}
	return cut[1:]
}

// isOn tells whether an interface stands on one that is cut off, as a VLAN or the peer of
// a veth does, or has no ports but these and the ends of the pair. If the lower device is
// in another namespace, its ifindex means another interface here.
func (u uses) isOn(attrs *netlink.LinkAttrs, cut []int, ends []string) bool {
	if attrs.ParentIndex != 0 && attrs.NetNsID < 0 {
		return slices.Contains(cut, attrs.ParentIndex)
	}
	isPort := false
	for _, l := range u.links {
		port := l.Attrs()
		if port.MasterIndex != attrs.Index {
			continue
		}
		isCut := slices.Contains(cut, port.Index)
		if !isCut && !slices.Contains(ends, port.Name) {
			return false // a way that is left
		}
		isPort = isPort || isCut
	}
	return isPort
}

// nameOf is empty for 0, which no interface has.
func (u uses) nameOf(ifindex int) string {
	for _, l := range u.links {
		if l.Attrs().Index == ifindex {
			return l.Attrs().Name
		}
	}
	return ""
}

// routesOut describes the routes out of the interface.
func (u uses) routesOut(ifindex int) []string {
	var out []string
	for _, route := range u.routes {
		for _, hop := range nexthops(route) {
			if hop.LinkIndex == ifindex {
				out = append(out, describeRoute(route, hop))
			}
		}
	}
	return out
}

// describeRoute is as short as `ip route`, and shorter.
func describeRoute(route netlink.Route, hop *netlink.NexthopInfo) string {
	destination := "default"
	if !isDefault(route) {
		destination = route.Dst.String()
	}
	if via, ok := hop.Via.(*netlink.Via); ok { // IPv4 by way of an IPv6 gateway
		return destination + " via " + via.Addr.String()
	}
	if hop.Gw != nil {
		return destination + " via " + hop.Gw.String()
	}
	return destination
}

// isDefault tells whether the route is one to everywhere.
func isDefault(route netlink.Route) bool {
	if route.Dst == nil {
		return true
	}
	length, _ := route.Dst.Mask.Size()
	return length == 0
}

// nexthops lists the ways a route takes: one, unless it shares the load among
// several.
func nexthops(route netlink.Route) []*netlink.NexthopInfo {
	if len(route.MultiPath) > 0 {
		return route.MultiPath
	}
	return []*netlink.NexthopInfo{{LinkIndex: route.LinkIndex, Gw: route.Gw, Via: route.Via}}
}

// listRoutes lists the unicast routes of all tables, those to this host itself
// and to fe80::/64 excepted. It fails if the kernel does not list them.
func listRoutes() ([]netlink.Route, error) {
	unicast := &netlink.Route{Table: unix.RT_TABLE_UNSPEC, Type: unix.RTN_UNICAST}
	var routes []netlink.Route
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		// RT_TABLE_UNSPEC stands for all tables; unasked, netlink keeps to main.
		err := netlink.RouteListFilteredIter(family, unicast, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE, func(route netlink.Route) bool {
			if !isLinkLocal(route) {
				routes = append(routes, route)
			}
			return true
		})
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, fmt.Errorf("list routes: %w", err)
		}
	}
	return routes, nil
}

// isLinkLocal recognizes fe80::/64, which every interface with IPv6 has.
func isLinkLocal(route netlink.Route) bool {
	return route.Dst != nil && route.Dst.IP.To4() == nil && route.Dst.IP.IsLinkLocalUnicast()
}
