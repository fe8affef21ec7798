package ui

import (
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/ui/snapshot"
	"github.com/ebpftop/ebpftop/ui/snapshot/past"
)

// travel takes a key that leads to another moment, and reports whether it was one. There is one
// place in time for all panes: the latest sample, or the moment m.at, at which they stand still.
func (m *model) travel(msg tea.KeyPressMsg) bool {
	k := &m.keys
	switch {
	case key.Matches(msg, k.Pause) && m.isPast():
		m.at = past.Moment{}
	case key.Matches(msg, k.Pause):
		m.at = m.shown.Moment
	case key.Matches(msg, k.Earlier):
		m.step(-1)
	case key.Matches(msg, k.Later):
		m.step(1)
	case key.Matches(msg, k.MuchEarlier):
		m.step(-time.Minute)
	case key.Matches(msg, k.MuchLater):
		m.step(time.Minute)
	default:
		return false
	}
	return true
}

func (m *model) isPast() bool { return m.at.Number != 0 }

// step goes on to the first moment that is kept at least so far from here, or back if that is
// less than zero.
func (m *model) step(by time.Duration) {
	from := m.at
	if !m.isPast() {
		from = m.shown.Moment
	}
	kept, target := m.shown.Moments, from.At+by
	if by < 0 {
		kept = kept[:countWhere(kept, func(k past.Moment) bool { return k.Number < from.Number })]
		if len(kept) == 0 {
			m.dialogs.notice = "nothing is kept from before this"
			return
		}
		m.at = kept[max(0, countWhere(kept, func(k past.Moment) bool { return k.At <= target })-1)]
		return
	}
	kept = kept[countWhere(kept, func(k past.Moment) bool { return k.Number <= from.Number }):]
	switch at := countWhere(kept, func(k past.Moment) bool { return k.At < target }); {
	case !m.isPast():
		m.dialogs.notice = "this is now; [ goes back in time"
	case at == len(kept):
		m.at = past.Moment{}
		m.dialogs.news = "now"
	default:
		m.at = kept[at]
	}
}

// countWhere counts the moments, which are in order, that come before the first one of which
// something is not so.
func countWhere(moments []past.Moment, isSo func(past.Moment) bool) int {
	if at := slices.IndexFunc(moments, func(k past.Moment) bool { return !isSo(k) }); at >= 0 {
		return at
	}
	return len(moments)
}

// since says how long ago what is shown was, nothing if it is now.
func since(a *snapshot.Ago) string {
	if !a.IsPast {
		return ""
	}
	return a.Time.Truncate(time.Second).String() + " ago"
}

// leftOut says what is missing of what was shown then, nothing if all is there.
func leftOut(a *snapshot.Ago) string {
	var parts []string
	if a.Connections > 0 {
		parts = append(parts, count(uint64(a.Connections))+" connections")
	}
	if a.Programs > 0 {
		parts = append(parts, count(uint64(a.Programs))+" programs")
	}
	if len(parts) > 0 {
		parts = []string{"not kept: " + strings.Join(parts, ", ")}
	}
	if a.SumsLater {
		parts = append(parts, "sums have what ended later")
	}
	return strings.Join(parts, "; ")
}
