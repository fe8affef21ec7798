package ui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/ui/terminal"
)

// fit makes s exactly width cells wide: cut with an ellipsis or padded. s
// holds no escape sequences.
func fit(s string, width int, right bool, ellipsis string) string {
	if width <= 0 {
		return ""
	}
	if terminal.PrintableASCII(s) && len(s) > width && width > cells(ellipsis) {
		return s[:width-cells(ellipsis)] + ellipsis // most text there is
	}
	n := cells(s)
	if n > width {
		s = ansi.Truncate(s, width, ellipsis)
		n = cells(s)
	}
	if n >= width {
		return s
	}
	if right {
		return blanks(width-n) + s
	}
	return s + blanks(width-n)
}

// fitMiddle cuts s in its middle: the end of an address, its port, tells more
// than what stands before it.
func fitMiddle(s string, width int, ellipsis string) string {
	n := cells(s)
	if n <= width || width < 8 {
		return fit(s, width, false, ellipsis)
	}
	tail := width / 2
	head := width - tail - cells(ellipsis)
	return fit(ansi.Cut(s, 0, head)+ellipsis+ansi.Cut(s, n-tail, n), width, false, ellipsis)
}

// cells is the width of s on the screen.
func cells(s string) int {
	if terminal.PrintableASCII(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

const manyBlanks = "                                                                "

func blanks(n int) string {
	if n <= 0 {
		return ""
	}
	if n <= len(manyBlanks) {
		return manyBlanks[:n]
	}
	return strings.Repeat(" ", n)
}

// fitPainted makes a line with escape sequences exactly width cells wide.
func fitPainted(line string, width int) string {
	line = ansi.Truncate(line, width, "")
	return line + blanks(width-ansi.StringWidth(line))
}

// wrap cuts s into lines of at most width cells, at blanks where it can.
func wrap(s string, width int) []string {
	return strings.Split(ansi.Wrap(s, width, ""), "\n")
}
