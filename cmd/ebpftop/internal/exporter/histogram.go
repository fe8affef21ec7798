package exporter

import (
	"slices"
	"strconv"
	"strings"
)

// roundTripBounds are the upper ends of a histogram's buckets, in seconds.
var roundTripBounds = []float64{
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
}

// histogram counts round-trip times by bucket.
type histogram struct {
	buckets [15]uint64 // the last one is of what is beyond all bounds
	sum     float64
}

func (h *histogram) observe(seconds float64) {
	i, _ := slices.BinarySearch(roundTripBounds, seconds) // a bound is in its own bucket
	h.buckets[i]++
	h.sum += seconds
}

// addHistogram adds the metrics of a histogram, whose buckets have in them what is in those below.
func (e *exposition) addHistogram(f *family, h *histogram) {
	e.describe(f)
	var count uint64
	for i, n := range h.buckets {
		count += n
		bound := "+Inf"
		if i < len(roundTripBounds) {
			bound = strconv.FormatFloat(roundTripBounds[i], 'g', -1, 64)
			if !strings.Contains(bound, ".") {
				bound += ".0" // as OpenMetrics has it, and so the same series in both formats
			}
		}
		e.line(f.name+"_bucket", float64(count), "le", bound)
	}
	e.line(f.name+"_sum", h.sum)
	e.line(f.name+"_count", float64(count))
}
