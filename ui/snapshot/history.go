package snapshot

import (
	"time"

	"github.com/ebpftop/ebpftop/ui/snapshot/past"
)

const (
	// HistoryStep is what one cell of a sparkline stands for, whatever the
	// interval between samples: a line that moves on at every refresh says
	// less and is most of what the terminal has to be sent.
	HistoryStep = 2 * time.Second
	// HistoryLength is how many steps are shown: five minutes.
	HistoryLength = 150
	historyKept   = HistoryLength + int64(past.Reach/HistoryStep) // also seen from the past
	historySeries = 2048                                          // lines kept of interfaces at most, about 4 MB
)

// The names of series that are not a protocol. None is called like this.
const (
	rxSeries   = " received"
	txSeries   = " sent"
	execSeries = " execs"
	dropSeries = " drops"
)

// seriesKey names one line of history.
type seriesKey struct {
	iface string // "" for the totals
	name  string // a protocol, or a total
}

// history keeps rates over the last minutes, averaged over steps. All its
// series move on together.
type history struct {
	step   int64         // number of the current step
	past   time.Duration // time the samples covered so far
	weight [historyKept]float32
	series map[seriesKey]*series
	// refused is the last step in which there was no room for a series, -1 for none.
	refused int64
}

type series struct {
	sum   [historyKept]float32 // rate times seconds, by step
	first int64                // step that it begins with
	last  int64                // last step in which there was anything
}

func newHistory() *history { return &history{series: make(map[seriesKey]*series), refused: -1} }

// advance moves on by the time one sample covers. Rates added next count for
// that time. Samples tell the time, not the clock: clocks are set.
func (h *history) advance(d time.Duration) {
	h.past += max(d, 0)
	step := int64(h.past / HistoryStep)
	for n := int64(0); h.step < step && n < historyKept; n++ {
		h.step++
		slot := h.step % historyKept
		h.weight[slot] = 0
		for _, s := range h.series {
			s.sum[slot] = 0
		}
	}
	if h.step != step { // longer than all that is kept
		h.step = step
	}
	h.weight[h.step%historyKept] += float32(d.Seconds())
	for key, s := range h.series {
		if h.step-s.last >= historyKept {
			delete(h.series, key)
		}
	}
}

// add takes a rate into the current step, for time d. It keeps no more than
// historySeries lines of interfaces.
func (h *history) add(key seriesKey, rate float64, d time.Duration) {
	if !(rate > 0) {
		return
	}
	s := h.series[key]
	if s == nil {
		if key.iface != "" && len(h.series) >= historySeries {
			h.refused = h.step
			return
		}
		s = &series{first: h.step}
		h.series[key] = s
	}
	s.sum[h.step%historyKept] += float32(rate * d.Seconds())
	s.last = h.step
}

// values are the rates of a series, oldest first, up to a step. A step that no sample covered,
// or that is not kept any more, is -1, and so is one in which there may have been no room for
// the series.
func (h *history) values(key seriesKey, last int64) []float64 {
	n := int(min(last+1, HistoryLength))
	out := make([]float64, 0, n)
	s := h.series[key]
	for step := last - int64(n) + 1; step <= last; step++ {
		slot := step % historyKept
		switch {
		case h.step-step >= historyKept, h.weight[slot] == 0, key.iface != "" && step <= h.refused && (s == nil || step < s.first):
			out = append(out, -1)
		case s == nil:
			out = append(out, 0)
		default:
			out = append(out, float64(s.sum[slot]/h.weight[slot]))
		}
	}
	return out
}
