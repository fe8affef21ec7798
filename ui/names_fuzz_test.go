package ui

import (
	"testing"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// FuzzNames draws all panes of a sample in which whatever others may name is
// named by them: interfaces, programs and their arguments, the ends of pairs, the
// links file's mistake.
func FuzzNames(f *testing.F) {
	for _, piece := range fake.WildTexts {
		f.Add(piece, "eth0", "/bin/sh")
		f.Add("eth0", piece+piece, piece)
	}
	f.Fuzz(func(t *testing.T, name, other, program string) {
		s := fake.Sample(0)
		iface := &s.Interfaces[0]
		iface.Name, iface.Kind, iface.HookReason, iface.Foreign = name, other, program, []string{name + program}
		s.Protocols[0].Interface, s.Protocols[0].Name = name, other
		s.Connections[0].Interface, s.Connections[0].Protocol = name, other
		way := probes.Leg{Datapath: probes.DatapathTC, DatapathReason: other, DropReason: program}
		s.CrossConnects = []probes.CrossConnect{{A: name, B: other, Reason: program, State: probes.PairActive, AToB: way, BToA: way}}
		s.LinksProblem, s.OthersUnknown, s.InspectorNews = other, other, other
		s.Execs.Events = []probes.Exec{{Comm: name, Filename: program, Args: []string{other, program, name}}}
		for _, ascii := range []bool{false, true} {
			o := newOffscreen(ascii)
			o.resize(100, 30)
			o.show(&s)
			for focus := range paneCount {
				for _, zoomed := range []bool{false, true} {
					o.m.focus, o.m.zoomed = focus, zoomed
					checkScreen(t, o.m, ascii)
				}
			}
		}
	})
}
