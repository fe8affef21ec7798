package snapshot

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
)

// matcher tells which connections a filter lets through: those that hold each
// of its words somewhere in interfaces, protocol, addresses, owner or state.
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

func (m *matcher) match(c *probes.Connection) bool {
	if len(m.words) == 0 {
		return true
	}
	t := append(m.text[:0], strings.ToLower(c.Interface)...)
	for _, name := range c.Path[min(1, len(c.Path)):] {
		t = append(append(t, ' '), strings.ToLower(name)...)
	}
	t = append(append(t, ' '), strings.ToLower(c.Protocol)...)
	t = c.Local.AppendTo(append(t, ' '))
	t = c.Remote.AppendTo(append(t, ' '))
	if o := c.Owner; o != nil {
		for _, name := range []string{o.Comm, o.User, o.Unit, o.Container, o.Hostname} {
			t = append(append(t, ' '), strings.ToLower(name)...)
		}
		t = strconv.AppendUint(append(t, ' '), uint64(o.PID), 10)
	}
	t = append(append(t, ' '), c.State.String()...)
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
