package probes

import (
	"bytes"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// session is the SSH session that ebpftop was started from, if any: the two
// ends of its TCP connection. XDP is kept away from the interface under it.
type session struct {
	client, server net.IP
}

// findSession looks for SSH_CONNECTION in the environment of this process and
// its ancestors: sudo strips it from ours, but the shell before sudo has it.
func findSession() session {
	for pid := os.Getpid(); pid > 1; pid = parentOf(pid) {
		environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		if err != nil {
			continue // of another user, or gone: its parent may still tell
		}
		for variable := range bytes.SplitSeq(environ, []byte{0}) {
			value, ok := strings.CutPrefix(string(variable), "SSH_CONNECTION=")
			// Client address and port, server address and port: ssh(1).
			if fields := strings.Fields(value); ok && len(fields) == 4 {
				return session{client: net.ParseIP(fields[0]), server: net.ParseIP(fields[2])}
			}
		}
	}
	return session{}
}

// parentOf returns 0 where the process is gone.
func parentOf(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// The name, in parentheses, may itself hold parentheses and blanks: proc(5).
	_, after, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	fields := strings.Fields(after)
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// carriers lists the ifindexes that the session runs over: the interface that
// has the server's address or leads to the client, and what lies under it.
func (s session) carriers(links []netlink.Link) []int {
	if s.client == nil {
		return nil
	}
	var carriers []int
	routes, _ := netlink.RouteGet(s.client) // no route: the address may tell
	for _, route := range routes {
		carriers = append(carriers, route.LinkIndex)
	}
	addresses, _ := netlink.AddrList(nil, netlink.FAMILY_ALL)
	for _, address := range addresses {
		if address.IP.Equal(s.server) {
			carriers = append(carriers, address.LinkIndex)
		}
	}
	return addLowers(carriers, links)
}

// addLowers adds the ports of a bond, bridge or team in upper, and the device
// under a VLAN or the like, down to the hardware.
func addLowers(upper []int, links []netlink.Link) []int {
	for i := 0; i < len(upper); i++ {
		for _, l := range links {
			attrs := l.Attrs()
			if attrs.MasterIndex == upper[i] && !slices.Contains(upper, attrs.Index) {
				upper = append(upper, attrs.Index)
			}
			// Of a veth, the parent is its peer, maybe in another namespace.
			stacked := slices.Contains([]string{"vlan", "macvlan", "ipvlan", "macsec"}, l.Type())
			if attrs.Index == upper[i] && stacked && !slices.Contains(upper, attrs.ParentIndex) {
				upper = append(upper, attrs.ParentIndex)
			}
		}
	}
	return upper
}
