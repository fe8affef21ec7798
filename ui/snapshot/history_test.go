package snapshot

import (
	"fmt"
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
	got := h.values(key)
	// A sample ends in the step its time is in: the first step has one second.
	if len(got) != 3 || got[0] != 100 || got[1] != 100 || got[2] != 250 {
		t.Errorf("got %v", got)
	}
	if v := h.values(seriesKey{"", "none"}); len(v) != 3 || v[2] != 0 {
		t.Errorf("nothing seen: %v", v)
	}
	for range 3 * HistoryLength {
		h.advance(time.Second)
	}
	if len(h.series) != 0 || len(h.values(key)) != HistoryLength {
		t.Errorf("%d series, %d values", len(h.series), len(h.values(key)))
	}
	h.advance(time.Hour)
	h.add(key, 1, time.Hour)
	for i := range 3 * historySeries {
		h.add(seriesKey{"", fmt.Sprint(i)}, 1, time.Second)
	}
	if len(h.series) != historySeries {
		t.Errorf("%d series", len(h.series))
	}
}
