package probes

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Datapath is how the frames that enter an interface reach the other.
type Datapath string

// The datapaths, and the words --datapath takes for them.
const (
	DatapathAuto       Datapath = "auto"        // only requested: the best one there
	DatapathXDP        Datapath = "xdp"         // native XDP redirect, in the driver
	DatapathXDPGeneric Datapath = "xdp-generic" // XDP emulated behind the driver
	DatapathTC         Datapath = "tc"          // tc redirect: tcx, or clsact before Linux 6.6
)

// Datapaths returns those that --datapath takes.
func Datapaths() []Datapath {
	return []Datapath{DatapathAuto, DatapathXDP, DatapathXDPGeneric, DatapathTC}
}

// ParseDatapath reads the word that --datapath takes.
func ParseDatapath(word string) (Datapath, error) {
	if d := Datapath(word); slices.Contains(Datapaths(), d) {
		return d, nil
	}
	return "", fmt.Errorf("unknown datapath %q: use auto, xdp, xdp-generic or tc", word)
}

// Pair is a cross-connect as it is requested. A and B may be the same interface, which
// then sends back what it receives.
type Pair struct {
	A, B string // interface names
	// AToB and BToA are the datapaths of frames that enter A, and B. Empty is
	// DatapathAuto.
	AToB, BToA Datapath
	// Wait accepts interfaces that do not exist (yet): the pair waits.
	Wait bool
}

// Joins tells whether the pair is of these two interfaces, in either order.
func (p Pair) Joins(a, b string) bool { return p.A == a && p.B == b || p.A == b && p.B == a }

// PairState says whether a pair redirects frames.
type PairState string

// The states.
const (
	// PairActive: frames go both ways.
	PairActive PairState = "active"
	// PairWaiting: an interface is missing, nothing is redirected. Reason says
	// which one.
	PairWaiting PairState = "waiting"
	// PairOnTrial: the pair was added or removed on trial, and the set of pairs
	// before comes back at TrialEnds.
	PairOnTrial PairState = "trial"
)

// Origin is who wants a pair.
type Origin string

// The origins.
const (
	OriginScreen Origin = "screen" // made on the screen: ends with ebpftop
	OriginFile   Origin = "file"   // of a file of links: ends with ebpftop
	OriginKept   Origin = "kept"   // stays without any process
	OriginOther  Origin = "other"  // another process's: Owner is its pid, or 0: kept by pins in another bpffs
)

// CrossConnect is a pair as it is.
type CrossConnect struct {
	A     string    `json:"a"`
	B     string    `json:"b"`
	State PairState `json:"state"`
	// Reason says why the state is not active, or what keeps frames from
	// coming out, and what to do about it; or who sees none of the frames
	// because the pair comes first. Empty if there is nothing to say.
	Reason string `json:"reason"`
	// Harmless tells that nothing in Reason keeps frames from coming out.
	Harmless bool `json:"-"`
	// Removed: the pair is not in the set on trial, and comes back unless the
	// trial is confirmed.
	Removed bool   `json:"removed,omitempty"`
	Kept    bool   `json:"kept"`
	Origin  Origin `json:"origin"`
	// Owner is the process whose pair it is, 0 for kept pairs.
	Owner int `json:"owner,omitempty"`
	// TrialEnds is the moment the set before comes back.
	TrialEnds *time.Time `json:"trial_ends,omitempty"`
	AToB      Leg        `json:"a_to_b"`
	BToA      Leg        `json:"b_to_a"`
}

// Leg is one direction of a pair. Packets are frames on the wire and bytes
// theirs, from the Ethernet header on, without the frame check sequence.
type Leg struct {
	// Datapath is the one in use, empty while there is none.
	Datapath Datapath `json:"datapath"`
	// Requested is the datapath that was asked for.
	Requested Datapath `json:"wish"`
	// DatapathReason says why this one: "asked for", "virtual device: veth".
	DatapathReason string `json:"datapath_reason"`
	// Packets and Bytes entered, of which Dropped did not come out.
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Dropped uint64 `json:"dropped"`
	// DropReason is why, in the kernel's words and ours; empty without drops.
	// Where drops cannot be counted, it says so.
	DropReason string `json:"drop_reason,omitempty"`
	// DropsKnown tells that Dropped is known, as it is of this process's pairs and the kept
	// ones.
	DropsKnown bool `json:"-"`
	// Errors are the redirects from the interface that ever failed, also in pairs before; nil
	// by tc, which does not tell.
	Errors []RedirectError `json:"-"`
	// PPS and BPS, packets and bits per second, are 0 in a list taken once.
	PPS float64 `json:"pps"`
	BPS float64 `json:"bps"`
}

// RedirectError is how many frames an error lost.
type RedirectError struct {
	Cause   string // the name of the kernel's error, or "queue full"
	Packets uint64
}

// Out is how many frames left by the other interface.
func (w *Leg) Out() uint64 { return w.Packets - min(w.Dropped, w.Packets) }

// Change is a change of the pairs, made as a whole or not at all. With Remove and Add,
// the pair is replaced.
type Change struct {
	Remove *Pair
	Add    *Pair
	// Keep lets the added pair stay when ebpftop ends.
	Keep bool
	// Trial, if not 0, undoes the change after this time unless confirmed.
	Trial time.Duration
}

// PairEditor changes cross-connects. Live is one, a test's fake is another. Its
// methods wait for the kernel: the screen calls them in commands only.
type PairEditor interface {
	// Impact says what Change would do, before it is done.
	Impact(Change) (Impact, error)
	Apply(Change) error
	// Confirm makes the change on trial stay.
	Confirm() error
	// Undo takes back the last change. It ends a trial before its time.
	Undo() error
	// KeepAll lets all pairs of this process stay when ebpftop ends.
	KeepAll() error
}

// Impact says what connecting two interfaces does to those who use them now.
type Impact struct {
	// Interfaces has the one or two interfaces of the pair.
	Interfaces []InterfaceImpact
	// SessionUnknown says why it is not known whether the session that ebpftop was
	// started from runs over one of them. It is empty if that is known.
	SessionUnknown string
}

// InterfaceImpact says what one interface loses: nothing that reaches it from outside
// reaches this host any more.
type InterfaceImpact struct {
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
	// Above are the interfaces that have no other way than by it: VLANs and the like on
	// it, and the master of which it, or both ends of the pair, are all ports. Addresses
	// and Routes are theirs, too.
	Above []string
}
