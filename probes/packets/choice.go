package packets

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// choice holds the interfaces that one argument means: the one of exactly this name, or
// those that match one of a list of names and shell patterns. A name may be an
// alternative one, and may be followed by "@" and the name of the device below, as ip(8)
// prints it.
type choice struct {
	text     string
	patterns []string
}

// ErrEmptyName is wrapped by the error about a list of interfaces with a comma too many.
var ErrEmptyName = errors.New("a name is empty")

func choiceOf(text string) choice {
	patterns, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		patterns = []string{text} // a name with quotes in it
	}
	return choice{text: text, patterns: patterns}
}

// means tells whether an interface is among those meant.
func (c choice) means(attrs *netlink.LinkAttrs) bool {
	return c.names(attrs) || slices.ContainsFunc(c.patterns, func(pattern string) bool { return matches(pattern, attrs) })
}

// names tells whether the whole argument is a name of the interface.
func (c choice) names(attrs *netlink.LinkAttrs) bool {
	return attrs.Name == c.text || slices.Contains(attrs.AltNames, c.text)
}

func matches(pattern string, attrs *netlink.LinkAttrs) bool {
	if at := strings.LastIndexByte(pattern, '@'); at > 0 && pattern[:at] == attrs.Name {
		return true
	}
	return slices.ContainsFunc(append([]string{attrs.Name}, attrs.AltNames...), func(name string) bool {
		ok, _ := path.Match(pattern, name) // checked by check
		return ok
	})
}

// check returns an error for a malformed pattern, and for a name without wildcards that
// no interface has: that is a typing error, which an empty screen would not explain.
func (c choice) check(links []netlink.Link) error {
	if slices.ContainsFunc(links, func(l netlink.Link) bool { return c.names(l.Attrs()) }) {
		return nil
	}
	for _, pattern := range c.patterns {
		if strings.TrimSpace(pattern) == "" {
			return fmt.Errorf("interfaces %q: %w: leave out the comma", c.text, ErrEmptyName)
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("interface pattern %q: %w: close the bracket, or write \\[ for one", pattern, err)
		}
		exists := slices.ContainsFunc(links, func(l netlink.Link) bool { return matches(pattern, l.Attrs()) })
		if !exists && !strings.ContainsAny(pattern, `*?[\`) {
			return fmt.Errorf("no interface %q here: `ip -br link` lists those there are", pattern)
		}
	}
	return nil
}

// choices holds the arguments of -i. None means all interfaces that are up, except loopback.
type choices []choice

func choicesOf(texts []string) (c choices) {
	for _, text := range texts {
		c = append(c, choiceOf(text))
	}
	return c
}

func (c choices) mean(attrs *netlink.LinkAttrs) bool {
	if len(c) == 0 {
		return attrs.Flags&net.FlagUp != 0 && attrs.Flags&net.FlagLoopback == 0
	}
	return slices.ContainsFunc(c, func(one choice) bool { return one.means(attrs) })
}
