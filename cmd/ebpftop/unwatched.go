package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui"
)

// noteUnwatched says with the first sample, in a line, which interfaces are not watched and
// why the first of them is not. Each sample says why each is not.
func noteUnwatched(errOut io.Writer, write printer) printer {
	var noted bool
	return func(out io.Writer, s *probes.Sample, connections []probes.Connection) error {
		if line := unwatched(s.Interfaces); !noted && line != "" {
			fmt.Fprintln(errOut, "ebpftop: "+line)
		}
		noted = true
		return write(out, s, connections)
	}
}

// mostNamed is how many interfaces a line names.
const mostNamed = 5

// unwatched is empty if all interfaces are watched.
func unwatched(interfaces []probes.Interface) string {
	var names []string
	var reason string
	for _, i := range interfaces {
		if i.Hook == probes.HookNone {
			names = append(names, ui.Escape(i.Name))
			if reason == "" {
				reason = ui.Escape(i.HookReason)
			}
		}
	}
	if names == nil {
		return ""
	}
	which := strings.Join(names[:min(mostNamed, len(names))], ", ")
	if more := len(names) - mostNamed; more > 0 {
		which += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%d of %d interfaces are not watched (%s): %s", len(names), len(interfaces), which, reason)
}
