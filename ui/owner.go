package ui

import (
	"strconv"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// who is the owner of a connection in a column: its name and pid, and where it runs.
func who(at slot, c *probes.Connection) cell {
	s := at.styles
	o := c.Owner
	if o == nil {
		return cell{safe: shortReason(c.OwnerReason), ink: s.Faint}
	}
	text := o.Comm
	if o.PID != 0 {
		text += " " + strconv.FormatUint(uint64(o.PID), 10)
	} else {
		text += " ?" // one of several
	}
	if runs := runsIn(o.Unit, o.Container, ""); runs != "" {
		text += " " + runs
	}
	return cell{text: text, ink: s.Strong}
}

// shortReason is why there is no owner, in a column.
func shortReason(reason probes.OwnerReason) string {
	switch reason {
	case probes.OwnerForwarded:
		return "forwarded"
	case probes.OwnerIsKernel:
		return "kernel"
	case probes.OwnerNoSocket, probes.OwnerNotConnected:
		return "no socket"
	case probes.OwnerHasNoPorts:
		return "-"
	}
	return "?"
}

// shownDigits are enough of a container's id to know it by, as its runtime shows it.
const shownDigits = 12

// runsIn says in a word where a process runs: in a container of that host name, or in a unit.
func runsIn(unit, container, hostname string) string {
	if container == "" {
		return unit
	}
	return strings.TrimSpace(container[:min(shownDigits, len(container))] + " " + hostname)
}

var certaintyWords = map[probes.Certainty]string{
	probes.Opened:    "opened the socket",
	probes.Inherited: "got the socket from the process that opened it",
	probes.Listener:  "listens where this was accepted",
	probes.Ambiguous: "one of several that it could be",
}

// describeOwner is all that is known of whose a connection is.
func describeOwner(s *styleSet, o *probes.Owner, reason probes.OwnerReason) []fact {
	if o == nil {
		return []fact{{name: "owner", value: s.Faint.Paint("none: " + reason.String())}}
	}
	user := strconv.FormatUint(uint64(o.UID), 10)
	if o.User != "" {
		user = o.User + " (" + user + ")"
	}
	text := o.Comm
	if o.PID != 0 {
		text += ", pid " + strconv.FormatUint(uint64(o.PID), 10)
	}
	if o.UID != 0 || o.User != "" { // else several have none in common
		text += ", user " + user
	}
	text += "; " + certaintyWords[o.Certainty]
	if o.Certainty == probes.Ambiguous && reason != probes.NoReason {
		text += ": " + reason.String()
	}
	if o.AtRemote {
		text += "; at the remote end"
	}
	pairs := []fact{{"owner", s.Escape(text), snapshot.OwnerSubject(o)}}
	if runs := placeWords(o.Unit, o.Container, o.Pod, o.Hostname, o.Cgroup); runs != "" {
		pairs = append(pairs, fact{name: "runs in", value: s.Escape(runs)})
	}
	return pairs
}

// placeWords is all that is known of where a process runs.
func placeWords(unit, container, pod, hostname, group string) string {
	var words []string
	for _, part := range [][2]string{{"unit", unit}, {"container", container}, {"pod", pod}, {"host", hostname}, {"group", group}} {
		if part[1] != "" && part[1] != "/" {
			words = append(words, part[0]+" "+part[1])
		}
	}
	return strings.Join(words, ", ")
}
