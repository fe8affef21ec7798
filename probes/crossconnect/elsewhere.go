package crossconnect

import (
	"errors"
	"os"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// Pairs may be kept elsewhere: by pins in another bpffs, for example that of a container.
// They work, and only processes that see these pins can change them.

// keptHere returns the number of the control word of the pairs that are kept by pins which
// this process sees, 0 if there are none. It returns false if it may not look at them.
func keptHere() (control ebpf.MapID, known bool) {
	pins, err := keptPins()
	if err != nil {
		return 0, false
	}
	if absence.isKnown(pins) {
		return 0, true
	}
	m, err := pins.openAnyMap(bpf.ControlMapName, pinOpenRead)
	if errors.Is(err, os.ErrNotExist) {
		return 0, true
	}
	if err != nil {
		return 0, false
	}
	defer m.Close()
	control, err = mapID(m)
	return control, err == nil
}

// isKeptElsewhere tells whether an ingress on a device is. A kept filter needs no pins.
func (p *KernelIngress) isKeptElsewhere(device netlink.Link) bool {
	if here, known := keptHere(); !p.isKept() || !known || p.Control == here {
		return false
	}
	filter, err := attach.FindFilter(device.Attrs().Index, attach.Ingress, attach.KeptFilter)
	return filter == nil && err == nil
}
