package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Elsewhere asks for interfaces in other network namespaces, without entering those: each
// has a number here, its netnsid, if an interface leads to it. That takes CAP_NET_ADMIN
// over the other namespace. Only one goroutine may ask. The socket is made with the first
// question, in the network namespace of that, and anew after an error.
type Elsewhere struct {
	sockets map[int]*nl.SocketHandle // nil if there is none
}

// open makes the socket. It has the kernel check questions, since only then it heeds whatever
// narrows a list (NETLINK_GET_STRICT_CHK, Linux 4.20).
func (e *Elsewhere) open() error {
	const here = -1 // no other namespace than that of the caller
	socket, err := nl.GetNetlinkSocketAt(here, here, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	timeout := nl.SocketTimeoutTv
	if err := errors.Join(
		socket.SetReceiveTimeout(&timeout),
		unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1),
	); err != nil {
		socket.Close()
		return fmt.Errorf("set up a netlink socket: %w", err)
	}
	e.sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}
	return nil
}

// Close closes the socket.
func (e *Elsewhere) Close() {
	for _, socket := range e.sockets {
		socket.Close()
	}
	e.sockets = nil
}

// request asks with an attribute of 32 bits. After an error it closes the socket: part of
// the answer may be left in it, to be taken for that of another question.
func (e *Elsewhere) request(proto, flags int, message nl.NetlinkRequestData, attribute int, value uint32) (answers [][]byte, err error) {
	if e.sockets == nil {
		if err := e.open(); err != nil {
			return nil, err
		}
	}
	request := nl.NewNetlinkRequest(proto, flags)
	request.Sockets = e.sockets
	request.AddData(message)
	request.AddData(nl.NewRtAttr(attribute, binary.NativeEndian.AppendUint32(nil, value)))
	answers, err = request.Execute(unix.NETLINK_ROUTE, 0)
	switch {
	case errors.Is(err, netlink.ErrDumpInterrupted): // that was read to its end
		err = nil
	case err != nil:
		e.Close()
	}
	return answers, err
}

// Attributes of RTM_GETNSID: linux/net_namespace.h.
const (
	netnsaNSID = 1
	netnsaPID  = 2
	netnsaFD   = 3
)

// NumberOfProcess is the netnsid of the network namespace that a process is in. It returns
// false if that has none, or if the process has ended.
func (e *Elsewhere) NumberOfProcess(pid int) (netnsid int, ok bool) {
	return e.number(netnsaPID, uint32(pid))
}

// NumberOfFile is the netnsid of the network namespace that a file stands for. It returns
// false if that has none, or if the file stands for no namespace.
func (e *Elsewhere) NumberOfFile(file *os.File) (netnsid int, ok bool) {
	return e.number(netnsaFD, uint32(file.Fd()))
}

func (e *Elsewhere) number(by int, value uint32) (netnsid int, ok bool) {
	message := nl.NewRtGenMsg()
	answers, err := e.request(unix.RTM_GETNSID, 0, message, by, value)
	if err != nil {
		return 0, false
	}
	for _, m := range answers {
		attributes, err := nl.ParseRouteAttr(m[message.Len():])
		if err != nil {
			return 0, false
		}
		for _, a := range attributes {
			if a.Attr.Type == netnsaNSID && len(a.Value) == 4 {
				netnsid = int(int32(binary.NativeEndian.Uint32(a.Value)))
				return netnsid, netnsid >= 0
			}
		}
	}
	return 0, false
}

// Interface is what there is to know of an interface in another network namespace: its
// name, and its addresses in the kernel's order.
func (e *Elsewhere) Interface(netnsid, ifindex int) (name string, addresses []netip.Prefix, err error) {
	if name, err = e.name(netnsid, ifindex); err != nil {
		return "", nil, fmt.Errorf("ask for interface %d: %w", ifindex, err)
	}
	if addresses, err = e.addresses(netnsid, ifindex); err != nil {
		return name, nil, fmt.Errorf("ask for the addresses of %s: %w", name, err)
	}
	return name, addresses, nil
}

func (e *Elsewhere) name(netnsid, ifindex int) (string, error) {
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(ifindex)
	answers, err := e.request(unix.RTM_GETLINK, 0, message, unix.IFLA_TARGET_NETNSID, uint32(netnsid))
	if err != nil {
		return "", err
	}
	for _, m := range answers {
		attributes, err := nl.ParseRouteAttr(m[message.Len():])
		if err != nil {
			return "", err
		}
		for _, a := range attributes {
			if a.Attr.Type == unix.IFLA_IFNAME {
				return unix.ByteSliceToString(a.Value), nil
			}
		}
	}
	return "", unix.ENODEV
}

