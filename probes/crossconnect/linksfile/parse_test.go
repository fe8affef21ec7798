package linksfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

const auto = crossconnect.Auto

// there is a host with eth0 to eth9.
func there(iface string) error {
	if len(iface) == 4 && strings.HasPrefix(iface, "eth") {
		return nil
	}
	return crossconnect.ErrMissing
}

func TestParseReadsPairsInOrder(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want []crossconnect.Pair
	}{
		"xdp-xconnect's": {
			"---\nlinks:\n  eth2: eth3\n  eth0: eth1 # uplink\n  eth4: eth4",
			[]crossconnect.Pair{
				{A: "eth2", B: "eth3", AToB: auto, BToA: auto},
				{A: "eth0", B: "eth1", AToB: auto, BToA: auto},
				{A: "eth4", B: "eth4", AToB: auto, BToA: auto},
			},
		},
		"settings": {
			"links:\n  eth0:\n    peer: eth1\n    datapath: xdp-generic\n  tap0: {peer: tap1, wait: true, datapath: tc}\n",
			[]crossconnect.Pair{
				{A: "eth0", B: "eth1", AToB: crossconnect.XDPGeneric, BToA: crossconnect.XDPGeneric},
				{A: "tap0", B: "tap1", AToB: crossconnect.TC, BToA: crossconnect.TC, Wait: true},
			},
		},
		"one pair from both ends": {
			"links:\n  eth0: eth1\n  eth1: {peer: eth0, datapath: auto, wait: false}\n",
			[]crossconnect.Pair{{A: "eth0", B: "eth1", AToB: auto, BToA: auto}},
		},
		"names that look like numbers": {
			"links: {\"100\": {peer: '1e3', wait: True}}\n",
			[]crossconnect.Pair{{A: "100", B: "1e3", AToB: auto, BToA: auto, Wait: true}},
		},
		"words that are booleans to older YAML": {
			"links: {on: {peer: yes, wait: true}}\n",
			[]crossconnect.Pair{{A: "on", B: "yes", AToB: auto, BToA: auto, Wait: true}},
		},
		"the longest name, with odd characters": {
			"links: {a.b-c@d!e%f~gé: {peer: '...', wait: true}}\n",
			[]crossconnect.Pair{{A: "a.b-c@d!e%f~gé", B: "...", AToB: auto, BToA: auto, Wait: true}},
		},
		"no links": {"links: {}\n", []crossconnect.Pair{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse("links.yaml", []byte(c.file), there)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const (
		look = ": check indentation (no tabs), quotes and brackets"
		none = ": write links: {} for no links at all"
		word = " where a word belongs: write a word, in quotes if it looks like something else"
		keys = " where a mapping belongs: write KEY: VALUE lines"
		name = "this cannot be the name of an interface: use 1 to 15 bytes, no blanks, slashes or colons, nor . or .. alone"
	)
	for _, c := range []struct{ file, want string }{
		{"", "1: file is empty" + none},
		{"# nothing but a comment\n\n", "1: file is empty" + none},
		{"---\n", "2: nothing" + keys},
		{"links:\n", "1: links is empty" + none},
		{"{}\n", "1: links is missing" + none},
		{"- links\n", "1: a list" + keys},
		{"links\n", "1: a word" + keys},
		{"links: eth0\n", "1: a word" + keys},
		{"links:\n  - eth0\n", "2: a list" + keys},
		{"links: 3\n", "1: a number" + keys},
		{"links: {}\nlink: {}\n", `2: unknown key: the only one is links`},
		{"links: {}\n<<: {}\n", "2: a value of another type" + word},
		{"links: {}\nlinks: {}\n", `2: this key is already on line 1: remove one of them`},
		{"links: {}\n---\nlinks: {}\n", "2: second YAML document: put all into one"},
		{"links: {}\n---\n[", "4: not YAML: did not find expected node content" + look},

		{"links:\n  eth0: [eth1\n", "3: not YAML: did not find expected ',' or ']'" + look},
		{"links:\n\teth0: eth1\n", "2: not YAML: found character that cannot start any token" + look},
		{"links:\n  eth0: eth1\n  eth2: \x01\n", "3: not YAML: control characters are not allowed" + look},
		{"links:\n  eth0: \xff\n", "2: not YAML: invalid leading UTF-8 octet" + look},
		{"links: *" + strings.Repeat("x", 1000), "1: not YAML: unknown anchor" + look},
		{"links: " + strings.Repeat("[", 20000), "1: not YAML: exceeded max depth of 10000" + look},

		{"links:\n  eth0:\n", "2: nothing" + word},
		{"links:\n  eth0: 1\n", "2: a number" + word},
		{"links:\n  eth0: 1.5\n", "2: a number" + word},
		{"links:\n  eth0: true\n", "2: true or false" + word},
		{"links:\n  eth0: 2026-01-01\n", "2: a value of another type" + word},
		{"links:\n  eth0: !mine eth1\n", "2: a value of another type" + word},
		{"links:\n  eth0: [eth1]\n", "2: a list where a word belongs: write a word"},
		{"links:\n  7: eth1\n", "2: a number" + word},
		{"links:\n  [eth0]: eth1\n", "2: a list where a word belongs: write a word"},
		{"links:\n  eth0: &a eth1\n  eth2: *a\n", "3: an alias where a word belongs: write a word"},
		{"links: &a\n  eth0: *a\n", "2: an alias where a word belongs: write a word"},

		{"links:\n  '': eth1\n", "2: " + name},
		{"links:\n  eth0: ''\n", "2: " + name},
		{"links:\n  sixteencharacter: eth1\n", "2: " + name},
		{"links:\n  eth0: fünfzehnzeichen\n", "2: " + name},
		{"links:\n  eth0: " + strings.Repeat("x", 1000) + "\n", "2: " + name},
		{"links:\n  eth0: a/b\n", "2: " + name},
		{"links:\n  eth0: a:b\n", "2: " + name},
		{"links:\n  eth0: a b\n", "2: " + name},
		{"links:\n  eth0: \"a\\nb\"\n", "2: " + name},
		{"links:\n  eth0: \"a\\0b\"\n", "2: " + name},
		{"links:\n  eth0: caffà\n", "2: " + name},
		{"links:\n  eth0: .\n", "2: " + name},
		{"links:\n  ..: eth1\n", "2: " + name},

		{"links:\n  eth0: eth1\n  eth0: eth2\n", `3: this key is already on line 2: remove one of them`},
		{"links:\n  eth0: eth1\n  eth2: eth1\n", `3: "eth1" is already connected on line 2: keep one of the two`},
		{"links:\n  eth0: eth1\n  eth1: eth1\n", `3: "eth1" is already connected on line 2: keep one of the two`},
		{"links:\n  eth0: eth0\n  eth1: eth0\n", `3: "eth0" is already connected on line 2: keep one of the two`},
		{"links:\n  eth0: eth1\n  eth1: {peer: eth0, datapath: tc}\n", `3: "eth1" is already connected on line 2: keep one of the two`},
		{"links:\n  eth0: eth1\n  eth1: {peer: eth0, wait: true}\n", `3: "eth1" is already connected on line 2: keep one of the two`},

		{"links:\n  eth0: {}\n", `2: "eth0" has no peer: add peer: and the other interface`},
		{"links:\n  eth0: {peer: eth1, mtu: 9000}\n", `2: unknown key: use peer, datapath or wait`},
		{"links:\n  eth0:\n    peer: eth1\n    peer: eth2\n", `4: this key is already on line 3: remove one of them`},
		{"links:\n  eth0:\n    peer: eth1\n    datapath: fast\n", `4: unknown datapath: use auto, xdp, xdp-generic or tc`},
		{"links:\n  eth0:\n    peer: eth1\n    datapath: [tc]\n", "4: a list where a word belongs: write a word"},
		{"links:\n  eth0:\n    peer: eth1\n    wait: \"true\"\n", "4: wait is neither true nor false: write one of them"},
		{"links:\n  eth0:\n    peer: eth1\n    wait: !!bool maybe\n", "4: wait is neither true nor false: write one of them"},
		{"links:\n  eth0:\n    peer: eth1\n    wait:\n", "4: wait is neither true nor false: write one of them"},

		{"links:\n  eth0: tap1\n", `2: there is no interface "tap1": create it, or write "eth0": {peer: "tap1", wait: true}`},
		{"links:\n  tap0:\n    peer: eth1\n    wait: false\n", `2: there is no interface "tap0": create it, or write "tap0": {peer: "eth1", wait: true}`},
	} {
		got, err := Parse("links.yaml", []byte(c.file), there)
		if want := "links.yaml:" + c.want; err == nil || err.Error() != want || got != nil {
			t.Errorf("%.60q: got %v, %v\nwant %s", c.file, got, err, want)
		}
	}
}

func TestParseBoundsTheSize(t *testing.T) {
	file := []byte("links: {}\n" + strings.Repeat("#", MaxSize-10))
	if _, err := Parse("links.yaml", file, there); err != nil {
		t.Errorf("with MaxSize bytes: %v", err)
	}
	_, err := Parse("links.yaml", append(file, '#'), there)
	if want := "links.yaml:1: file is larger than 1048576 bytes: use fewer links"; fmt.Sprint(err) != want {
		t.Errorf("with one more: got %v, want %s", err, want)
	}
}

// TestParseQuotesNothing has it read files that are not for everybody to read, as somebody
// would who may have root follow a symbolic link.
func TestParseQuotesNothing(t *testing.T) {
	const secret = "hunter2-s3cr3t"
	for _, file := range []string{
		"root:" + secret + ":20100:0:99999:7:::\ndaemon:*:20100:0:99999:7:::\n",
		"root:" + secret + ": 20100\n",
		secret, "'" + secret, "{" + secret, "- " + secret,
		"PASSWORD=" + secret + "\n", "machine example.org password " + secret, "export TOKEN='" + secret + "'\n",
		secret + ": x\n" + secret + ": y\n",
		"a: *" + secret, "a: &" + secret + " *" + secret, "a: !" + secret + " b", "a: !<" + secret + "> b", "!" + secret + "! a", "a: !x\"" + secret + "\" b",
		"%" + secret + "\n---\n", "%TAG !" + secret + "! " + secret + "\n---\na",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n" + secret + "\n-----END OPENSSH PRIVATE KEY-----\n",
		`{"token": "` + secret + `"}`, `{"` + secret, `["` + secret + `"]`,
		"links: " + secret, "links: {" + secret, "links: [" + secret + "]",
		"links:\n  eth0: {peer: eth1, datapath: " + secret + "}\n",
		"links:\n  eth0: {peer: eth1, wait: " + secret + "}\n",
		"links:\n  eth0: {peer: eth1, " + secret + ": x}\n",
		"links:\n  'password " + secret + "': x\n", "links:\n  eth0: 'password " + secret + "'\n",
		"links:\n  eth0: !" + secret + " eth1\n", "links:\n  password=" + secret + ": x\n",
		"links: {}\n---\n" + secret, "links: {}\n" + secret + ": x", "\xff" + secret, secret + "\xff", secret + "\x01",
	} {
		_, err := Parse("links.yaml", []byte(file), there)
		if err == nil || strings.Contains(err.Error(), secret[:7]) || strings.Contains(err.Error(), "20100") {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// FuzzParse: whatever the file, there are either pairs that can be, or one
// line that says where the trouble is.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		pairs, err := Parse("links.yaml", data, func(string) error { return nil })
		if err != nil {
			var line int
			if n, _ := fmt.Sscanf(err.Error(), "links.yaml:%d: ", &line); n != 1 || line < 1 {
				t.Errorf("no line in %q", err)
			}
			if strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 300 {
				t.Errorf("not a short line: %q", err)
			}
			// Longer than any name, without blanks: no words of ours.
			for _, field := range bytes.Fields(data) {
				if len(field) > 15 && strings.Contains(err.Error(), string(field)) {
					t.Errorf("%q quotes %q", err, field)
				}
			}
			return
		}
		seen := make(map[string]bool)
		for _, pair := range pairs {
			for _, iface := range slices.Compact([]string{pair.A, pair.B}) {
				if probes.CheckInterfaceName(iface) != nil || seen[iface] {
					t.Errorf("%q is no name, or in two pairs of %v", iface, pairs)
				}
				seen[iface] = true
			}
			if _, err := crossconnect.ParseDatapath(string(pair.AToB)); err != nil || pair.AToB != pair.BToA {
				t.Errorf("datapaths %q and %q", pair.AToB, pair.BToA)
			}
		}
	})
}
