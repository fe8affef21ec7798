package crossconnect

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
)

// promiscuity makes interfaces take frames for any MAC address, as long as they
// are connected: hardware would drop them.
type promiscuity interface {
	enter(p *ingress, device netlink.Link) error
	leave(p *ingress) error
	Close() error
}

// socketPromiscuity ends with the process: the kernel ends it with the socket.
type socketPromiscuity struct {
	fd      int // 0: none yet
	members map[int]bool
}

func (s *socketPromiscuity) enter(_ *ingress, device netlink.Link) error {
	ifindex := device.Attrs().Index
	if s.members[ifindex] {
		return nil
	}
	if s.fd == 0 {
		// Of no protocol: it receives nothing.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open packet socket: %w", err)
		}
		s.fd, s.members = fd, make(map[int]bool)
	}
	if err := s.ask(unix.PACKET_ADD_MEMBERSHIP, ifindex); err != nil {
		return fmt.Errorf("make %s promiscuous: %w", device.Attrs().Name, err)
	}
	s.members[ifindex] = true
	return nil
}

func (s *socketPromiscuity) ask(option, ifindex int) error {
	return unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, option, &unix.PacketMreq{
		Ifindex: int32(ifindex), Type: unix.PACKET_MR_PROMISC,
	})
}

func (s *socketPromiscuity) leave(p *ingress) error {
	if !s.members[p.ifindex()] {
		return nil
	}
	delete(s.members, p.ifindex())
	err := s.ask(unix.PACKET_DROP_MEMBERSHIP, p.ifindex())
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("end promiscuous mode of %s: %w", p.name(), err)
	}
	return nil // or the device is gone
}

func (s *socketPromiscuity) Close() error {
	if s.fd == 0 {
		return nil
	}
	fd := s.fd
	s.fd, s.members = 0, nil
	return unix.Close(fd)
}

// flagPromiscuity stays without a process: it sets the interface's own flag,
// and the ingress's record says so. A device that moves to another network namespace
// takes the flag along, and is still noted when it is back.
type flagPromiscuity struct{}

func (flagPromiscuity) enter(p *ingress, device netlink.Link) error {
	if device.Attrs().RawFlags&unix.IFF_PROMISC != 0 {
		return nil // by us, or by somebody who wants it to stay
	}
	// Noted first: a process that is killed in between leaves nothing that
	// nobody knows of.
	p.record.Promiscuous = uint32(device.Attrs().Index)
	err := p.write()
	if err == nil {
		err = netlink.SetPromiscOn(device)
	}
	if err != nil {
		p.record.Promiscuous = 0
		return errors.Join(fmt.Errorf("make %s promiscuous: %w", device.Attrs().Name, err), p.write())
	}
	return nil
}

func (flagPromiscuity) leave(p *ingress) error {
	if p.record.Promiscuous == 0 {
		return nil
	}
	// Another device may have its ifindex meanwhile.
	if isHome, err := p.maps.devices.isHome(); err != nil || !isHome {
		return err
	}
	isGone, err := setPromiscOff(&p.record)
	if err != nil || isGone {
		return err
	}
	p.record.Promiscuous = 0
	return p.write()
}

// setPromiscOff takes back the flag that a record notes, unless the device is gone.
func setPromiscOff(record *bpf.CrossConnectsCrossConnect) (isGone bool, err error) {
	device := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: int(record.Promiscuous)}}
	err = netlink.SetPromiscOff(device)
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("end promiscuous mode of %s: %w", text(record.Name), err)
	}
	return false, nil
}

func (flagPromiscuity) Close() error { return nil }
