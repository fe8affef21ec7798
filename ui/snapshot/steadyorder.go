package snapshot

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// steadyOrder keeps rows in order of their rates, the largest first. Rows change places only
// when one is clearly ahead over some time: rows that jump cannot be read, and moving them
// costs a line each. The zero value has no rows.
type steadyOrder[K cmp.Ordered] struct {
	order []K
	score map[K]float64 // smoothed rate
}

const (
	rankMemory = 10 * time.Second
	rankMargin = 1.25
)

// update brings order up to date with the rates of all rows, over interval.
func (r *steadyOrder[K]) update(rates map[K]float64, interval time.Duration) {
	if r.score == nil {
		r.score = make(map[K]float64)
	}
	keep := math.Exp(-interval.Seconds() / rankMemory.Seconds())
	r.order = slices.DeleteFunc(r.order, func(key K) bool {
		_, isThere := rates[key]
		if !isThere {
			delete(r.score, key)
		}
		return !isThere
	})
	for key, rate := range rates {
		if _, known := r.score[key]; !known {
			r.score[key] = rate
			r.insert(key)
		} else {
			r.score[key] = keep*r.score[key] + (1-keep)*rate
		}
	}
	for i := 1; i < len(r.order); i++ {
		for j := i; j > 0 && r.score[r.order[j]] > rankMargin*r.score[r.order[j-1]]+1; j-- {
			r.order[j], r.order[j-1] = r.order[j-1], r.order[j]
		}
	}
}

// insert puts a new row where it belongs; the key decides between equals.
func (r *steadyOrder[K]) insert(key K) {
	i := len(r.order)
	for i > 0 {
		above := r.order[i-1]
		if r.score[above] > r.score[key] || (r.score[above] == r.score[key] && above < key) {
			break
		}
		i--
	}
	r.order = slices.Insert(r.order, i, key)
}
