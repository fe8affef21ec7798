package packets

import (
	"strings"
	"testing"
	"unicode"

	"github.com/vishvananda/netlink"
)

// FuzzPatterns has somebody ask for interfaces by any pattern, where others have
// any name: it fits, or it does not, and what is wrong is said in a line.
func FuzzPatterns(f *testing.F) {
	for _, pattern := range []string{"eth*", "[a-", "\\", "*?*", "\x1b[2J", "-rf;$(id)|", "[\xff-\n]", strings.Repeat("*a", 100)} {
		f.Add(pattern, "eth0")
		f.Add("*", pattern)
		f.Add(pattern, pattern)
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name}}
		c := choiceOf(pattern)
		err := c.check([]netlink.Link{link})
		if err != nil && len(c.patterns) == 1 && c.means(link.Attrs()) {
			t.Errorf("%q fits %q: %v", pattern, name, err)
		}
		if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", err)
		}
	})
}
