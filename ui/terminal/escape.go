package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// maxCluster bounds the code points of one character on the screen: a base
// and a few marks. More is never text, only a way to draw over other lines.
const maxCluster = 4

// Escaper makes text that others chose (names of programs and interfaces,
// arguments) safe to show: it can neither drive the terminal nor move or hide
// what stands beside it. All such text passes it on its way to the screen.
type Escaper struct {
	ASCII bool // the terminal shows nothing beyond ASCII
}

// Text returns s with everything that is not plainly visible shown as an
// escape: control characters, broken UTF-8, format characters that reorder
// or hide text, and marks the terminal may count differently than we do.
func (e Escaper) Text(s string) string {
	if PrintableASCII(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r < utf8.RuneSelf && r >= 0x20 && r != 0x7f:
			n = e.plain(&b, s, n)
		case e.ASCII || !Visible(r):
			writeEscape(&b, r)
		default:
			n = e.cluster(&b, s)
		}
		s = s[n:]
	}
	return b.String()
}

// plain writes one ASCII character, with the marks that follow it if any.
func (e Escaper) plain(b *strings.Builder, s string, n int) int {
	if e.ASCII || len(s) == n || s[n] < utf8.RuneSelf {
		b.WriteString(s[:n])
		return n
	}
	return e.cluster(b, s)
}

// cluster writes the first character of s as the screen sees it, or what is
// visible of it and the rest escaped.
func (e Escaper) cluster(b *strings.Builder, s string) int {
	cluster, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	if steady(cluster) {
		b.WriteString(cluster)
		return len(cluster)
	}
	for i, r := range cluster {
		switch {
		case i == 0 && Visible(r) && steady(string(r)):
			b.WriteRune(r)
		case r == utf8.RuneError:
			fmt.Fprintf(b, `\x%02x`, cluster[i])
		default:
			writeEscape(b, r)
		}
	}
	return len(cluster)
}

// steady reports whether a character is the same width for everyone and beside
// everything. Some join their neighbours, and terminals differ on what of
// several code points they draw as one: the line would shift.
func steady(cluster string) bool {
	n := 0
	for _, r := range cluster {
		if n++; n > maxCluster || r == utf8.RuneError || !unicode.IsPrint(r) ||
			unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
			unicode.Is(unicode.Variation_Selector, r) {
			return false
		}
	}
	width := ansi.StringWidth(cluster)
	return width > 0 && ansi.StringWidthWc(cluster) == width && ansi.StringWidth("x"+cluster+"x") == width+2
}

// Visible reports whether r alone takes room on the screen.
func Visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(unicode.M, r) &&
		!unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) &&
		ansi.StringWidthWc(string(r)) > 0
}

func writeEscape(b *strings.Builder, r rune) {
	switch {
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < utf8.RuneSelf:
		fmt.Fprintf(b, `\x%02x`, r)
	case r <= 0xffff:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

// PrintableASCII reports whether s is plain text, a cell for each byte.
func PrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// Command joins arguments the way one would type them, cut off after limit
// bytes: nobody sees more, and arguments can be long.
func (e Escaper) Command(filename string, args []string, truncated bool, limit int) string {
	if len(args) == 0 {
		return e.Text(cutBytes(filename, limit))
	}
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		arg = cutBytes(arg, limit)
		if arg == "" || strings.ContainsAny(arg, " \"'") {
			b.WriteString("'" + strings.ReplaceAll(arg, "'", `'\''`) + "'")
		} else {
			b.WriteString(arg)
		}
		if b.Len() >= limit {
			break
		}
	}
	s := e.Text(b.String())
	if truncated {
		s += " ..."
	}
	return s
}

func cutBytes(s string, limit int) string {
	if len(s) > limit {
		return s[:limit]
	}
	return s
}
