package snapshot

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestHistory(t *testing.T) {
	h := newHistory()
	key := seriesKey{"", "tcp"}
	for range 4 { // two steps of two seconds
		h.advance(time.Second)
		h.add(key, 100, time.Second)
	}
	h.advance(time.Second)
	h.add(key, 400, time.Second)
	got := h.values(key, h.step)
	// A sample ends in the step its time is in: the first step has one second.
	if len(got) != 3 || got[0] != 100 || got[1] != 100 || got[2] != 250 {
		t.Errorf("got %v", got)
	}
	if v := h.values(seriesKey{"", "none"}, h.step); len(v) != 3 || v[2] != 0 {
		t.Errorf("nothing seen: %v", v)
	}
	for range 2 * historyKept {
		h.advance(time.Second)
	}
	if len(h.series) != 0 || len(h.values(key, h.step)) != HistoryLength {
		t.Errorf("%d series, %d values", len(h.series), len(h.values(key, h.step)))
	}
	h.advance(time.Hour)
	h.add(key, 1, time.Hour)
}

// Thousand interfaces have more series than there is room for. Those of the totals are
// kept all the same, and the others are unknown where they may have been refused.
func TestHistoryFull(t *testing.T) {
	h := newHistory()
	add := func(name string) {
		h.advance(HistoryStep)
		for i := range 1000 {
			for _, series := range []string{rxSeries, txSeries, "tcp"} {
				h.add(seriesKey{fmt.Sprint("veth", i), series}, 1, HistoryStep)
			}
		}
		h.add(seriesKey{"", name}, 1, HistoryStep)
	}
	add("tcp")
	add("udp")
	if len(h.series) != historySeries+2 {
		t.Errorf("%d series", len(h.series))
	}
	for _, c := range []struct {
		key  seriesKey
		want []float64
	}{
		{seriesKey{"", "tcp"}, []float64{-1, 1, 0}},
		{seriesKey{"", "udp"}, []float64{-1, 0, 1}},
		{seriesKey{"veth999", "tcp"}, []float64{-1, -1, -1}},
	} {
		if got := h.values(c.key, h.step); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %v, want %v", c.key, got, c.want)
		}
	}
}
