package ui

import (
	"fmt"
	"slices"
	"strings"
)

// Units are what rates and amounts of data are shown in. Packets and the like have SI
// prefixes in all of them.
type Units string

// The values of Units. The zero value is UnitsBits.
const (
	UnitsBits     Units = "bits"      // 1.23 Mbit/s, 1.23 MB
	UnitsBytes    Units = "bytes"     // 1.23 MB/s
	UnitsBitsIEC  Units = "bits-iec"  // 1.23 Mibit/s, 1.23 MiB
	UnitsBytesIEC Units = "bytes-iec" // 1.23 MiB/s
)

// AllUnits are all, in the order of the key that goes through them.
var AllUnits = []Units{UnitsBits, UnitsBytes, UnitsBitsIEC, UnitsBytesIEC}

// ParseUnits returns what is called so.
func ParseUnits(name string) (Units, error) {
	if slices.Contains(AllUnits, Units(name)) {
		return Units(name), nil
	}
	return "", fmt.Errorf("%q: use bits, bytes, bits-iec or bytes-iec", name)
}

// next goes through all of them.
func (u Units) next() Units { return AllUnits[(max(0, slices.Index(AllUnits, u))+1)%len(AllUnits)] }

func (u Units) inBytes() bool { return u == UnitsBytes || u == UnitsBytesIEC }

func (u Units) base() base {
	if u == UnitsBitsIEC || u == UnitsBytesIEC {
		return iec
	}
	return si
}

// perSecond is what a column of rates is in.
func (u Units) perSecond() string {
	if u.inBytes() {
		return "B/s"
	}
	return "bit/s"
}

// of is a rate in bit/s as a number of these.
func (u Units) of(bps float64) float64 {
	if u.inBytes() {
		return bps / 8
	}
	return bps
}

// rate is a rate in bit/s for running text.
func (u Units) rate(bps float64) string { return u.base().unit(u.of(bps), u.perSecond()) }

// shortRate is rate without the unit, where a column says it.
func (u Units) shortRate(bps float64) string {
	return strings.TrimRight(u.base().unit(u.of(bps), ""), " ")
}

// size is an amount of data for running text.
func (u Units) size(bytes uint64) string { return u.base().unit(float64(bytes), "B") }
