package snapshot

import (
	"bytes"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
)

// matcher tells which connections a filter lets through: those that hold each
// of its words somewhere in interface, protocol or addresses.
type matcher struct {
	scope string // only this interface, "" for all
	words [][]byte
	text  []byte // reused from row to row
}

func newMatcher(scope, filter string) *matcher {
	m := &matcher{scope: scope}
	for _, word := range strings.Fields(strings.ToLower(filter)) {
		m.words = append(m.words, []byte(word))
	}
	return m
}

func (m *matcher) match(c *probes.Connection) bool {
	if m.scope != "" && c.Interface != m.scope {
		return false
	}
	if len(m.words) == 0 {
		return true
	}
	t := append(m.text[:0], strings.ToLower(c.Interface)...)
	t = append(append(t, ' '), strings.ToLower(c.Protocol)...)
	t = c.Local.AppendTo(append(t, ' '))
	t = c.Remote.AppendTo(append(t, ' '))
	m.text = t
	for _, word := range m.words {
		if !bytes.Contains(t, word) {
			return false
		}
	}
	return true
}

// rows returns the indices of the connections that match.
func (m *matcher) rows(conns []probes.Connection) []int32 {
	rows := make([]int32, 0, len(conns))
	for i := range conns {
		if m.match(&conns[i]) {
			rows = append(rows, int32(i))
		}
	}
	return rows
}