func (e *Elsewhere) addresses(netnsid, ifindex int) (addresses []netip.Prefix, err error) {
	err = e.eachAddress(netnsid, ifindex, func(_ int, address netip.Prefix) { addresses = append(addresses, address) })
	return addresses, err
}

// eachAddress gives those of an interface, of all if it is 0.
func (e *Elsewhere) eachAddress(netnsid, ifindex int, give func(ifindex int, address netip.Prefix)) error {
	message := nl.NewIfAddrmsg(unix.AF_UNSPEC)
	message.Index = uint32(ifindex)
	answers, err := e.request(unix.RTM_GETADDR, unix.NLM_F_DUMP, message, unix.IFA_TARGET_NETNSID, uint32(netnsid))
	if err != nil {
		return err
	}
	for _, m := range answers {
		of := nl.DeserializeIfAddrmsg(m)
		attributes, err := nl.ParseRouteAttr(m[of.Len():])
		if err != nil {
			return err
		}
		if address, ok := addressOf(attributes); ok && (ifindex == 0 || int(of.Index) == ifindex) {
			give(int(of.Index), netip.PrefixFrom(address, int(of.Prefixlen)))
		}
	}
	return nil
}

// Links lists the interfaces of another network namespace. The numbers that they have for
// other namespaces are those of this one.
func (e *Elsewhere) Links(netnsid int) ([]netlink.Link, error) {
	request := nl.NewIfInfomsg(unix.AF_UNSPEC)
	answers, err := e.request(unix.RTM_GETLINK, unix.NLM_F_DUMP, request, unix.IFLA_TARGET_NETNSID, uint32(netnsid))
	if err != nil {
		return nil, fmt.Errorf("list interfaces of network namespace %d: %w", netnsid, err)
	}
	links := make([]netlink.Link, 0, len(answers))
	for _, m := range answers {
		l, err := netlink.LinkDeserialize(&unix.NlMsghdr{}, m)
		if err != nil {
			return nil, fmt.Errorf("list interfaces of network namespace %d: %w", netnsid, err)
		}
		links = append(links, l)
	}
	return links, nil
}

// Addresses lists those of all interfaces of another network namespace, by ifindex.
func (e *Elsewhere) Addresses(netnsid int) (map[int][]netip.Prefix, error) {
	addresses := make(map[int][]netip.Prefix)
	err := e.eachAddress(netnsid, 0, func(ifindex int, address netip.Prefix) {
		addresses[ifindex] = append(addresses[ifindex], address)
	})
	return addresses, err
}

// SetNumber gives the network namespace of a file a netnsid here, if it has none: what can be
// asked about it afterwards goes by that. It stays for as long as both namespaces are there.
func (e *Elsewhere) SetNumber(file *os.File) (netnsid int, err error) {
	return e.setNumber(netnsaFD, uint32(file.Fd()))
}

// SetNumberOfProcess does so for that which a process is in.
func (e *Elsewhere) SetNumberOfProcess(pid int) (netnsid int, err error) {
	return e.setNumber(netnsaPID, uint32(pid))
}

func (e *Elsewhere) setNumber(by int, value uint32) (netnsid int, err error) {
	if netnsid, ok := e.number(by, value); ok {
		return netnsid, nil
	}
	// Without NETNSA_NSID it is refused: -1 leaves the choice to the kernel.
	choice := nl.NewRtAttr(netnsaNSID, binary.NativeEndian.AppendUint32(nil, math.MaxUint32))
	message := append(nl.NewRtGenMsg().Serialize(), choice.Serialize()...)
	if _, err := e.request(unix.RTM_NEWNSID, unix.NLM_F_ACK, rawMessage(message), by, value); err != nil {
		return 0, fmt.Errorf("number a network namespace: %w", err)
	}
	netnsid, ok := e.number(by, value)
	if !ok {
		return 0, fmt.Errorf("number a network namespace: %w", unix.ESRCH)
	}
	return netnsid, nil
}

// rawMessage is a message with attributes in it.
type rawMessage []byte

func (m rawMessage) Len() int          { return len(m) }
func (m rawMessage) Serialize() []byte { return m }

// addressOf is the address of the interface itself: IFA_LOCAL if that is there, since
// IFA_ADDRESS is then the other end of a point-to-point line.
func addressOf(attributes []syscall.NetlinkRouteAttr) (address netip.Addr, ok bool) {
	for _, a := range attributes {
		switch a.Attr.Type {
		case unix.IFA_LOCAL:
			return netip.AddrFromSlice(a.Value)
		case unix.IFA_ADDRESS:
			address, ok = netip.AddrFromSlice(a.Value)
		}
	}
	return address, ok
}
