package snapshot

import (
	"bytes"
	"slices"
	"strings"
)

// Rows is how a pane wants its rows.
type Rows struct {
	By       int    // which of the orders that rows of its kind have; 0 is the usual one
	Reversed bool   // the other way round
	Filter   string // rows that hold each of these words; all if there are none
}

// kind is what rows of one kind can be arranged by.
type kind[R any] struct {
	// orders compare two rows, by Rows.By. Equal ones stay as they are, and all do if it is
	// nil.
	orders []func(a, b R) int
	// text appends all that a filter looks through, in lower case.
	text func(to []byte, row R) []byte
}

// sort puts rows in order.
func (k *kind[R]) sort(rows []R, by Rows) {
	if compare := k.orders[by.By]; compare != nil {
		slices.SortStableFunc(rows, compare)
	}
	if by.Reversed {
		slices.Reverse(rows)
	}
}

// matching leaves the rows that a filter lets through.
func (k *kind[R]) matching(rows []R, filter string) []R {
	m := newMatcher(filter)
	return slices.DeleteFunc(rows, func(row R) bool {
		return !m.match(func(to []byte) []byte { return k.text(to, row) })
	})
}

// matcher tells which rows a filter lets through: those whose text holds each of its words.
type matcher struct {
	words [][]byte
	text  []byte // reused from row to row
}

func newMatcher(filter string) *matcher {
	m := &matcher{}
	for _, word := range strings.Fields(strings.ToLower(filter)) {
		m.words = append(m.words, []byte(word))
	}
	return m
}

// match looks through what text appends.
func (m *matcher) match(text func(to []byte) []byte) bool {
	if len(m.words) == 0 {
		return true
	}
	m.text = text(m.text[:0])
	return !slices.ContainsFunc(m.words, func(word []byte) bool { return !bytes.Contains(m.text, word) })
}

// appendLower appends a blank and text in lower case.
func appendLower(to []byte, text string) []byte {
	return append(append(to, ' '), strings.ToLower(text)...)
}
