package lab

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Offload is a thing that an interface can do for the kernel, or the kernel for
// the layers above, and that can be switched.
type Offload uint32

// The offloads, by the ethtool command that switches each.
const (
	TXChecksum Offload = unix.ETHTOOL_STXCSUM
	GRO        Offload = unix.ETHTOOL_SGRO
)

// SetOffload switches an offload of the interface.
func (n *Namespace) SetOffload(iface string, offload Offload, on bool) error {
	var data uint32
	if on {
		data = 1
	}
	if _, err := n.ethtool(iface, uint32(offload), data); err != nil {
		return fmt.Errorf("set offload %#x of %s to %t: %w", uint32(offload), iface, on, err)
	}
	return nil
}

// keepTagsInData makes the kernel write VLAN tags into the frames that the
// interface sends, instead of leaving that to the interface.
func (n *Namespace) keepTagsInData(iface string) error {
	const txVLAN = 1 << 7 // ETH_FLAG_TXVLAN in linux/ethtool.h
	flags, err := n.ethtool(iface, unix.ETHTOOL_GFLAGS, 0)
	if err == nil {
		_, err = n.ethtool(iface, unix.ETHTOOL_SFLAGS, flags&^txVLAN)
	}
	if err != nil {
		return fmt.Errorf("set VLAN offload of %s off: %w", iface, err)
	}
	return nil
}

// ethtool gives a command with one word, and returns the word of the answer.
func (n *Namespace) ethtool(iface string, command, data uint32) (uint32, error) {
	value := struct{ command, data uint32 }{command, data}
	var request struct {
		name  [unix.IFNAMSIZ]byte
		value unsafe.Pointer
		_     [16]byte // struct ifreq is longer
	}
	copy(request.name[:unix.IFNAMSIZ-1], iface)
	request.value = unsafe.Pointer(&value)
	err := n.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
		runtime.KeepAlive(&value)
		if errno != 0 {
			return errno
		}
		return nil
	})
	return value.data, err
}

// AttachXDP attaches an XDP program of that name which passes everything on, in
// native mode and as tools do that use no bpf_link: it stays until it is
// removed or the interface is.
func (n *Namespace) AttachXDP(iface, name string) error {
	program, err := passProgram(name)
	if err != nil {
		return fmt.Errorf("load XDP program %s: %w", name, err)
	}
	defer program.Close()
	err = n.withLink(iface, func(link netlink.Link) error {
		const flags = unix.XDP_FLAGS_DRV_MODE | unix.XDP_FLAGS_UPDATE_IF_NOEXIST
		return netlink.LinkSetXdpFdWithFlags(link, program.FD(), flags)
	})
	if err != nil {
		return fmt.Errorf("attach XDP program %s to %s: %w", name, iface, err)
	}
	return nil
}

func passProgram(name string) (*ebpf.Program, error) {
	const pass = 2 // XDP_PASS
	spec := &ebpf.ProgramSpec{
		Name:         name,
		Type:         ebpf.XDP,
		License:      "GPL",
		Instructions: asm.Instructions{asm.LoadImm(asm.R0, pass, asm.DWord), asm.Return()},
		// So that it can be attached whatever the MTU.
		Flags: unix.BPF_F_XDP_HAS_FRAGS,
	}
	program, err := ebpf.NewProgram(spec)
	if errors.Is(err, unix.EINVAL) { // before Linux 5.18
		spec.Flags = 0
		program, err = ebpf.NewProgram(spec)
	}
	return program, err
}

// PrepareForXDP makes one end of a veth pair take what native XDP redirects to
// the other end. It then has receive queues for such frames, for which the
// kernel needs GRO, or an XDP program before Linux 5.13. And what it sends are
// frames as on a wire, for XDP neither completes checksums nor splits
// aggregates, which an interface without checksums does not make either, and
// loses the VLAN tags that are not in the data.
func (n *Namespace) PrepareForXDP(iface string) error {
	return errors.Join(
		n.SetOffload(iface, TXChecksum, false),
		n.keepTagsInData(iface),
		n.SetOffload(iface, GRO, true),
		n.AttachXDP(iface, "lab_pass"),
	)
}
