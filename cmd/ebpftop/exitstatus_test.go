package main

import (
	"io"
	"strings"
	"testing"
)

// TestWrongUse ends with status 2, and one line: that is what scripts tell a typing error
// from a failure by. None of these gets as far as to the kernel.
func TestWrongUse(t *testing.T) {
	for _, args := range []string{
		"statz", "now", "--nosuch", "--interval", "--interval 1ns", "--interval 0", "--interval x", "--hook fast", "--port 0", "--port x",
		"--max-connections 0", "--idle x=1s", "--idle tcp=x",
		"stats now", "stats --interval 1ns", "stats --hook fast", "stats --json --events", "stats --count -1", "stats --port 65536",
		"doctor now", "doctor --nosuch", "demo now", "demo --duration -1s", "version now",
		"xconnect nosuch", "xconnect add", "xconnect add a", "xconnect add a b c", "xconnect add a b/c", "xconnect add a sixteencharacter",
		"xconnect add a b --datapath fast", "xconnect add a b --trial 1ms", "xconnect add a b --trial soon",
		"xconnect del", "xconnect del a/b", "xconnect del a b c", "xconnect del a --trial -1s",
		"xconnect apply", "xconnect apply file", "xconnect apply -f", "xconnect run", "xconnect run file",
		"xconnect list now", "xconnect confirm now", "xconnect rollback now",
	} {
		var errOut strings.Builder
		status := run(strings.Fields(args), nil, io.Discard, &errOut)
		if said := errOut.String(); status != 2 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "ebpftop: ") {
			t.Errorf("%s: status %d, said %q", args, status, said)
		}
	}
}
