package drops

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// reasons are those of the running kernel. The zero value is of one that has none, before
// Linux 5.17.
type reasons struct {
	names       map[uint32]string
	subsystems  map[uint32]string
	unspecified uint32
	noSocket    uint32
	queuePurge  uint32
	xdp         uint32
}

const (
	reasonPrefix    = "SKB_DROP_REASON_"
	subsystemPrefix = "SKB_DROP_REASON_SUBSYS_"
)

// readReasons reads them from the kernel's types.
func readReasons() (r reasons, err error) {
	all, err := kernel.EnumNames("skb_drop_reason")
	if err != nil {
		return r, fmt.Errorf("look up reasons of drops: %w", err)
	}
	r.names, r.subsystems = make(map[uint32]string), make(map[uint32]string)
	for value, name := range all {
		name = strings.TrimPrefix(name, reasonPrefix)
		r.names[uint32(value)] = name
		switch name {
		case "NOT_SPECIFIED":
			r.unspecified = uint32(value)
		case "NO_SOCKET":
			r.noSocket = uint32(value)
		case "QUEUE_PURGE":
			r.queuePurge = uint32(value)
		case "XDP":
			r.xdp = uint32(value)
		}
	}
	// Other parts of the kernel have reasons of their own since Linux 6.4.
	subsystems, err := kernel.EnumNames("skb_drop_reason_subsys")
	if err == nil {
		for value, name := range subsystems {
			r.subsystems[uint32(value)] = strings.TrimPrefix(name, subsystemPrefix)
		}
	}
	return r, nil
}

// subsystemShift is SKB_DROP_REASON_SUBSYS_SHIFT in include/net/dropreason.h.
const subsystemShift = 16

// name returns the name of a reason. It is "" if the kernel has no reasons.
func (r reasons) name(reason uint32) string {
	if r.names == nil {
		return ""
	}
	if name := r.names[reason]; name != "" {
		return name
	}
	if name := r.subsystems[reason>>subsystemShift]; reason>>subsystemShift > 0 && name != "" {
		return fmt.Sprintf("%s_%d", name, reason&(1<<subsystemShift-1))
	}
	return fmt.Sprintf("REASON_%d", reason)
}

// isNoDrop tells which reasons are no drops: packets that reached their end.
var isNoDrop = map[string]bool{
	"SKB_NOT_DROPPED_YET": true,
	"SKB_CONSUMED":        true,
}

// isNoDropIn tells in which functions nothing is dropped though they free as if it was: what
// a BPF program is tried out with, as we do ourselves.
var isNoDropIn = map[string]bool{"bpf_prog_test_run_skb": true}

// noDrops returns isNoDrop as the bitmap no_drops of the programs.
func (r reasons) noDrops() (bitmap [4]uint64) {
	for value, name := range r.names {
		if isNoDrop[name] && int(value/64) < len(bitmap) {
			bitmap[value/64] |= 1 << (value % 64)
		}
	}
	return bitmap
}

// actionName returns the name of what an XDP program answered: enum xdp_action in
// linux/bpf.h.
func actionName(action uint32) string {
	actions := [...]string{"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"}
	if int(action) < len(actions) {
		return actions[action]
	}
	return fmt.Sprintf("XDP_ACTION_%d", action)
}

// errnoName returns the name of an error, FULL for 0: drivers that have no room say nothing
// else.
func errnoName(errno uint32) string {
	switch name := unix.ErrnoName(unix.Errno(errno)); {
	case errno == 0:
		return "FULL"
	case unix.Errno(errno) == unix.EOPNOTSUPP:
		return "EOPNOTSUPP" // to the package the same as ENOTSUP
	case name != "":
		return name
	}
	return fmt.Sprintf("%d", errno)
}
