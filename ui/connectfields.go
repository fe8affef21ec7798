package ui

import (
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// field is one line of the form, and what helps to fill it.
type field interface {
	press(tea.Msg)
	click(x int) // on the line
	// leave says why the field cannot be left as it is.
	leave() string
	line(s *styleSet, focused bool, width int) string
	below(a area) []string
	bindings() []key.Binding
}

// candidatesA are the interfaces for the first end.
func (f *connectForm) candidatesA() []candidate { return f.candidates("") }

// candidatesB are those for the second, which may be the first again.
func (f *connectForm) candidatesB() []candidate { return f.candidates(f.a.chosen) }

func (f *connectForm) candidates(other string) []candidate {
	taken := make(map[string]string)
	for i := range f.dialogs.pairs {
		p := &f.dialogs.pairs[i]
		if f.edited == nil || p.A != f.edited.A || p.B != f.edited.B {
			taken[p.A], taken[p.B] = "is in "+pairName(p), "is in "+pairName(p)
		}
	}
	out := make([]candidate, 0, len(f.dialogs.interfaces))
	for i := range f.dialogs.interfaces {
		iface := &f.dialogs.interfaces[i]
		c := candidate{name: iface.Name, iface: iface, taken: taken[iface.Name]}
		if c.name == other {
			c.note = "again: a reflector"
		}
		out = append(out, c)
		delete(taken, c.name)
	}
	for name, by := range taken { // of pairs that wait
		out = append(out, candidate{name: name, taken: by})
	}
	slices.SortStableFunc(out[len(f.dialogs.interfaces):], func(x, y candidate) int { return strings.Compare(x.name, y.name) })
	return out
}

func datapathChoice(keys keyMap) *choice[probes.Datapath] {
	return &choice[probes.Datapath]{keys: keys, options: []option[probes.Datapath]{
		{probes.DatapathAuto, "auto", "XDP where the drivers make it fast, tc where they do not."},
		{probes.DatapathXDP, "xdp", "Native XDP: the driver redirects. Not every driver can."},
		{probes.DatapathXDPGeneric, "xdp-generic", "XDP emulated behind the driver. Frames that were merged on the way are dropped, TCP over it crawls."},
		{probes.DatapathTC, "tc", "tc redirects: works on every interface."},
	}}
}

func keepChoice(keys keyMap) *choice[bool] {
	return &choice[bool]{keys: keys, options: []option[bool]{
		{false, "remove", "The pair ends with ebpftop, however that ends."},
		{true, "keep", "The pair stays when ebpftop ends, until it is removed or the host restarts."},
	}}
}

func trialChoice(keys keyMap) *choice[time.Duration] {
	c := &choice[time.Duration]{keys: keys, options: []option[time.Duration]{
		{0, "off", "The change stays."},
	}}
	for _, d := range []time.Duration{10 * time.Second, defaultTrial, time.Minute, 5 * time.Minute} {
		c.options = append(c.options, option[time.Duration]{d, short(d),
			"After " + short(d) + " the pairs before come back, unless you press c."})
	}
	return c
}
