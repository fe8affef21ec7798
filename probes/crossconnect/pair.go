// Package crossconnect connects network interfaces in pairs: every frame that enters one
// leaves by the other, unchanged, whatever it is.
//
// New makes a set of pairs that ends with the process, and OpenKept opens the one that
// stays without any process. A set changes as a whole: Set replaces its pairs by others, all
// or none, and on trial if it is given a time. Errors wrap ErrMissing, ErrTaken, ErrUnknown,
// ErrLocked, ErrTrial or ErrNoTrial where a program may want to tell them apart.
//
// # Threads and network namespaces
//
// A set is of the network namespace of the thread that made it, and all its methods must be
// called on threads in this namespace. A process that enters other namespaces has to keep
// the goroutine that calls them on such a thread (runtime.LockOSThread). Methods may be
// called concurrently.
//
// # Interfaces that come and go
//
// A set does not notice by itself that an interface goes, comes back, is renamed, or that
// somebody detaches a program: the pair would stay disconnected. So call Reconcile when
// Changes delivers something, and RetryWaiting about once a second. The example of package
// linksfile does that, and is a whole xdp-xconnect.
package crossconnect

import "github.com/ebpftop/ebpftop/probes"

// What a pair is, as package probes has it.
type (
	Pair     = probes.Pair
	Datapath = probes.Datapath
	State    = probes.PairState
	Origin   = probes.Origin
	Status   = probes.CrossConnect
	Leg      = probes.Leg
)

// The datapaths.
const (
	Auto       = probes.DatapathAuto
	XDP        = probes.DatapathXDP
	XDPGeneric = probes.DatapathXDPGeneric
	TC         = probes.DatapathTC
)

// The states.
const (
	Active  = probes.PairActive
	Waiting = probes.PairWaiting
	Trial   = probes.PairOnTrial
)

// The origins.
const (
	OriginScreen = probes.OriginScreen
	OriginFile   = probes.OriginFile
	OriginKept   = probes.OriginKept
	OriginOther  = probes.OriginOther
)

// ParseDatapath reads the word that --datapath takes.
func ParseDatapath(word string) (Datapath, error) { return probes.ParseDatapath(word) }
