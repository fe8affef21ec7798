package ui

import (
	"math"
	"strconv"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Numbers on the screen have three significant digits and an SI prefix. In
// columns the prefix has a place of its own ("12.3 k", "999  "), so that
// digits stay below digits and little of the screen changes from one refresh
// to the next.

// base is a system of prefixes.
type base struct {
	prefixes string
	step     float64 // from one to the next
	mark     string  // that follows a prefix
}

var (
	si  = base{" kMGTPE", 1000, ""}
	iec = base{" KMGTPE", 1024, "i"}
)

// scale returns v's digits and its prefix, ' ' for none.
func (b base) scale(v float64) (digits string, prefix byte) {
	switch {
	case math.IsNaN(v) || v < 0:
		return "-", ' '
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', decimals(v), 64), ' '
	case v < 999.5:
		return strconv.FormatFloat(v, 'f', 0, 64), ' '
	}
	i := 0
	for v >= 999.5 && i < len(b.prefixes)-1 {
		v /= b.step
		i++
	}
	prec := 2
	switch {
	case v >= 1e6:
		return "inf", ' '
	case v >= 99.95:
		prec = 0
	case v >= 9.995:
		prec = 1
	}
	return strconv.FormatFloat(v, 'f', prec, 64), b.prefixes[i]
}

// decimals leaves whole numbers whole: 2 packets a second, but 0.5.
func decimals(v float64) int {
	if v == math.Trunc(v) || v < 0.05 {
		return 0
	}
	return 1
}

// column is v for a right-aligned column, at most seven cells. Both systems need as many.
func (b base) column(v float64) string {
	digits, prefix := b.scale(v)
	if prefix == ' ' || b.mark == "" {
		return digits + " " + string(prefix)
	}
	return digits + string(prefix) + b.mark
}

// unit is v for running text: "1.23 Gbit/s", "12 pps".
func (b base) unit(v float64, unit string) string {
	digits, prefix := b.scale(v)
	if prefix == ' ' {
		return digits + " " + unit
	}
	return digits + " " + string(prefix) + b.mark + unit
}

func siColumn(v float64) string { return si.column(v) }

func siUnit(v float64, unit string) string { return si.unit(v, unit) }

// count is a number in full with its thousands apart.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percent is a share of one as a whole percentage.
func percent(share float64) string {
	if math.IsNaN(share) || share < 0 {
		share = 0
	}
	return strconv.Itoa(int(math.Round(min(share, 9.99)*100))) + "%"
}

// short is a duration in its largest unit: 3s, 5m, 2h, 4d.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	default:
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	}
}

// age is like short, but only every fifth second from ten on. A column of
// seconds would change on every line every second, and the terminal would have
// to be sent most of the screen for it.
func age(d time.Duration) string {
	if d >= 10*time.Second && d < time.Minute {
		d = d.Truncate(5 * time.Second)
	}
	return short(d)
}

// interval is a refresh interval as one would type it.
func interval(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// flagLetters are the TCP flags from bit 0 up.
const flagLetters = "FSRPAU"

// flags shows each TCP flag seen at a place of its own.
func flags(f probes.TCPFlags) string {
	b := []byte("......")
	for i := range len(flagLetters) {
		if f&(1<<i) != 0 {
			b[i] = flagLetters[i]
		}
	}
	return string(b)
}
