package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// header holds the parts of the two lines on top that are not in the snapshot.
type header struct {
	version, host, kernel string
	namespace             string // the network namespace, empty for that of the host
	every                 time.Duration
	zone                  *time.Location
	narrowed              string // what all panes are narrowed to, "" for nothing
}

// lines draws the header in width cells. The right side goes first where room
// is short: it says whether the numbers can be trusted.
func (h *header) lines(s *styleSet, shown *snapshot.Snapshot, width int) []string {
	brand := s.Brand.Paint("ebpftop")
	if h.version != "" {
		brand += " " + s.Faint.Paint(s.Escape(h.version))
	}
	left := brand + "  " + s.Strong.Paint(s.Escape(h.host)) + "  "
	if h.namespace != "" {
		left += s.Faint.Paint("netns ") + s.Strong.Paint(s.Escape(h.namespace)) + "  "
	}
	left += s.Faint.Paint(s.Escape(h.kernel))
	return []string{
		spread(s, left, h.clock(s, shown), width),
		spread(s, h.hooks(s, shown), h.health(s, shown), width),
	}
}

// line is the header where only one has room: how much goes on, and whether the numbers can
// be trusted.
func (h *header) line(s *styleSet, shown *snapshot.Snapshot, width int) string {
	if shown.Time.IsZero() {
		return fitPainted(" "+s.Faint.Paint("waiting for the first sample"), width)
	}
	state := ""
	switch n := shown.Lost.ConnectionEvents + shown.Lost.ExecEvents; {
	case shown.Ago.IsPast && leftOut(&shown.Ago) != "":
		state = s.Paused.Paint(" " + since(&shown.Ago) + ", in part ")
	case shown.Ago.IsPast:
		state = s.Paused.Paint(" " + since(&shown.Ago) + " ")
	case shown.Ended:
		state = s.Paused.Paint(" ENDED ")
	case n > 0:
		state = s.Bad.Paint("lost " + count(n))
	default:
		state = "  " + shown.Time.In(h.zone).Format(time.TimeOnly)
	}
	if h.narrowed != "" {
		return spread(s, h.narrowing(s), state, width)
	}
	numbers := s.Faint.Paint("rx ") + s.units.rate(shown.Protocols.RXBPS) + s.Faint.Paint("  tx ") + s.units.rate(shown.Protocols.TXBPS)
	return spread(s, numbers, state, width)
}

// clock is on the right of the first line.
func (h *header) clock(s *styleSet, shown *snapshot.Snapshot) string {
	out := s.Faint.Paint("every ") + interval(h.every)
	if !shown.Time.IsZero() {
		out += "  " + shown.Time.In(h.zone).Format(time.TimeOnly)
	}
	if !shown.Since.IsZero() {
		out = s.Faint.Paint("totals since ") + shown.Since.In(h.zone).Format(time.TimeOnly) + "  " + out
	}
	switch {
	case shown.Ago.IsPast:
		out = s.Paused.Paint(" PAUSED, "+since(&shown.Ago)+" ") + "  " + out
	case shown.Ended:
		out = s.Paused.Paint(" ENDED ") + "  " + out
	}
	return out
}

// hooks says where in the kernel the numbers come from.
func (h *header) hooks(s *styleSet, shown *snapshot.Snapshot) string {
	if shown.Time.IsZero() {
		return s.Faint.Paint("waiting for the first sample")
	}
	var parts []string
	for _, c := range shown.Hooks {
		if c.Hook == probes.HookNone {
			parts = append(parts, s.Warn.Paint(fmt.Sprintf("none %d", c.Interfaces)))
		} else {
			parts = append(parts, fmt.Sprintf("%s %d", c.Hook, c.Interfaces))
		}
	}
	if a := shown.Attaching; a.All > 0 {
		parts = append(parts, s.Warn.Paint(fmt.Sprintf("attaching %d of %d", a.Done, a.All)))
	}
	packets := strings.Join(parts, s.glyphs.Separator)
	if packets == "" {
		packets = s.Warn.Paint("none")
	}
	execs := s.Escape(shown.Execs.Hook)
	switch {
	case shown.Execs.LeftOut:
		execs = s.Faint.Paint("left out")
	case execs == "":
		execs = s.Warn.Paint("none")
	}
	line := h.narrowing(s)
	if text := leftOut(&shown.Ago); text != "" {
		line += s.Warn.Paint(text) + "  "
	}
	line += s.Faint.Paint("hooks ") + packets + s.Faint.Paint("  exec ") + execs
	if shown.OwnersProblem != "" {
		line += s.Faint.Paint("  owners ") + s.Warn.Paint("incomplete")
	}
	return line
}

// narrowing says what is not all, and how to leave that.
func (h *header) narrowing(s *styleSet) string {
	if h.narrowed == "" {
		return ""
	}
	return s.Faint.Paint("only ") + s.Paused.Paint(" "+s.Escape(h.narrowed)+" ") + s.Faint.Paint("  esc shows all  ")
}

// health is on the right of the second line: what was lost, what we cost.
func (h *header) health(s *styleSet, shown *snapshot.Snapshot) string {
	if shown.Time.IsZero() {
		return ""
	}
	inspector := ""
	switch {
	case shown.OthersUnknown != "":
		inspector = s.Bad.Paint("others unknown") + "  "
	case shown.InspectorNews != "":
		inspector = s.Warn.Paint("inspector restarted") + "  "
	}
	lost := s.Faint.Paint("lost 0")
	if n := shown.Lost.ConnectionEvents + shown.Lost.ExecEvents + shown.Lost.OwnerChanges + shown.Lost.Drops; n > 0 {
		lost = s.Bad.Paint("lost " + count(n))
	}
	if n := shown.Lost.ConnectionsEvicted; n > 0 {
		lost += "  " + s.Warn.Paint("evicted "+count(n))
	}
	return inspector + lost + s.Faint.Paint("  cpu ") + fmt.Sprintf("%.1f%%", shown.Self.CPU*100) +
		s.Faint.Paint("  mem ") + fmt.Sprintf("%d MB", shown.Self.RSS/1_000_000)
}

// spread puts left and right at the ends of a line.
func spread(s *styleSet, left, right string, width int) string {
	n := ansi.StringWidth(right)
	if n+2 > width {
		return fitPainted(" "+right, width)
	}
	left = ansi.Truncate(left, width-n-3, s.glyphs.Ellipsis)
	return " " + left + blanks(width-2-n-ansi.StringWidth(left)) + right + " "
}
