package ui

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// How well a TCP connection does, as its socket says.

// roundTrip is the time that an answer takes.
func roundTrip(at slot, c *probes.Connection) cell {
	if c.Quality == nil || c.RTT == 0 {
		return cell{}
	}
	return cell{safe: shortTime(c.Quality.RoundTrip()), ink: at.styles.Text}
}

// retransmits are the segments that were sent again.
func retransmits(at slot, c *probes.Connection) cell {
	if c.Quality == nil {
		return cell{}
	}
	return again(at, uint64(c.Retransmits))
}

// again is how many segments were sent again. None is nothing to look at.
func again(at slot, segments uint64) cell {
	if segments == 0 {
		return cell{safe: "0", ink: at.styles.Faint}
	}
	return cell{safe: count(segments), ink: at.styles.Warn}
}

// shortTime is a time in five cells: "830us", "1.2ms", "120ms", "3.4s".
func shortTime(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "us"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d.Microseconds())/1e3, 'f', 1, 64) + "ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
	return short(d)
}

// describeQuality says it in words; where there is no socket to ask, nothing.
func describeQuality(c *probes.Connection) []fact {
	q := c.Quality
	if q == nil {
		return nil
	}
	answer := "an answer takes " + shortTime(q.RoundTrip())
	if q.RTT == 0 {
		answer = "no answer was timed"
	}
	return []fact{{name: "quality", value: fmt.Sprintf("%s, segments sent again: %d, under way: %d of at most %d", answer, q.Retransmits, q.Unacked, q.Cwnd)}}
}
