package crossconnect

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
)

// symptoms are what is known of one direction that may lose frames.
type symptoms struct {
	ingress, egress device
	datapath        Datapath
	// onePage: native XDP does not redirect frames of several pages.
	onePage bool
	// losesNotes: native XDP of a veth loses what is noted beside a frame.
	losesNotes bool
	// errors are those by which XDP dropped frames of late, most frames first.
	errors []redirectError
	// txDropped is by how much tx_dropped of the egress grew meanwhile.
	txDropped uint64
}

// headerBytes is what a frame may have beyond the MTU, an Ethernet header and a
// VLAN tag (__xdp_ok_fwd_dev() in net/core/filter.c, is_skb_forwardable() in
// net/core/dev.c).
const headerBytes = 14 + 4

// vlanTagBytes is the length of one more tag.
const vlanTagBytes = 4

// diagnose says in a sentence what keeps frames from coming out and what to do
// about it. Empty if nothing is known to.
func diagnose(s symptoms) string {
	egress := s.egress
	switch {
	case !egress.isUp:
		return fmt.Sprintf("%s is down: ip link set %s up", egress.name, egress.name)
	case !egress.hasCarrier:
		return fmt.Sprintf("%s has no carrier: the cable is unplugged or the far end down", egress.name)
	case len(s.errors) > 0:
		return diagnoseDrop(s, s.errors[0].errno)
	case s.txDropped > 0:
		return diagnoseTXDropped(s)
	case s.datapath == XDP && s.onePage && s.ingress.kind == veth && s.ingress.mtu+headerBytes > frameInPage():
		return fmt.Sprintf("before Linux 6.3, native XDP drops frames of %s longer than %d bytes: use --datapath tc",
			s.ingress.name, frameInPage())
	// tc leaves the length to the driver, which may well send them.
	case s.datapath != TC && egress.mtu < s.ingress.mtu:
		return tooLong(s)
	case s.datapath == XDP && s.losesNotes && s.ingress.kind == veth:
		return fmt.Sprintf("native XDP loses checksums of TCP and UDP, and VLAN tags, that the far end of %s leaves to its device: "+
			"ethtool -K IF tx off txvlan off there, or use --datapath tc", s.ingress.name)
	}
	return ""
}

// frameInPage is the longest frame that a veth has in one page for native XDP,
// between XDP_PACKET_HEADROOM and struct skb_shared_info.
func frameInPage() int { return os.Getpagesize() - 256 - 320 }

// diagnoseDrop is for frames that XDP dropped.
func diagnoseDrop(s symptoms, errno unix.Errno) string {
	egress := s.egress
	switch errno {
	case unix.EMSGSIZE:
		return tooLong(s)
	case unix.ENETDOWN:
		return fmt.Sprintf("%s was down, or its driver not ready to send XDP frames (%s)", egress.name, errnoName(errno))
	case 0, unix.ENOSPC, unix.EBUSY, unix.EAGAIN, unix.ENOBUFS:
		return queueFull(s)
	case unix.ENXIO, unix.EOPNOTSUPP:
		return notReady(egress, errno)
	}
	return fmt.Sprintf("%s does not take XDP frames (%s): use --datapath tc", egress.name, errnoName(errno))
}

// notReady is for an egress whose driver cannot send XDP frames, or not now.
func notReady(egress device, errno unix.Errno) string {
	switch {
	case egress.kind == veth:
		return unpreparedVeth(egress)
	case errno == unix.ENXIO:
		return fmt.Sprintf("the driver of %s has no queues for XDP frames (ENXIO): use --datapath xdp in both directions, or --datapath tc", egress.name)
	}
	return fmt.Sprintf("%s cannot send XDP frames (no ndo_xdp_xmit): use --datapath tc", egress.name)
}

// unpreparedVeth is ENXIO before Linux 6.3 (veth_xdp_xmit() in
// drivers/net/veth.c), EOPNOTSUPP since (__xdp_enqueue() in
// kernel/bpf/devmap.c).
func unpreparedVeth(egress device) string {
	return fmt.Sprintf("the far end of %s takes no XDP frames, for it has no NAPI: "+
		"switch GRO on there (ethtool -K IF gro on, Linux 5.13), or use --datapath tc", egress.name)
}

// tooLong is for frames beyond the MTU. Where that of the ingress is no larger,
// they have more than one VLAN tag, or generic XDP, which runs behind GRO, sees
// aggregates of frames.
func tooLong(s symptoms) string {
	egress := s.egress
	if s.datapath == XDPGeneric && s.ingress.mtu <= egress.mtu {
		return fmt.Sprintf("generic XDP drops aggregates of frames (GRO, GSO) longer than a frame of %s: use --datapath tc", egress.name)
	}
	return fmt.Sprintf("%s drops frames longer than %d bytes: ip link set %s mtu %d",
		egress.name, egress.mtu+headerBytes, egress.name, max(s.ingress.mtu, egress.mtu+vlanTagBytes))
}

func queueFull(s symptoms) string {
	if s.egress.kind == veth {
		return fmt.Sprintf("the far end of %s takes no more: it is too slow, or its MTU smaller than that of %s", s.egress.name, s.ingress.name)
	}
	return fmt.Sprintf("the send queue of %s is full: it sends slower than %s receives (a longer queue: ethtool -G %s tx N)",
		s.egress.name, s.ingress.name, s.egress.name)
}

// diagnoseTXDropped is for frames that the egress counted as dropped when it
// was to send them.
func diagnoseTXDropped(s symptoms) string {
	if s.egress.mtu < s.ingress.mtu {
		return tooLong(s)
	}
	return fmt.Sprintf("%s drops what it is to send (tx_dropped): its queue is full, or the far end has an MTU smaller than %d",
		s.egress.name, s.ingress.mtu)
}

// meanings are what the errors of a redirect mean, in our words.
var meanings = map[unix.Errno]string{
	unix.EMSGSIZE:   "longer than the MTU allows",
	unix.ENETDOWN:   "interface down",
	unix.ENXIO:      "not ready for XDP frames",
	unix.EOPNOTSUPP: "cannot send XDP frames",
	unix.ENOSPC:     "queue full",
	unix.EBUSY:      "queue full",
	unix.EAGAIN:     "queue full",
	unix.ENOBUFS:    "queue full",
}

// String is the reason in the kernel's word and ours: "EMSGSIZE: longer than
// the MTU allows".
func (r redirectError) String() string {
	if r.errno == 0 {
		return r.cause()
	}
	meaning, ok := meanings[r.errno]
	if !ok {
		meaning = r.errno.Error()
	}
	return r.cause() + ": " + meaning
}

// cause is the name of the error.
func (r redirectError) cause() string {
	if r.errno == 0 {
		return "queue full"
	}
	return errnoName(r.errno)
}

// byCause returns how many frames each error lost.
func (c *redirectCount) byCause() []probes.RedirectError {
	var list []probes.RedirectError
	for _, failure := range c.errors {
		list = append(list, probes.RedirectError{Cause: failure.cause(), Packets: failure.frames})
	}
	return list
}

func errnoName(errno unix.Errno) string {
	if errno == unix.EOPNOTSUPP {
		return "EOPNOTSUPP" // to the package the same as ENOTSUP
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(errno))
}
