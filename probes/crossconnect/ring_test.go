package crossconnect

import (
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// TestRing finds frames that would come round, whatever the way, and no others.
func TestRing(t *testing.T) {
	twins := func(names ...string) map[string]string {
		ends := make(map[string]string)
		for i := 0; i < len(names); i += 2 {
			ends[names[i]], ends[names[i+1]] = names[i+1], names[i]
		}
		return ends
	}
	bridge := func(ports ...string) map[string][]string {
		of := make(map[string][]string)
		for _, port := range ports {
			of[port] = ports
		}
		return of
	}
	for name, test := range map[string]struct {
		ways
		want string
	}{
		"nothing to see":          {ways{pairs: twins("a", "b")}, ""},
		"one veth":                {ways{pairs: twins("a", "b"), ends: twins("a", "b")}, "a b a"},
		"two reflectors":          {ways{pairs: map[string]string{"a": "a", "b": "b"}, ends: twins("a", "b")}, "a b a"},
		"a reflector":             {ways{pairs: map[string]string{"a": "a"}, ends: twins("a", "b")}, ""},
		"two pairs":               {ways{pairs: twins("a", "b", "c", "d"), ends: twins("a", "c", "b", "d")}, "a b d c a"},
		"two pairs with two ends": {ways{pairs: twins("a", "b", "c", "d"), ends: twins("b", "c")}, ""},
		"two pairs, reflected":    {ways{pairs: map[string]string{"a": "b", "b": "a", "c": "c", "d": "d"}, ends: twins("a", "c", "b", "d")}, "a b d b a c a"},
		"a bridge": {ways{pairs: twins("a", "b"), ends: twins("a", "x", "b", "y"), ports: bridge("x", "y", "z")},
			"a b y x a"},
		"two bridges": {ways{pairs: twins("a", "b"), ends: twins("a", "x", "b", "y"), ports: map[string][]string{"x": {"x", "v"}, "y": {"y", "w"}}},
			""},
		"a bridge, one end": {ways{pairs: twins("a", "b"), ends: twins("a", "x"), ports: bridge("x", "y", "z")}, ""},
	} {
		if got := strings.Join(test.ring("a"), " "); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestRingRefused is asked for rings of what the kernel has, and refuses them.
func TestRingRefused(t *testing.T) {
	b := newBench(t, 2)
	w := b.own()
	b.check(lab.QuietVeth(b.hub, "x", b.hub, "y"))
	between := func(a, b string) Pair { return Pair{A: a, B: b} }
	b.refused(w, "a frame would go round for ever", between("x", "y"))
	b.refused(w, "a frame would go round for ever", between("x", "x"), between("y", "y"))
	b.set(w, between("x", "p0"), between("y", "p1"))
	b.set(w, between("x", "x"))

	b.check(lab.QuietVeth(b.hub, "v", b.hub, "w"))
	b.set(w)
	b.check(b.hub.AddBridge("br0", "y", "w"))
	b.refused(w, "y > w", between("x", "v"))
	b.expectPairs(w)
}
