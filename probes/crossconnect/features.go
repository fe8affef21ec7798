package crossconnect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// driverFeatures is what a driver can do with XDP, as enum netdev_xdp_act in
// include/uapi/linux/netdev.h has it.
//
// It is not constant. Most drivers take redirected frames only while an XDP
// program is attached to the interface itself, because only then they have
// queues to send them by (virtio_net, ice, i40e, ena, fec); a veth takes them
// while its far end has a program or GRO (veth_set_xdp_features() in
// drivers/net/veth.c).
type driverFeatures uint64

const (
	featureBasic    driverFeatures = 1 << 0 // native XDP at all
	featureRedirect driverFeatures = 1 << 1 // XDP_REDIRECT
	featureNDOXmit  driverFeatures = 1 << 2 // ndo_xdp_xmit: sends redirected frames
)

func (f driverFeatures) has(all driverFeatures) bool { return f&all == all }

// Of the generic netlink family netdev, as include/uapi/linux/netdev.h has it.
const (
	netdevFamily         = "netdev"
	netdevCmdDevGet      = 1
	netdevAttrIfindex    = 1
	netdevAttrFeatures   = 3
	netdevFeaturesLength = 8 // bytes
)

// genlHeader is a struct genlmsghdr: command, version and two bytes that must be
// zero. The one of package nl sends what happens to be in memory there, which
// this family refuses (genl_header_check() in net/netlink/genetlink.c).
type genlHeader [nl.SizeofGenlmsg]byte

func (h genlHeader) Len() int          { return len(h) }
func (h genlHeader) Serialize() []byte { return h[:] }

// redirectsPages tells whether XDP redirects frames of several pages: since
// Linux 6.3 (xdp_do_redirect() in net/core/filter.c), which has this family too.
var redirectsPages = sync.OnceValue(func() bool {
	_, err := netdev()
	return !errors.Is(err, unix.ENOENT)
})

// netdevID caches the number of the family, which is that of the kernel as long as it runs; 0
// is not known yet.
var netdevID atomic.Uint32

func netdev() (id uint16, err error) {
	if id := netdevID.Load(); id != 0 {
		return uint16(id), nil
	}
	family, err := netlink.GenlFamilyGet(netdevFamily)
	if err != nil {
		return 0, err
	}
	netdevID.Store(uint32(family.ID))
	return family.ID, nil
}

// showsNotes tells whether native XDP of a veth shows what is noted beside a frame, so that
// our program can fill it in. Ask only where there is a veth, because its driver says so.
var showsNotes = sync.OnceValue(func() bool { return kernel.VethSkbOffset() != 0 })

// xdpFeatures asks what the driver of an interface can do. Kernels before Linux
// 6.3 do not know: known is false.
func xdpFeatures(ifindex int) (features driverFeatures, known bool, err error) {
	family, err := netdev()
	if errors.Is(err, unix.ENOENT) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look up netlink family %s: %w", netdevFamily, err)
	}
	request := nl.NewNetlinkRequest(int(family), unix.NLM_F_ACK)
	request.AddData(genlHeader{netdevCmdDevGet, 1})
	request.AddData(nl.NewRtAttr(netdevAttrIfindex, nl.Uint32Attr(uint32(ifindex))))
	replies, err := request.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return 0, false, fmt.Errorf("ask for XDP features of interface %d: %w", ifindex, err)
	}
	for _, reply := range replies {
		attrs, err := nl.ParseRouteAttr(reply[nl.SizeofGenlmsg:])
		if err != nil {
			return 0, false, fmt.Errorf("XDP features of interface %d: %w", ifindex, err)
		}
		for _, attr := range attrs {
			if attr.Attr.Type == netdevAttrFeatures && len(attr.Value) == netdevFeaturesLength {
				return driverFeatures(binary.NativeEndian.Uint64(attr.Value)), true, nil
			}
		}
	}
	return 0, false, fmt.Errorf("XDP features of interface %d: not in the kernel's answer", ifindex)
}
