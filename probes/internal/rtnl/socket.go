// Package rtnl asks the kernel for network interfaces, and for what is on them.
package rtnl

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// Socket asks the kernel for interfaces, and what is on them, over one socket: to
// make one for each question costs as much as some answers. The socket is made in
// the network namespace of the first question. Only one goroutine may ask.
type Socket struct {
	handle *netlink.Handle // nil before the first question, and after an error
}

// ask calls fn with the socket. After an error it closes that: part of the answer
// may be left in it, to be taken for that of another question.
func (s *Socket) ask(fn func(*netlink.Handle) error) error {
	if s.handle == nil {
		handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open a netlink socket: %w", err)
		}
		s.handle = handle
		if err := handle.SetSocketTimeout(netlink.GetSocketTimeout()); err != nil {
			s.Close()
			return fmt.Errorf("limit the time of an answer: %w", err)
		}
	}
	err := fn(s.handle)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // that was read to its end
		s.Close()
	}
	return err
}

// Close closes the socket, which another question makes anew.
func (s *Socket) Close() {
	if s.handle != nil {
		s.handle.Close()
		s.handle = nil
	}
}

// Links lists the interfaces of the namespace. A list that a change interrupted
// is asked for again; the last one counts, since a message of the change is on its
// way.
func (s *Socket) Links() (links []netlink.Link, err error) {
	for range 5 {
		err = s.ask(func(h *netlink.Handle) (err error) {
			links, err = h.LinkList()
			return err
		})
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return links, nil
}

// Addresses lists the addresses of all interfaces by ifindex.
func (s *Socket) Addresses() (map[int][]netip.Prefix, error) {
	var list []netlink.Addr
	err := s.ask(func(h *netlink.Handle) (err error) {
		list, err = h.AddrList(nil, netlink.FAMILY_ALL)
		return err
	})
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	addresses := make(map[int][]netip.Prefix)
	for _, address := range list {
		ip, ok := netip.AddrFromSlice(address.IP)
		if !ok {
			continue
		}
		ones, _ := address.Mask.Size()
		addresses[address.LinkIndex] = append(addresses[address.LinkIndex], netip.PrefixFrom(ip.Unmap(), ones))
	}
	return addresses, nil
}

// NamespaceID returns the number that the network namespace has for that of a process, -1 if
// it has none; false if the process is gone.
func (s *Socket) NamespaceID(pid uint32) (id int, ok bool) {
	var gone error // which is no reason to close the socket
	err := s.ask(func(h *netlink.Handle) error {
		id, gone = h.GetNetNsIdByPid(int(pid))
		return nil
	})
	return id, err == nil && gone == nil
}

// Filters lists the filters on one side of an interface.
func (s *Socket) Filters(ifindex int, parent attach.Parent) (filters []netlink.Filter, err error) {
	err = s.ask(func(h *netlink.Handle) (err error) {
		filters, err = attach.ListFiltersOver(h, ifindex, parent)
		return err
	})
	return filters, err
}

// ListLinks is Links for callers that have no other question.
func ListLinks() ([]netlink.Link, error) {
	var s Socket
	defer s.Close()
	return s.Links()
}

// HasEthernet tells whether frames of an interface begin with an Ethernet header.
func HasEthernet(l netlink.Link) bool {
	encapsulation := l.Attrs().EncapType
	return encapsulation == "ether" || encapsulation == "loopback"
}
