package ui

import (
	"cmp"
	"strconv"

	"github.com/ebpftop/ebpftop/probes"
)

// What a pair is called, and the words for what is known of it.

func pairName(c *probes.CrossConnect) string { return c.A + " <-> " + c.B }

// fitPair cuts both names alike.
func fitPair(s *styleSet, c *probes.CrossConnect, width int) string {
	a, b := s.Escape(c.A), s.Escape(c.B)
	room := width - len(" <-> ")
	if cells(a)+cells(b) > room {
		half := room / 2
		wideA := max(half, room-cells(b))
		wideB := max(room-half, room-cells(a))
		if cells(a) > wideA {
			a = fit(a, wideA, false, s.glyphs.Ellipsis)
		}
		if cells(b) > wideB {
			b = fit(b, wideB, false, s.glyphs.Ellipsis)
		}
	}
	return a + " <-> " + b
}

func pairGlyph(s *styleSet, c *probes.CrossConnect) (string, ink) {
	switch {
	case c.Removed:
		return s.glyphs.Down, s.Warn
	case c.State == probes.PairWaiting:
		return s.glyphs.Unknown, s.Warn
	case c.State == probes.PairOnTrial:
		return s.glyphs.Up, s.Warn
	case problem(c) != "":
		return "!", s.Bad
	}
	return s.glyphs.Up, s.Good
}

func pairState(c *probes.CrossConnect) string {
	if c.Removed {
		return "removed"
	}
	return string(c.State)
}

// datapaths are those each way, "-" for none.
func datapaths(c *probes.CrossConnect) string {
	there, back := string(c.AToB.Datapath), string(c.BToA.Datapath)
	switch {
	case there == "" && back == "":
		return "-"
	case c.A == c.B:
		return there
	}
	return cmp.Or(there, "-") + "/" + cmp.Or(back, "-")
}

// pairOrigin is who wants the pair.
func pairOrigin(c *probes.CrossConnect) string {
	switch {
	case c.Origin == probes.OriginOther && c.Kept:
		return "another bpffs"
	case c.Origin == probes.OriginOther:
		return "process " + strconv.Itoa(c.Owner)
	case c.Kept:
		return string(probes.OriginKept)
	}
	return string(c.Origin)
}

// problem is why not all is well with a pair, and the remedy.
func problem(c *probes.CrossConnect) string {
	for _, why := range []string{c.Reason, c.AToB.DropReason, c.BToA.DropReason} {
		if why != "" {
			return why
		}
	}
	return ""
}

// fate says whether a pair stays when the program ends.
func fate(c *probes.CrossConnect) string {
	switch {
	case c.Origin == probes.OriginOther:
		return "of " + pairOrigin(c)
	case c.Kept:
		return "kept: stays without ebpftop"
	case c.Origin == probes.OriginFile:
		return "from the file of links: ends with ebpftop"
	}
	return "made on the screen: ends with ebpftop"
}
