// Package crossconnect connects network interfaces in pairs: every frame that
// enters one leaves by the other, unchanged, whatever it is.
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
