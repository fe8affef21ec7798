package probes

import (
	"net/netip"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// The data of cross-connects, as package crossconnect has them.
type (
	CrossConnect = crossconnect.Status
	Way          = crossconnect.Way
	Pair         = crossconnect.Pair
	Datapath     = crossconnect.Datapath
	PairState    = crossconnect.State
	Origin       = crossconnect.Origin
)

// The words of cross-connects, for the screen, which needs this package alone.
const (
	PairActive  = crossconnect.Active
	PairWaiting = crossconnect.Waiting
	PairOnTrial = crossconnect.Trial

	OriginScreen = crossconnect.OriginScreen
	OriginFile   = crossconnect.OriginFile
	OriginKept   = crossconnect.OriginKept
	OriginOther  = crossconnect.OriginOther

	DatapathAuto       = crossconnect.Auto
	DatapathXDP        = crossconnect.XDP
	DatapathXDPGeneric = crossconnect.XDPGeneric
	DatapathTC         = crossconnect.TC
)

// Change is what the user wants changed, all of it or nothing. With Remove and
// Add, the pair is replaced.
type Change struct {
	Remove *Pair
	Add    *Pair
	// Keep lets the added pair stay when ebpftop ends.
	Keep bool
	// Trial, if not 0, undoes the change after this time unless confirmed.
	Trial time.Duration
}

// Wiring changes cross-connects. Live is one, a test's fake is another. Its
// methods wait for the kernel: the screen calls them in commands only.
type Wiring interface {
	// Consequences says what Change would do, before it is done.
	Consequences(Change) (Consequences, error)
	Apply(Change) error
	// Confirm makes the change on trial stay.
	Confirm() error
	// Undo takes back the last change; that of a trial before its time.
	Undo() error
	// KeepAll lets all pairs of this process stay when ebpftop ends.
	KeepAll() error
}

// Consequences are what connecting two interfaces does to what uses them now.
type Consequences struct {
	// Interfaces are those of the pair, one or two.
	Interfaces []Consequence
}

// Consequence is what becomes of one interface: nothing that reaches it from
// outside reaches this host any more.
type Consequence struct {
	Interface   string
	Missing     bool // does not exist
	MTU         int  // bytes
	Addresses   []netip.Prefix
	Routes      []string // as "default via 192.0.2.1" or "198.51.100.0/24"
	Connections int      // seen on it within the last minute
	// CarriesSSH: the session that ebpftop was started from runs over it.
	CarriesSSH bool
	// Master is the bridge, bond or the like that it is a port of.
	Master string
}
