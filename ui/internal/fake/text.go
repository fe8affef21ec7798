package fake

import (
	"fmt"
	"strings"
)

// WildTexts are names that nobody should give, and some that anybody may.
var WildTexts = []string{
	"eth0", "", " ", "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\u009b", "\x00", "\n", "\t", "\xff\xfe", "\u202e", "\u200d",
	"👩‍👩‍👧", "👍🏽", "é", "e\u0301\u0302\u0303\u0304\u0305", "バックアップ", "한글", "ᄀᄁ", "\u1160", "🇩🇪", "❤\ufe0f", "1\ufe0f\u20e3", "ไทยที่", "नि",
	"\U000e0041", "\ufeff", "\u3000", "\u00a0", "\u00ad", "'", "\\", "x", "/usr/bin/true", strings.Repeat("long", 300),
}

// Foreign names what should not be in a line: anything but text and the
// colours and attributes that are ours.
func Foreign(line string, ascii bool) string {
	for line != "" {
		if rest, ok := strings.CutPrefix(line, "\x1b["); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != ';' })
			if end < 0 || rest[end] != 'm' {
				return "an escape sequence"
			}
			line = rest[end+1:]
			continue
		}
		for i, r := range line {
			if r < 0x20 || (r >= 0x7f && r < 0xa0) || (ascii && r > 0x7e) || r == 0xfffd ||
				(r >= 0x200b && r <= 0x200f) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
				return fmt.Sprintf("%q", r)
			}
			line = line[i+len(string(r)):]
			break
		}
	}
	return ""
}
