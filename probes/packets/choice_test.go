package packets

import (
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestChoice asks for interfaces of odd names, as they are, as ip(8) prints them, in
// lists and by patterns.
func TestChoice(t *testing.T) {
	var links []netlink.Link
	for _, name := range []string{"eth0", "eth1", "x*y", "[br]", "a,b", "-dash", `q"uote`, `back\slash`, "a@b", "wan-ünï", "[x"} {
		links = append(links, &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: name}})
	}
	links[0].Attrs().AltNames = []string{"enx001122334455", "enp0s31f6-a-long-alternative-name"}
	for _, c := range []struct {
		text    string
		want    []string
		problem string
	}{
		{"eth0", []string{"eth0"}, ""},
		{"eth*", []string{"eth0", "eth1"}, ""},
		{"eth0,eth1", []string{"eth0", "eth1"}, ""},
		{"x*y", []string{"x*y"}, ""},
		{`x\*y`, []string{"x*y"}, ""},
		{"[br]", []string{"[br]"}, ""},
		{`\[br\]`, []string{"[br]"}, ""},
		{"a,b", []string{"a,b"}, ""},
		{`"a,b"`, []string{"a,b"}, ""},
		{`"a,b",eth0`, []string{"eth0", "a,b"}, ""},
		{"-dash", []string{"-dash"}, ""},
		{`q"uote`, []string{`q"uote`}, ""},
		{`back\slash`, []string{`back\slash`}, ""},
		{"a@b", []string{"a@b"}, ""},
		{"wan-ünï", []string{"wan-ünï"}, ""},
		{"[x", []string{"[x"}, ""},
		{"enp0s31f6-a-long-alternative-name", []string{"eth0"}, ""},
		{"enx*", []string{"eth0"}, ""},
		{"eth1@if7", []string{"eth1"}, ""},
		{"eth1@eth0,-dash", []string{"eth1", "-dash"}, ""},
		{"docker*", nil, ""},

		{"eth2", nil, `no interface "eth2"`},
		{"eth0,eth2", []string{"eth0"}, `no interface "eth2"`},
		{"eth2@eth0", nil, `no interface "eth2@eth0"`},
		{"[a", nil, `interface pattern "[a"`},
		{"", nil, "a name is empty"},
	} {
		chosen := choiceOf(c.text)
		var got []string
		for _, l := range links {
			if chosen.means(l.Attrs()) {
				got = append(got, l.Attrs().Name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q means %q, want %q", c.text, got, c.want)
		}
		switch err := chosen.check(links); {
		case err == nil && c.problem != "", err != nil && (c.problem == "" || !strings.Contains(err.Error(), c.problem)):
			t.Errorf("%q: %v, want %q", c.text, err, c.problem)
		}
	}
}
