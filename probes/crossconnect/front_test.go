package crossconnect

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// Verdicts of tc.
const (
	tcOK     = 0
	tcUnspec = -1 // the next program decides
)

// foreignTCX makes a tcx program of somebody else's with a verdict.
func foreignTCX(t *testing.T, verdict int32) *ebpf.Program {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "foreign", Type: ebpf.SchedCLS, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, verdict), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program
}

// attachFirst attaches a tcx program before all that are there. To close what it returns
// detaches it.
func (b *bench) attachFirst(iface string, program *ebpf.Program) (l link.Link) {
	b.t.Helper()
	b.do(func() (err error) {
		l, err = link.AttachTCX(link.TCXOptions{
			Program: program, Interface: b.link(iface).Attrs().Index, Attach: ebpf.AttachTCXIngress, Anchor: link.Head(),
		})
		return err
	})
	b.t.Cleanup(func() { l.Close() })
	return l
}

// TestProgramAhead has a program that decides about all frames, where a pair is made, then
// twice where one is. The second time it stays ahead, and that is said.
func TestProgramAhead(t *testing.T) {
	needsLinks(t)
	for name, open := range kindsOfSet {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 2)
			w := open(b)
			program := foreignTCX(t, tcOK)
			before := b.attachFirst("p0", program)
			b.set(w, pair(0, 1))
			b.expectWires(1, 0)

			b.attachFirst("p1", program)
			if b.leads(1, soon) != -1 {
				t.Fatal("the program does not keep frames")
			}
			b.do(w.RetryWaiting)
			b.expectWires(1, 0)
			b.expectAttached("p0 tc", "p0 tc", "p1 tc", "p1 tc")
			for _, name := range []string{"p0", "p1"} {
				b.expectDeprived(w, name)
			}

			b.check(before.Close())
			again := b.attachFirst("p0", program)
			b.do(w.RetryWaiting)
			b.expectWires(1, 0)
			b.check(again.Close())
			again = b.attachFirst("p0", program)
			b.do(w.RetryWaiting)
			b.do(w.Reconcile)
			if s := b.only(w); !strings.HasPrefix(s.Reason, "foreign (program ") || !strings.Contains(s.Reason, "before the cross-connect on p0") || s.Harmless {
				t.Errorf("says %q", s.Reason)
			}
			b.check(again.Close())
			b.do(w.RetryWaiting)
			if s := b.only(w); strings.Contains(s.Reason, "p0") || !s.Harmless {
				t.Errorf("says %q", s.Reason)
			}
			b.expectWires(1, 0)
		})
	}
}

// expectDeprived expects it to be said that a program of somebody else sees none of the
// frames, which is nothing that ails the pair.
func (b *bench) expectDeprived(w *PairSet, name string) {
	b.t.Helper()
	s := b.only(w)
	want := "the cross-connect on " + name + " comes before foreign (program "
	if !strings.Contains(s.Reason, want) || !s.Harmless {
		b.t.Errorf("says %q, harmless %t; want %q", s.Reason, s.Harmless, want)
	}
}

// TestOvertakeLosesNothing has frames flow meanwhile.
func TestOvertakeLosesNothing(t *testing.T) {
	needsLinks(t)
	for name, open := range kindsOfSet {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 2)
			w := open(b)
			b.set(w, pair(0, 1))
			f := b.startFlow(0)
			for range 5 {
				f.more()
				b.attachFirst("p0", foreignTCX(t, tcUnspec))
				b.do(w.RetryWaiting)
			}
			f.more()
			f.stopAt(1)
			if name == "kept" {
				b.do(w.Close)
			}
			b.expectWires(1, 0)
		})
	}
}

// TestCounterStaysAhead lets a program of ebpftop that counts be the first.
func TestCounterStaysAhead(t *testing.T) {
	needsLinks(t)
	b := newBench(t, 2)
	counter := foreignTCX(t, tcUnspec)
	info, err := counter.Info()
	b.check(err)
	id, _ := info.ID()
	w := b.own()
	w.LookAt = func(asked ebpf.ProgramID) (Program, error) {
		return Program{Counts: asked == id}, nil
	}
	first := func() (id ebpf.ProgramID) {
		b.do(func() error {
			result, err := link.QueryPrograms(link.QueryOptions{Target: b.link("p0").Attrs().Index, Attach: ebpf.AttachTCXIngress})
			if err == nil {
				id = result.Programs[0].ID
			}
			return err
		})
		return id
	}
	before := b.attachFirst("p0", counter)
	b.set(w, pair(0, 1))
	if first() != id {
		t.Error("the pair came before it")
	}
	b.check(before.Close())
	b.attachFirst("p0", counter)
	b.attachFirst("p1", foreignTCX(t, tcOK))
	b.do(w.RetryWaiting)
	if first() != id {
		t.Error("it was overtaken")
	}
	if s := b.only(w); strings.Contains(s.Reason, "p0") || !s.Harmless {
		t.Errorf("says %q", s.Reason)
	}
	b.expectWires(1, 0)
}
