package crossconnect

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Keys of the devices that an ingress has to do with, as in headers/cross_connect.h.
// The kernel forgets a device that is deleted or moves to another network namespace.
const (
	// From 0, a generation: where its frames leave.
	ingressKey  = generations // where frames enter
	deviceCount = ingressKey + 1
)

// deviceMaps hold the devices that an ingress has to do with. XDP and tc have each their
// own, because both can be attached at once, of which one redirects.
type deviceMaps struct {
	xdp, tc *ebpf.Map
}

// of returns the map that the programs of a datapath look into.
func (m *deviceMaps) of(d Datapath) *ebpf.Map {
	if d == TC {
		return m.tc
	}
	return m.xdp
}

// get returns the ifindex of a device, 0 if there is none or it has gone.
func (m *deviceMaps) get(d Datapath, key int) (int, error) {
	var ifindex uint32
	err := m.of(d).Lookup(uint32(key), &ifindex)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return 0, fmt.Errorf("look up a device: %w", err)
	}
	return int(ifindex), nil
}

// set makes a device one that the ingress has to do with; ifindex 0 is none. It returns
// ENODEV, wrapped, if the device has gone.
func (m *deviceMaps) set(d Datapath, key, ifindex int) error {
	var err error
	if ifindex == 0 {
		err = m.of(d).Delete(uint32(key)) // also if there is none
	} else {
		err = m.of(d).Put(uint32(key), uint32(ifindex))
	}
	if errors.Is(err, unix.EINVAL) { // there is no such device: __dev_map_alloc_node() in kernel/bpf/devmap.c
		err = unix.ENODEV
	}
	if err != nil {
		return fmt.Errorf("set a device: %w", err)
	}
	return nil
}

// setIngress makes a device the one where frames enter, for both datapaths; ifindex 0 is
// none.
func (m *deviceMaps) setIngress(ifindex int) error {
	return errors.Join(m.set(XDP, ingressKey, ifindex), m.set(TC, ingressKey, ifindex))
}

// isHome tells whether the ingress has been in its network namespace ever since programs
// were attached to it.
func (m *deviceMaps) isHome() (bool, error) {
	ifindex, err := m.get(TC, ingressKey)
	return ifindex != 0, err
}

// leg returns the datapath of a generation, XDP whatever its mode, and the ifindex of the
// device where its frames leave, 0 if there is none.
func (m *deviceMaps) leg(generation int) (d Datapath, egress int, err error) {
	home, err := m.isHome()
	if err != nil || !home {
		return "", 0, err
	}
	// First tc: where that redirects, generic XDP may stand in for it.
	if egress, err = m.get(TC, generation); err != nil || egress != 0 {
		return TC, egress, err
	}
	egress, err = m.get(XDP, generation)
	return XDP, egress, err
}
