package impact

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
)

// Session is an SSH session: the two ends of its TCP connection. XDP is not attached to
// the interfaces that it runs over, and the user is warned before cutting it off.
type Session struct {
	Client, Server net.IP
	// scope is the interface that link-local addresses are of, and the VRF that
	// other ones are in; 0 if there is none.
	Scope int
}

// Sessions are the SSH sessions that may be the one of the user.
type Sessions []Session

// FindSessions finds the session that a process was started from: the connection
// of the sshd among its ancestors. If that sshd is in another network
// namespace, the session runs over no interface of ours.
//
// Under tmux, screen and mosh no ancestor is an sshd; and a client on this host
// itself (the end of an ssh -R, or ssh localhost) does not tell where the user
// is. Then all connections of ssh programs count, and SSH_CONNECTION with them:
// one warning too many is better than a user cut off. Only the console of the
// machine needs no connection.
//
// It returns an error, besides what it found, if there may be more: the kernel did not
// let it see all that it had to look at.
func FindSessions(pid int) (Sessions, error) {
	ancestors, errAncestors := listAncestors(pid)
	connections, errConnections := establishedTCP()
	own, errOwn := socketsOf(sshAmong(ancestors))
	isSSH := len(own) > 0 || errOwn != nil
	if !isSSH && errAncestors == nil && slices.ContainsFunc(ancestors, onConsole) {
		return nil, nil
	}
	unknown := cmp.Or(errAncestors, errOwn, errConnections)
	if isSSH && unknown == nil {
		found := connectionsOf(own, connections)
		if !slices.ContainsFunc(found, func(s Session) bool { return isHere(s.Client, connections) }) {
			return found, nil
		}
	}
	processes, errProcesses := listProcesses()
	all, errAll := socketsOf(sshAmong(processes))
	found := append(connectionsOf(all, connections), environmentSessions(ancestors)...)
	return found, cmp.Or(unknown, errProcesses, errAll)
}

// establishedTCP lists the TCP connections of the network namespace. It fails
// if the kernel has no sock_diag(7) for TCP.
func establishedTCP() ([]*netlink.Socket, error) {
	var established []*netlink.Socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, fmt.Errorf("list TCP connections: %w", err)
		}
		for _, socket := range sockets {
			if socket.State == netlink.TCP_ESTABLISHED {
				established = append(established, socket)
			}
		}
	}
	return established, nil
}

// connectionsOf picks the connections whose inodes are among sockets.
func connectionsOf(sockets map[uint32]bool, connections []*netlink.Socket) Sessions {
	var found Sessions
	for _, c := range connections {
		if sockets[c.INode] {
			found = append(found, Session{Client: c.ID.Destination, Server: c.ID.Source, Scope: int(c.ID.Interface)})
		}
	}
	return found
}

// isHere tells whether a connection to ip has its other end on this host, too.
func isHere(ip net.IP, connections []*netlink.Socket) bool {
	return slices.ContainsFunc(connections, func(c *netlink.Socket) bool { return c.ID.Source.Equal(ip) })
}

// carriers lists the ifindexes that any of the sessions runs over.
func (s Sessions) carriers(links []netlink.Link) []int {
	var carriers []int
	for _, one := range s {
		carriers = append(carriers, one.Carriers(links)...)
	}
	return carriers
}

// Carriers lists the ifindexes that the session runs over: the interfaces that
// have the server's address or lead to the client, and what lies under them.
func (s Session) Carriers(links []netlink.Link) []int {
	var upper []int
	for _, route := range s.routes() {
		for _, hop := range nexthops(route) {
			upper = append(upper, hop.LinkIndex)
		}
	}
	addresses, _ := netlink.AddrList(nil, netlink.FAMILY_ALL) // the route alone may tell
	for _, address := range addresses {
		if address.IP.Equal(s.Server) {
			upper = append(upper, address.LinkIndex)
		}
	}
	carriers := addLowers(upper, links)
	if overTunnel(carriers, links) {
		carriers = addLowers(append(carriers, defaultWays()...), links)
	}
	return carriers
}

// routes leads from the server's address, which policy routing may depend on,
// to the client: all ways if there are several, of which each connection gets
// one (RTM_F_FIB_MATCH, Linux 4.13). An address from SSH_CONNECTION may have
// gone since, then the client's is left.
func (s Session) routes() []netlink.Route {
	routes, err := netlink.RouteGetWithOptions(s.Client, &netlink.RouteGetOptions{
		SrcAddr: s.Server, OifIndex: s.Scope, FIBMatch: true,
	})
	if err != nil {
		routes, _ = netlink.RouteGet(s.Client) // no route: the address may tell
	}
	return routes
}

// overTunnel tells whether one of the carriers is a tunnel, which wraps packets
// into others: it has no Ethernet header, and no device under it that the
// kernel would tell (wireguard, tun).
func overTunnel(carriers []int, links []netlink.Link) bool {
	return slices.ContainsFunc(links, func(l netlink.Link) bool {
		return slices.Contains(carriers, l.Attrs().Index) && !rtnl.HasEthernet(l)
	})
}

// defaultWays lists the interfaces of default routes: by one of them a tunnel
// to far away leaves.
func defaultWays() []int {
	routes, _ := listRoutes() // without them nothing leaves
	var ways []int
	for _, route := range routes {
		for _, hop := range nexthops(route) {
			if isDefault(route) {
				ways = append(ways, hop.LinkIndex)
			}
		}
	}
	return ways
}

// addLowers adds what lies under the interfaces in upper, down to the hardware.
func addLowers(upper []int, links []netlink.Link) []int {
	for i := 0; i < len(upper); i++ {
		for _, lower := range lowersOf(upper[i], links) {
			if !slices.Contains(upper, lower) {
				upper = append(upper, lower)
			}
		}
	}
	return upper
}

// lowersOf lists the ports of a bond, bridge or team, the device under a VLAN
// or the like, and of a veth the peer with what the peer is a port of. A device
// that lies in another namespace has another's ifindex and is left out.
func lowersOf(ifindex int, links []netlink.Link) []int {
	var lowers []int
	parent := 0
	for _, l := range links {
		attrs := l.Attrs()
		if attrs.MasterIndex == ifindex {
			lowers = append(lowers, attrs.Index)
		}
		if attrs.Index == ifindex && attrs.NetNsID < 0 {
			parent = attrs.ParentIndex
		}
		if l.Type() == "veth" && attrs.ParentIndex == ifindex && attrs.NetNsID < 0 && attrs.MasterIndex != 0 {
			lowers = append(lowers, attrs.MasterIndex)
		}
	}
	if parent != 0 {
		lowers = append(lowers, parent)
	}
	return lowers
}
