package hook

import "fmt"

// Hook is where in the kernel received frames are counted. Sent frames are
// counted by a tracepoint where that is attached anyway, else by tc egress.
type Hook string

// The hooks, and the words --hook takes for them.
const (
	Auto       Hook = "auto"        // only as a wish, never in a sample
	Tracepoint Hook = "tracepoint"  // the kernel's own, of all interfaces together
	XDP        Hook = "xdp"         // native XDP, in the driver
	XDPGeneric Hook = "xdp-generic" // XDP emulated behind the driver
	TC         Hook = "tc"          // tcx, a bpf_link, Linux 6.6
	Clsact     Hook = "clsact"      // filters on a clsact qdisc, before 6.6
	None       Hook = ""            // not watched; HookReason says why
)

// Parse reads the word that --hook takes.
func Parse(word string) (Hook, error) {
	switch hook := Hook(word); hook {
	case Auto, Tracepoint, XDP, XDPGeneric, TC, Clsact:
		return hook, nil
	}
	return "", fmt.Errorf("unknown hook %q: use auto, tracepoint, xdp, xdp-generic, tc or clsact", word)
}
