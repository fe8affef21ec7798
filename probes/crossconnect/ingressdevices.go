package crossconnect

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// Keys of the devices that an ingress has to do with, as in headers/cross_connect.h.
// The kernel forgets a device that is deleted or moves to another network namespace.
const (
	egressXDP   = 0               // + generation: where frames leave
	egressTC    = generations     // + generation
	ingressKey  = 2 * generations // where frames enter
	deviceCount = ingressKey + 1
)

// egressKey is the key of the device where frames leave by a datapath.
func egressKey(d Datapath, generation int) int {
	if d == TC {
		return egressTC + generation
	}
	return egressXDP + generation
}

// device returns the ifindex of a device, 0 if there is none or it has gone.
func (i *ingressMaps) device(key int) (int, error) { return lookUpDevice(i.devices, key) }

func lookUpDevice(devices *ebpf.Map, key int) (int, error) {
	var ifindex uint32
	err := devices.Lookup(uint32(key), &ifindex)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return 0, fmt.Errorf("look up a device: %w", err)
	}
	return int(ifindex), nil
}

// setDevice makes a device one that the ingress has to do with; ifindex 0 is none.
// One that is there already is left alone, because the kernel removes an entry before
// it adds that which takes its place, and frames may be in flight.
func (i *ingressMaps) setDevice(key, ifindex int) error {
	now, err := i.device(key)
	if err != nil || now == ifindex {
		return err
	}
	if ifindex == 0 {
		err = i.devices.Delete(uint32(key))
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			err = nil // the device went just now
		}
	} else {
		err = i.devices.Put(uint32(key), uint32(ifindex))
	}
	if err != nil {
		return fmt.Errorf("set a device: %w", err)
	}
	return nil
}
