package snapshot

import (
	"slices"
	"strings"
)

// Rows is how a pane wants its rows.
type Rows struct {
	By       int    // which of the orders that rows of its kind have; 0 is the usual one
	Reversed bool   // the other way round
	Filter   string // rows that pass each of these words; all if there are none
}

// kind is what rows of one kind can be arranged by.
type kind[R any] struct {
	rows string // what they are called
	// orders compare two rows, by Rows.By. Equal ones stay as they are, and all do if it is
	// nil.
	orders []func(a, b R) int
	// text appends all that words of a filter look through, in lower case.
	text func(to []byte, row R) []byte
	// names are what a filter can say of a row by name.
	names conditions[R]
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
func (k *kind[R]) matching(rows []R, said string) []R {
	f, _ := k.newFilter(said) // whoever typed it is told what is wrong with it
	return slices.DeleteFunc(rows, func(row R) bool { return !f.passes(row) })
}

// appendLower appends a blank and text in lower case.
func appendLower(to []byte, text string) []byte {
	return append(append(to, ' '), strings.ToLower(text)...)
}
