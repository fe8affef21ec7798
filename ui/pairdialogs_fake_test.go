package ui

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// fakeEditor notes what it is asked for.
type fakeEditor struct {
	mu    sync.Mutex
	calls []string
	err   error         // of all but Consequences
	gate  chan struct{} // if not nil, a call waits for it
	would map[string]probes.InterfaceImpact
}

func newFakeEditor() *fakeEditor {
	return &fakeEditor{would: map[string]probes.InterfaceImpact{
		"eth0": {
			MTU: 1500, Connections: 34, CarriesSSH: true,
			Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24"), netip.MustParsePrefix("2001:db8::2/64")},
			Routes:    []string{"default via 192.0.2.1", "198.51.100.0/24"},
		},
		"eth1": {MTU: 1500, Connections: 12, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.3/24")}},
		"eth2": {MTU: 9000},
		"br0":  {MTU: 1500, Master: "vrf\x1b7"},
		"wg0":  {MTU: 1420, Routes: manyRoutes(2000)},
	}}
}

func manyRoutes(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255))
	}
	return out
}

func (f *fakeEditor) note(what string) error {
	f.mu.Lock()
	f.calls = append(f.calls, what)
	gate, err := f.gate, f.err
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return err
}

func (f *fakeEditor) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeEditor) block() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.gate = gate
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.gate = nil
		close(gate)
	}
}

func (f *fakeEditor) sofar() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func (f *fakeEditor) Impact(c probes.Change) (probes.Impact, error) {
	f.mu.Lock()
	gate := f.gate
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	names := []string{c.Add.A, c.Add.B}
	if c.Add.A == c.Add.B {
		names = names[:1]
	}
	var out probes.Impact
	for _, name := range names {
		w, ok := f.would[name]
		w.Interface, w.Missing = name, !ok
		out.Interfaces = append(out.Interfaces, w)
	}
	return out, nil
}

func (f *fakeEditor) Apply(c probes.Change) error {
	what := "apply"
	if c.Remove != nil {
		what += fmt.Sprintf(" -%s/%s %s %s", c.Remove.A, c.Remove.B, c.Remove.AToB, c.Remove.BToA)
	}
	if c.Add != nil {
		what += fmt.Sprintf(" +%s/%s %s %s wait=%v keep=%v", c.Add.A, c.Add.B, c.Add.AToB, c.Add.BToA, c.Add.Wait, c.Keep)
	}
	return f.note(what + " trial=" + c.Trial.String())
}

func (f *fakeEditor) Confirm() error { return f.note("confirm") }
func (f *fakeEditor) Undo() error    { return f.note("undo") }
func (f *fakeEditor) KeepAll() error { return f.note("keep all") }

func withEditor(w probes.PairEditor) setting { return func(o *Options) { o.Pairs = w } }

// somePairs are pairs in all states, of all origins.
func somePairs(now time.Time) []probes.CrossConnect {
	ends := now.Add(27 * time.Second)
	way := func(d probes.Datapath, why string, packets, dropped uint64, reason string) probes.Leg {
		return probes.Leg{
			Datapath: d, Requested: probes.DatapathAuto, DatapathReason: why,
			Packets: packets, Bytes: packets * 900, Dropped: dropped, DropReason: reason,
			PPS: float64(packets / 100), BPS: float64(packets * 72),
		}
	}
	none := probes.Leg{Requested: probes.DatapathAuto}
	return []probes.CrossConnect{
		{
			A: "dummy0", B: "dummy0", State: probes.PairActive, Origin: probes.OriginFile,
			AToB: way(probes.DatapathTC, "virtual device: dummy", 400, 0, ""), BToA: none,
		},
		{
			A: "eth3", B: "eth4", State: probes.PairActive, Origin: probes.OriginScreen,
			AToB: way(probes.DatapathXDP, "driver supports native XDP", 1_234_567, 0, ""),
			BToA: way(probes.DatapathTC, "driver has no XDP", 890_123, 0, ""),
		},
		{
			A: "eth5", B: "eth6", State: probes.PairActive, Origin: probes.OriginKept, Kept: true,
			Reason: "eth6 cannot send XDP frames (no ndo_xdp_xmit): use --datapath tc",
			AToB:   way(probes.DatapathXDP, "asked for", 5000, 5000, "eth6 cannot send XDP frames (no ndo_xdp_xmit)"),
			BToA:   way(probes.DatapathTC, "driver has no XDP", 20, 0, ""),
		},
		{
			A: "eth7", B: "usb0", State: probes.PairWaiting, Origin: probes.OriginScreen,
			Reason: "usb0 does not exist", AToB: none, BToA: none,
		},
		{
			A: "tap0", B: "tap1", State: probes.PairActive, Origin: probes.OriginOther, Owner: 4711,
			AToB: way(probes.DatapathTC, "virtual device: tap", 10, 0, ""),
			BToA: way(probes.DatapathTC, "virtual device: tap", 10, 0, ""),
		},
		{
			A: "veth0", B: "veth9a41c7e\x1b[m", State: probes.PairOnTrial, Origin: probes.OriginScreen, TrialEnds: &ends,
			AToB: way(probes.DatapathTC, "virtual device: veth", 10, 0, ""),
			BToA: way(probes.DatapathTC, "virtual device: veth", 10, 0, ""),
		},
		{
			A: "veth0", B: "veth9a41c7e\x1b[m", State: probes.PairOnTrial, Origin: probes.OriginScreen, TrialEnds: &ends,
			Removed: true, AToB: none, BToA: none,
		},
	}
}

// withPairs is the 41st sample with pairs; lasting leaves those on trial out.
func withPairs(pick func(*probes.CrossConnect) bool) probes.Sample {
	s := fake.Sample(41)
	for _, p := range somePairs(s.Time) {
		if pick(&p) {
			s.CrossConnects = append(s.CrossConnects, p)
		}
	}
	return s
}

func all(*probes.CrossConnect) bool       { return true }
func lasting(p *probes.CrossConnect) bool { return p.State != probes.PairOnTrial }
func none(*probes.CrossConnect) bool      { return false }
