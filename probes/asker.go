package probes

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/hook"
)

// asker asks the kernel for interfaces, and what is on them, over one socket: to
// make one for each question costs as much as some answers. The socket is made in
// the network namespace of the first question. Only one goroutine may ask.
type asker struct {
	handle *netlink.Handle // nil before the first question, and after an error
}

// ask calls fn with the socket. After an error it closes that: part of the answer
// may be left in it, to be taken for that of another question.
func (a *asker) ask(fn func(*netlink.Handle) error) error {
	if a.handle == nil {
		handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open a netlink socket: %w", err)
		}
		a.handle = handle
		if err := handle.SetSocketTimeout(netlink.GetSocketTimeout()); err != nil {
			a.close()
			return fmt.Errorf("limit the time of an answer: %w", err)
		}
	}
	err := fn(a.handle)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // that was read to its end
		a.close()
	}
	return err
}

// close closes the socket, which another question makes anew.
func (a *asker) close() {
	if a.handle != nil {
		a.handle.Close()
		a.handle = nil
	}
}

// links lists the interfaces of the namespace. A list that a change interrupted
// is asked for again; the last one counts, since a message of the change is on its
// way.
func (a *asker) links() (links []netlink.Link, err error) {
	for range 5 {
		err = a.ask(func(h *netlink.Handle) (err error) {
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

// addresses lists the addresses of all interfaces by ifindex.
func (a *asker) addresses() (map[int][]netip.Prefix, error) {
	var list []netlink.Addr
	err := a.ask(func(h *netlink.Handle) (err error) {
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

// filters lists the filters on one side of an interface.
func (a *asker) filters(ifindex int, parent hook.Parent) (filters []netlink.Filter, err error) {
	err = a.ask(func(h *netlink.Handle) (err error) {
		filters, err = hook.ListFiltersOver(h, ifindex, parent)
		return err
	})
	return filters, err
}

// listLinks is links for who has no other question.
func listLinks() ([]netlink.Link, error) {
	var a asker
	defer a.close()
	return a.links()
}
