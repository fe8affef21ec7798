package drops

import (
	"strings"
	"testing"
)

// TestReasonNames: what the kernel has no name for is a number, and never empty.
func TestReasonNames(t *testing.T) {
	r := reasons{
		names:      map[uint32]string{1: "SKB_CONSUMED", 3: "NO_SOCKET", 70: "SKB_NOT_DROPPED_YET"},
		subsystems: map[uint32]string{0: "CORE", 2: "OPENVSWITCH"},
	}
	for reason, want := range map[uint32]string{
		3: "NO_SOCKET", 99: "REASON_99", 2<<16 | 5: "OPENVSWITCH_5", 9<<16 | 1: "REASON_589825",
	} {
		if got := r.name(reason); got != want {
			t.Errorf("%d: %q, want %q", reason, got, want)
		}
	}
	if got := (reasons{}).name(3); got != "" {
		t.Errorf("kernel without reasons: %q", got)
	}
	if got, want := r.noDrops(), [4]uint64{1 << 1, 1 << 6}; got != want {
		t.Errorf("no drops: %b, want %b", got, want)
	}
	for number, want := range map[uint32]string{0: "XDP_ABORTED", 3: "XDP_TX", 17: "XDP_ACTION_17"} {
		if got := actionName(number); got != want {
			t.Errorf("action %d: %q, want %q", number, got, want)
		}
	}
	for number, want := range map[uint32]string{0: "FULL", 90: "EMSGSIZE", 95: "EOPNOTSUPP", 4000: "4000"} {
		if got := errnoName(number); got != want {
			t.Errorf("error %d: %q, want %q", number, got, want)
		}
	}
}

// TestParseSymbol reads lines of /proc/kallsyms.
func TestParseSymbol(t *testing.T) {
	for line, want := range map[string]string{
		"ffffffff81000000 T _stext":              "_stext",
		"ffffffffc0123000 t nft_do\t[nf_tables]": "nft_do",
		"ffffffff82000000 D jiffies":             "",
		"ffffffff82000000 T":                     "",
		"zz T function":                          "",
		"":                                       "",
	} {
		_, name, ok := parseSymbol([]byte(line))
		if !ok {
			name = nil
		}
		if string(name) != want {
			t.Errorf("%q: %q, want %q", line, name, want)
		}
	}
}

// TestShowsAddresses: variables of each CPU may be at 0, as on x86-64 before Linux 6.15; if
// functions are, too, all addresses are hidden.
func TestShowsAddresses(t *testing.T) {
	const variables = "0000000000000000 A fixed_percpu_data\n0000000000000000 D __per_cpu_start\n"
	for _, test := range []struct {
		name, symbols string
		want          bool
	}{
		{"shown", "ffffffff81000000 T _stext\n", true},
		{"shown behind variables", variables + "ffffffff81000000 T startup_64\n", true},
		{"hidden", variables + strings.Repeat("0000000000000000 T _text\n", 1000), false},
		{"none", "", false},
	} {
		if got := showsAddresses(strings.NewReader(test.symbols)); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
