package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// receiveBuffer is how many bytes of frames may wait for Receive, at about
// 1 kB for each small frame.
const receiveBuffer = 64 << 20

// Wire sends and receives whole Ethernet frames on one interface. It is there
// from Open on: frames that arrive before Receive is called wait.
type Wire struct {
	iface string
	file  *os.File
	conn  syscall.RawConn
	frame []byte
	aux   []byte
}

// Open opens a wire on an interface of the namespace, which must be up.
func (n *Namespace) Open(iface string) (*Wire, error) {
	return n.open(iface, unix.ETH_P_ALL)
}

// Inject sends frames out of an interface of the namespace, as they are.
func (n *Namespace) Inject(iface string, frames ...[]byte) error {
	wire, err := n.open(iface, 0) // 0: receives nothing
	if err != nil {
		return err
	}
	defer wire.Close()
	return wire.Send(frames...)
}

func (n *Namespace) open(iface string, ethertype uint16) (*Wire, error) {
	var fd int
	err := n.withLink(iface, func(link netlink.Link) (err error) {
		fd, err = packetSocket(link.Attrs().Index, ethertype)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open raw socket on %s: %w", iface, err)
	}
	file := os.NewFile(uintptr(fd), iface)
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("open raw socket on %s: %w", iface, err)
	}
	return &Wire{
		iface: iface,
		file:  file,
		conn:  conn,
		frame: make([]byte, 1<<17), // above the largest GSO aggregate on a default link
		aux:   make([]byte, 128),
	}, nil
}

// packetSocket is bound to the interface from the first frame on: made for no
// protocol at all, it hears nothing before bind.
func packetSocket(ifindex int, ethertype uint16) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	options := []struct{ level, option, value int }{
		{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		{unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
		{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer},
		{unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, receiveBuffer},
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.option, o.value); err != nil {
			unix.Close(fd)
			return 0, fmt.Errorf("socket option %d: %w", o.option, err)
		}
	}
	address := &unix.SockaddrLinklayer{Protocol: networkOrder(ethertype), Ifindex: ifindex}
	if err := unix.Bind(fd, address); err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("bind: %w", err)
	}
	return fd, nil
}

func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// Send sends the frames, each from its Ethernet header on and without frame
// check sequence, in this order. The kernel takes frames from 14 bytes to the
// MTU and header. It returns ENOBUFS, wrapped, for a frame that found a queue full.
func (w *Wire) Send(frames ...[]byte) error {
	for i, frame := range frames {
		if _, err := w.file.Write(frame); err != nil {
			return fmt.Errorf("send frame %d of %d on %s: %w", i+1, len(frames), w.iface, err)
		}
	}
	return nil
}

// Receive waits for the next frame that arrives on the interface and returns
// it byte for byte, VLAN tags included. After the deadline the error wraps
// os.ErrDeadlineExceeded, after Close os.ErrClosed. Only one goroutine at a
// time may receive.
func (w *Wire) Receive(deadline time.Time) ([]byte, error) {
	var length, auxLength int
	var receiveErr error
	err := w.file.SetReadDeadline(deadline)
	if err == nil {
		err = w.conn.Read(func(fd uintptr) bool {
			length, auxLength, _, _, receiveErr = unix.Recvmsg(int(fd), w.frame, w.aux, unix.MSG_TRUNC)
			return receiveErr != unix.EAGAIN
		})
	}
	switch {
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		err = os.ErrClosed // the only other error here, internal to package os
	case err == nil && receiveErr != nil:
		err = receiveErr
	case err == nil && length > len(w.frame):
		err = fmt.Errorf("frame of %d bytes is longer than %d", length, len(w.frame))
	}
	if err != nil {
		return nil, fmt.Errorf("receive on %s: %w", w.iface, err)
	}
	return restoreTag(slices.Clone(w.frame[:length]), w.aux[:auxLength])
}

// restoreTag puts the outer VLAN tag back in its place: the kernel takes it out
// of every frame it receives and reports it beside the data.
func restoreTag(frame, control []byte) ([]byte, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("auxiliary data of frame: %w", err)
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		aux := (*unix.TpacketAuxdata)(unsafe.Pointer(unsafe.SliceData(m.Data)))
		if aux.Status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tag := binary.BigEndian.AppendUint16(nil, aux.Vlan_tpid)
		tag = binary.BigEndian.AppendUint16(tag, aux.Vlan_tci)
		frame = slices.Insert(frame, 12, tag...) // behind the two MAC addresses
	}
	return frame, nil
}

// Close closes the socket; a Receive that waits returns.
func (w *Wire) Close() error {
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("close raw socket on %s: %w", w.iface, err)
	}
	return nil
}
