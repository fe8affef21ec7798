package crossconnect

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
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

// flagPromiscuity stays without a process: it sets the interface's own flag. What says so is an
// alternative name of the interface, which whoever lists interfaces sees: it goes where the device
// goes, and stays if somebody removes the pins.
type flagPromiscuity struct{}

// promiscuousNote is what these names begin with. In one network namespace no two may be the
// same, or a device could not be moved there.
const promiscuousNote = "promiscuous-by-ebpftop-"

func (flagPromiscuity) enter(_ *ingress, device netlink.Link) error {
	if device.Attrs().RawFlags&unix.IFF_PROMISC != 0 {
		return nil // by us, or by somebody who wants it to stay
	}
	// Noted first: a process that is killed in between leaves nothing that nobody knows of.
	note := fmt.Sprintf("%s%08x", promiscuousNote, rand.Uint32())
	err := netlink.LinkAddAltName(device, note)
	if err == nil {
		if err = netlink.SetPromiscOn(device); err != nil {
			err = errors.Join(err, netlink.LinkDelAltName(device, note))
		}
	}
	if err != nil {
		return fmt.Errorf("make %s promiscuous: %w", device.Attrs().Name, err)
	}
	return nil
}

func (flagPromiscuity) leave(p *ingress) error {
	if p.ifindex() == 0 {
		return nil
	}
	device, err := netlink.LinkByIndex(p.ifindex())
	if _, isMissing := errors.AsType[netlink.LinkNotFoundError](err); isMissing {
		return nil // it takes the note along
	}
	if err != nil {
		return fmt.Errorf("end promiscuous mode of %s: %w", p.name(), err)
	}
	return endPromiscuity(device)
}

// endPromiscuity takes back the flag that a note on a device tells of, if there is one.
func endPromiscuity(device netlink.Link) error {
	note := slices.IndexFunc(device.Attrs().AltNames, isPromiscuousNote)
	if note < 0 {
		return nil
	}
	err := netlink.SetPromiscOff(device)
	if err == nil {
		err = netlink.LinkDelAltName(device, device.Attrs().AltNames[note])
	}
	for _, gone := range []error{unix.ENODEV, unix.EINVAL, unix.ENOENT} { // the device, or the note since it was listed
		if errors.Is(err, gone) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("end promiscuous mode of %s: %w", device.Attrs().Name, err)
	}
	return nil
}

func isPromiscuousNote(name string) bool { return strings.HasPrefix(name, promiscuousNote) }

func (flagPromiscuity) Close() error { return nil }

// endStrayPromiscuity takes back what the pair of a device has left that is kept no more, because
// somebody removed its pins, or the device was away when it was disconnected.
func (c *change) endStrayPromiscuity() error {
	if !c.set.isKept() {
		return nil
	}
	var errs []error
	for name, device := range c.links {
		if !slices.ContainsFunc(device.Attrs().AltNames, isPromiscuousNote) || c.set.ingresses.haveDevice(device.Attrs().Index) {
			continue
		}
		if unpinned, err := c.sweep().find(name); err != nil || unpinned != nil {
			errs = append(errs, err) // nil: its filter redirects still
			continue
		}
		errs = append(errs, endPromiscuity(device))
	}
	return errors.Join(errs...)
}
