package packets

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/impact"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
	"github.com/ebpftop/ebpftop/probes/internal/procfs"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// xdpPassProgram is somebody else's program.
func xdpPassProgram(t *testing.T) *ebpf.Program {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "foreign", Type: ebpf.XDP, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program
}

// TestForeignXDPIsNeverReplaced wishes for XDP where another program is.
func TestForeignXDPIsNeverReplaced(t *testing.T) {
	for wish, want := range map[probes.Hook]probes.Hook{probes.HookAuto: probes.HookTracepoint, probes.HookXDP: tcHook, probes.HookXDPGeneric: tcHook} {
		t.Run(string(wish), func(t *testing.T) {
			host, peer := newPair(t)
			var foreign link.Link
			program := xdpPassProgram(t)
			if err := host.Do(func() error {
				l, err := netlink.LinkByName(hostInterface)
				if err != nil {
					return err
				}
				foreign, err = link.AttachXDP(link.XDPOptions{Program: program, Interface: l.Attrs().Index, Flags: link.XDPGenericMode})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			defer foreign.Close()
			r := newRigWish(t, host, peer, wish)
			row, _ := r.poll()
			if row.Hook != want || !slices.Equal(row.Foreign, []string{"xdp: foreign"}) {
				t.Errorf("hook %q (%s), foreign programs %q", row.Hook, row.HookReason, row.Foreign)
			}
			r.check(r.peer.Inject(peerInterface, udp4Frame()))
			r.await(1)
		})
	}
}

// newRigWish is newRigOn without insisting on the hook wished for.
func newRigWish(t *testing.T, host, peer *lab.Namespace, wish probes.Hook) *rig {
	t.Helper()
	r := &rig{t: t, host: host, peer: peer}
	r.open(wish, 1000)
	return r
}

// TestAutoAttachesNothing to an interface.
func TestAutoAttachesNothing(t *testing.T) {
	host, peer := newPair(t)
	r := newRigWish(t, host, peer, probes.HookAuto)
	row, _ := r.poll()
	if row.Hook != probes.HookTracepoint || len(r.watched.byIndex[r.onlyIndex()].probe.links) != 0 {
		t.Errorf("hook %q: %s", row.Hook, row.HookReason)
	}
}

// TestHooksToTry covers the choices for devices that not every kernel has.
func TestHooksToTry(t *testing.T) {
	hardware := linkFacts{kind: "device", hasEthernet: true}
	with := func(change func(*linkFacts)) linkFacts {
		facts := hardware
		change(&facts)
		return facts
	}
	for _, test := range []struct {
		name  string
		wish  probes.Hook
		facts linkFacts
		want  []probes.Hook
	}{
		{"hardware", probes.HookAuto, hardware, []probes.Hook{probes.HookTracepoint, probes.HookTC, probes.HookClsact}},
		{"VLAN", probes.HookAuto, with(func(f *linkFacts) { f.kind = "vlan" }), []probes.Hook{probes.HookTC, probes.HookClsact}},
		{"bond", probes.HookTracepoint, with(func(f *linkFacts) { f.kind = "bond" }), []probes.Hook{probes.HookTC, probes.HookClsact}},
		{"XDP", probes.HookXDP, hardware, []probes.Hook{probes.HookXDP, probes.HookTC, probes.HookClsact, probes.HookXDPGeneric}},
		{"generic XDP", probes.HookXDPGeneric, hardware, []probes.Hook{probes.HookTC, probes.HookClsact, probes.HookXDPGeneric}},
		{"foreign XDP", probes.HookXDP, with(func(f *linkFacts) { f.foreignXDP = true }), []probes.Hook{probes.HookTC, probes.HookClsact}},
		{"tunnel", probes.HookXDPGeneric, with(func(f *linkFacts) { f.hasEthernet = false }), []probes.Hook{probes.HookTC, probes.HookClsact}},
		{"clsact", probes.HookClsact, hardware, []probes.Hook{probes.HookClsact}},
	} {
		if got, _ := hooksToTry(test.wish, test.facts); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestInterfacesComeAndGo follows a rename, a removal and a newcomer.
func TestInterfacesComeAndGo(t *testing.T) {
	r := newRig(t, tcHook, 1000)
	r.watched.chosen = choicesOf([]string{"host*"})
	r.check(r.peer.Inject(peerInterface, udp4Frame()))
	r.await(1)
	r.check(r.host.Do(func() error {
		l, err := netlink.LinkByName(hostInterface)
		// Down for it: before Linux 6.2, what is up gets no new name.
		return errors.Join(err, netlink.LinkSetDown(l), netlink.LinkSetName(l, "hostname"), netlink.LinkSetUp(l))
	}))
	r.reconcile()
	if row, protocols := r.poll(); row.Name != "hostname" || row.RXPackets != 1 || protocols[0].Interface != "hostname" {
		t.Errorf("after a rename: %+v %+v", row, protocols)
	}
	rows := r.pollConnections().Connections
	if len(rows) != 1 || rows[0].Interface != "hostname" {
		t.Errorf("connections after a rename: %+v", rows)
	}

	r.check(r.host.DeleteLink("hostname"))
	r.reconcile()
	r.check(lab.QuietVeth(r.host, "host1", r.peer, "peer1"))
	r.reconcile()
	r.check(r.peer.Inject("peer1", udp4Frame(), udp4Frame()))
	if row, _ := r.await(2); row.Name != "host1" || row.RXPackets != 2 {
		t.Errorf("the newcomer: %+v", row)
	}
	polled := r.pollConnections()
	rows = polled.Connections
	if len(rows) != 1 || rows[0].Interface != "host1" || polled.Lost != (probes.Lost{}) {
		t.Errorf("connections of the newcomer: %+v, lost %+v", rows, polled.Lost)
	}
}

// TestBackWithoutTheProgram has an interface, or another one of the same ifindex,
// come back between two looks.
func TestBackWithoutTheProgram(t *testing.T) {
	for _, hook := range allHooks {
		for way, comeBack := range map[string]func(r *rig, ifindex int) error{
			"moved": func(r *rig, _ int) error {
				elsewhere := labtest.Namespace(t)
				return errors.Join(r.host.Move(hostInterface, elsewhere), elsewhere.Move(hostInterface, r.host))
			},
			"made anew": func(r *rig, ifindex int) error {
				return errors.Join(r.host.DeleteLink(hostInterface),
					lab.QuietVethAt(ifindex, r.host, hostInterface, r.peer, peerInterface))
			},
		} {
			t.Run(string(hook)+" "+way, func(t *testing.T) {
				r := newRig(t, hook, 1000)
				r.check(r.peer.Inject(peerInterface, udp4Frame()))
				r.await(1)
				ifindex := r.onlyIndex()
				r.check(comeBack(r, ifindex))
				r.reconcile()
				if w := r.watched.byIndex[ifindex]; w != nil { // or it has another one now
					w.lookTime = time.Time{}
				}
				row, _ := r.poll()
				r.reconcile()
				r.check(r.peer.Inject(peerInterface, udp4Frame()))
				r.await(row.RXPackets + 1)
			})
		}
	}
}

// TestAttachedBothWaysOrNotAtAll has sent frames refused once received ones are
// counted.
func TestAttachedBothWaysOrNotAtAll(t *testing.T) {
	r := newRig(t, probes.HookXDP, 1000)
	probe := r.watched.byIndex[r.onlyIndex()].probe
	r.check(r.host.Do(func() error {
		r.packets.entries.tcSend = r.packets.entries.xdp // which tc refuses
		if err := probe.attach([]probes.Hook{probes.HookXDP}, "", crossconnect.XDPIngress{}); err == nil {
			t.Error("tc takes an XDP program")
		}
		return nil
	}))
	if len(probe.links) != 0 || probe.hook != probes.HookNone {
		t.Errorf("%d links are left at hook %q", len(probe.links), probe.hook)
	}
}

// TestStaleFiltersRemoved leaves a filter as a killed process does.
func TestStaleFiltersRemoved(t *testing.T) {
	host, peer := newPair(t)
	r := newRigWish(t, host, peer, probes.HookClsact)
	ifindex := r.onlyIndex()
	for _, l := range r.watched.byIndex[ifindex].probe.links {
		l.(*attach.Filter).Name = "" // forget it: Close will not find it
	}
	count := func() (n int) {
		r.check(host.Do(func() error {
			for _, parent := range []attach.Parent{attach.Ingress, attach.Egress} {
				filters, err := attach.ListFilters(ifindex, parent)
				if err != nil {
					return err
				}
				n += len(filters)
			}
			return nil
		}))
		return n
	}
	clean := func() {
		r.check(host.Do(func() error {
			links, err := rtnl.ListLinks()
			return errors.Join(err, attach.RemoveStaleFilters(links))
		}))
	}
	clean()
	if n := count(); n != 2 {
		t.Errorf("%d filters of a live process left, want 2", n)
	}
	self, err := procfs.Self()
	r.check(err)
	elsewhere, dead := self, self
	elsewhere.PID, elsewhere.Namespace = 4194999, self.Namespace+1 // above the largest pid
	r.check(r.renameFilters(ifindex, "ebpftop:"+elsewhere.String()))
	clean()
	if n := count(); n != 2 {
		t.Errorf("%d filters left of a process in another PID namespace, want 2", n)
	}
	dead.Start++ // another process has the pid since
	r.check(r.renameFilters(ifindex, "ebpftop:"+dead.String()))
	clean()
	if n := count(); n != 0 {
		t.Errorf("%d filters of a dead process left, want 0", n)
	}
}

func (r *rig) onlyIndex() int {
	for ifindex := range r.watched.byIndex {
		return ifindex
	}
	r.t.Fatal("nothing watched")
	return 0
}

// renameFilters makes filters look as if another process had added them.
func (r *rig) renameFilters(ifindex int, name string) error {
	return r.host.Do(func() error {
		for _, parent := range []attach.Parent{attach.Ingress, attach.Egress} {
			filters, err := attach.ListFilters(ifindex, parent)
			if err != nil {
				return err
			}
			for _, filter := range filters {
				old := filter.(*netlink.BpfFilter)
				program, err := ebpf.NewProgramFromID(ebpf.ProgramID(old.Id))
				if err != nil {
					return err
				}
				defer program.Close()
				renamed := *old
				renamed.Name, renamed.Fd = name, program.FD()
				if err := errors.Join(netlink.FilterDel(old), netlink.FilterAdd(&renamed)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// TestUnknownInterface is an error at once, not an empty screen.
func TestUnknownInterface(t *testing.T) {
	host, _ := newPair(t)
	err := host.Do(func() error {
		links, err := rtnl.ListLinks()
		if err != nil {
			return err
		}
		return NewInterfaces(nil, probes.HookAuto, []string{"eth*", "nosuch0"}).Check(links)
	})
	if err == nil || !strings.Contains(err.Error(), `"nosuch0"`) {
		t.Errorf("error %v", err)
	}
}

// TestSessionFound finds SSH_CONNECTION, and the interface below it.
func TestSessionFound(t *testing.T) {
	if _, err := os.ReadFile("/proc/self/environ"); err != nil {
		t.Skip("no /proc")
	}
	host, peer := newPair(t)
	r := newRigWish(t, host, peer, tcHook)
	r.addresses()
	s := impact.Session{Client: peer4, Server: host4}
	r.check(host.Do(func() error {
		links, err := rtnl.ListLinks()
		if carriers := s.Carriers(links); !slices.Contains(carriers, r.onlyIndex()) {
			t.Errorf("session runs over %v, want %d", carriers, r.onlyIndex())
		}
		return err
	}))
}

// TestForeignFilterShown finds somebody else's clsact filter beside our own.
func TestForeignFilterShown(t *testing.T) {
	host, peer := newPair(t)
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "foreign", Type: ebpf.SchedCLS, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if err := host.Do(func() error {
		l, err := netlink.LinkByName(hostInterface)
		if err != nil {
			return err
		}
		_, err = attach.AddFilter(program, l.Attrs().Index, attach.Ingress, 0, "ebpftop:1")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	row, _ := newRigWish(t, host, peer, probes.HookClsact).poll()
	if !slices.Equal(row.Foreign, []string{"clsact rx: foreign"}) {
		t.Errorf("foreign programs %q", row.Foreign)
	}
}
