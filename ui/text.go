package ui

import "strings"

// Escape makes text that others chose safe to print on a terminal, in ASCII.
func Escape(s string) string { return escaper{ascii: true}.text(s) }

// SI is a number with three significant digits and an SI prefix: "12.3 M", "7".
func SI(v float64) string { return strings.TrimRight(siUnit(v, ""), " ") }
