package ui

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// offscreen is a model with its presenter, without a terminal.
type offscreen struct {
	presenter *snapshot.Presenter
	m         *model
	wires     *fakeEditor
}

func newOffscreen(ascii bool) *offscreen {
	opts := testOptions()
	opts.ASCII = ascii
	opts.Hostname = strings.Join(fake.WildTexts[:8], "")
	wires := newFakeEditor()
	opts.Pairs = wires
	source := fake.NewSource()
	presenter := snapshot.NewPresenter(source)
	m := newModel(defaultStyles(ascii), defaultKeyMap(ascii), &opts, source, presenter, nil)
	m.Init()
	return &offscreen{presenter: presenter, m: m, wires: wires}
}

// show brings a sample to the panes, or answers a query without one.
func (o *offscreen) show(s *probes.Sample) {
	select {
	case q := <-o.presenter.Queries:
		o.presenter.Ask(q)
	default:
	}
	if s != nil {
		o.presenter.Take(s)
	}
	o.presenter.Publish()
	select {
	case s := <-o.presenter.Snapshots:
		o.m.Update(snapshotMsg{s})
	default:
	}
}

func (o *offscreen) resize(w, h int) { o.m.Update(tea.WindowSizeMsg{Width: w, Height: h}) }

// press runs a call of the editor to its end, but no other command.
func (o *offscreen) press(k tea.Key) {
	before := o.m.dialogs.call
	cmd := o.m.Update(tea.KeyPressMsg(k))
	if o.m.dialogs.call != before && cmd != nil {
		o.m.Update(cmd())
	}
}

var someKeys = []tea.Key{
	{Code: tea.KeyTab},
	{Code: tea.KeyTab, Mod: tea.ModShift},
	{Code: tea.KeyDown},
	{Code: tea.KeyUp},
	{Code: tea.KeyPgDown},
	{Code: tea.KeyPgUp},
	{Code: tea.KeyEnd},
	{Code: tea.KeyHome},
	{Code: tea.KeyEscape},
	{Code: tea.KeyEnter},
	{Code: tea.KeySpace, Text: " "},
	{Code: 'z', Text: "z"},
	{Code: 's', Text: "s"},
	{Code: '/', Text: "/"},
	{Code: '?', Text: "?", ShiftedCode: '?'},
	{Code: 'n', Text: "n"},
	{Code: 'o', Text: "o"},
	{Code: '1', Text: "1"},
	{Code: '3', Text: "3"},
	{Code: '4', Text: "4"},
	{Code: '5', Text: "5"},
	{Code: 'a', Text: "a"},
	{Code: 'd', Text: "d"},
	{Code: 'e', Text: "e"},
	{Code: 'u', Text: "u"},
	{Code: 'y', Text: "y"},
	{Code: 'q', Text: "q"},
	{Code: tea.KeyRight},
	{Code: tea.KeyEnter},
	{Code: 'ü', Text: "ü"},
	{Code: 'あ', Text: "あ"},
	{Code: tea.KeyBackspace},
}

// Whatever the size, the data and the keys: no line is wider than the screen,
// no screen higher, nothing of the data drives the terminal.
func TestAnySize(t *testing.T) {
	var seen dialogsSeen
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r, ill := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
			o := newOffscreen(seed%3 == 2)
			for step := range 400 {
				o.wires.fail(wildError(ill))
				switch r.IntN(5) {
				case 0:
					o.resize(r.IntN(320), r.IntN(90))
				case 1:
					s := wild(r, step)
					o.show(&s)
				case 2:
					o.show(nil)
				default:
					o.press(someKeys[r.IntN(len(someKeys))])
				}
				checkScreen(t, o.m, seed%3 == 2)
				if t.Failed() {
					return
				}
				seen.note(o.m)
			}
		})
	}
	if seen.forms == 0 || seen.reviews == 0 || seen.questions == 0 {
		t.Errorf("not all dialogs were seen: %+v", seen)
	}
}

// dialogsSeen counts what random keys have opened.
type dialogsSeen struct{ forms, reviews, questions int }

func (d *dialogsSeen) note(m *model) {
	switch dialog := m.dialogs.open.(type) {
	case *question:
		d.questions++
	case *connectForm:
		if d.forms++; dialog.review != nil {
			d.reviews++
		}
	}
}

// Every size there is, with everything on the screen once.
func TestEverySize(t *testing.T) {
	o := newOffscreen(false)
	for n := range 5 {
		s := fake.Sample(n)
		o.show(&s)
	}
	pages := everyDetail(t, o)
	for w := 0; w <= 310; w += 1 + w/16 {
		for h := 0; h <= 84; h += 1 + h/12 {
			o.resize(w, h)
			for focus := range paneCount {
				o.m.focus, o.m.zoomed = focus, focus%2 == 0
				checkScreen(t, o.m, false)
			}
			o.m.zoomed = false
			checkScreen(t, o.m, false)
			for _, page := range pages {
				o.m.details.open = []*detailPage{page, page}
				checkScreen(t, o.m, false)
			}
			o.m.details.open = nil
			o.m.help.toggle()
			checkScreen(t, o.m, false)
			o.m.help.toggle()
			if t.Failed() {
				return
			}
		}
	}
}

// everyDetail opens the detail of what is selected in each pane, and closes it again.
func everyDetail(t *testing.T, o *offscreen) (pages []*detailPage) {
	for o.m.focus = range paneCount {
		if o.m.panes[o.m.focus].Subject().Kind == snapshot.OfNothing {
			continue
		}
		o.press(tea.Key{Code: tea.KeyEnter})
		o.show(nil)
		if page := o.m.details.top(); page != nil && page.seen != nil {
			pages = append(pages, page)
		}
		o.m.details.open = nil
	}
	if len(pages) < 5 {
		t.Errorf("only %d panes have details", len(pages))
	}
	return pages
}

func checkScreen(t *testing.T, m *model, ascii bool) {
	t.Helper()
	lines := m.lines()
	if len(lines) > max(m.height, 0) {
		t.Errorf("%dx%d: %d lines", m.width, m.height, len(lines))
	}
	full := m.width >= minWidth && m.height >= minHeight
	if full && len(lines) != m.height {
		t.Errorf("%dx%d: only %d lines", m.width, m.height, len(lines))
	}
	for i, line := range lines {
		n, wc := ansi.StringWidth(line), ansi.StringWidthWc(line)
		if n > m.width || (full && n != m.width) || n != wc {
			t.Errorf("%dx%d focus %d zoomed %v help %v: line %d is %d or %d cells: %q",
				m.width, m.height, m.focus, m.zoomed, m.help.isOpen, i, n, wc, line)
		}
		if bad := fake.Foreign(line, ascii); bad != "" {
			t.Errorf("line %d holds %s: %q", i, bad, line)
		}
	}
}

// wild is a sample nobody should send.
func wild(r *rand.Rand, step int) probes.Sample {
	s := probes.Sample{
		Time:     fake.Start.Add(time.Duration(step) * time.Second * time.Duration(r.IntN(3)-1)),
		Interval: time.Duration(r.IntN(3)) * time.Second,
		Lost:     probes.Lost{ConnectionEvents: r.Uint64() >> r.IntN(64), ConnectionsEvicted: r.Uint64() >> r.IntN(64)},
		Self:     probes.Self{CPU: wildRate(r), RSS: r.Uint64()},
	}
	for i := range r.IntN(40) {
		s.Interfaces = append(s.Interfaces, probes.Interface{
			Name: wildText(r), Ifindex: i * r.IntN(3), Hook: probes.Hook([]string{"tc", "xdp-generic", "", wildText(r)}[r.IntN(4)]),
			HookReason: wildText(r), State: wildText(r), Kind: wildText(r), MAC: wildText(r), MTU: r.Int(),
			Traffic: probes.Traffic{
				RXPPS: wildRate(r), RXBPS: wildRate(r), TXPPS: wildRate(r), TXBPS: wildRate(r),
				RXPackets: r.Uint64(), RXBytes: r.Uint64(),
			},
			InTotal: i%3 > 0, Malformed: r.Uint64() >> r.IntN(64),
			Driver: probes.DriverStats{RXDropped: r.Uint64(), TXErrors: r.Uint64()}, Foreign: []string{wildText(r), wildText(r)},
			Addresses: make([]netip.Prefix, r.IntN(30)),
		})
		s.Protocols = append(s.Protocols, probes.Protocol{
			Interface: s.Interfaces[r.IntN(len(s.Interfaces))].Name, Direction: probes.TX, Name: wildText(r),
			PPS: wildRate(r), BPS: wildRate(r), Packets: r.Uint64(), Bytes: r.Uint64(),
		})
	}
	fake.SumUp(&s)
	for range r.IntN(400) {
		c := probes.Connection{
			Interface: wildText(r), Protocol: wildText(r), Local: wildEndpoint(r), Remote: wildEndpoint(r),
			RXBytes: r.Uint64(), TXBytes: r.Uint64() >> r.IntN(64), RXPackets: r.Uint64(),
			FirstSeen: s.Time.Add(time.Duration(r.Int64())), LastSeen: s.Time.Add(-time.Duration(r.Int64N(1e12))),
			RXFlags: probes.TCPFlags(r.Uint32()),
		}
		s.Connections = append(s.Connections, c)
	}
	s.LinksProblem, s.OthersUnknown, s.InspectorNews = wildText(r), wildText(r), wildText(r)
	for range r.IntN(9) {
		s.CrossConnects = append(s.CrossConnects, wildPair(r, s.Time))
	}
	if r.IntN(10) > 0 {
		s.Execs.Hook = wildText(r)
	}
	s.Execs.HookReason, s.Execs.PerSecond, s.Execs.Total = wildText(r), wildRate(r), r.Uint64()
	for range r.IntN(30) {
		e := probes.Exec{
			Time: s.Time, PID: r.Uint32(), PPID: r.Uint32(), UID: r.Uint32(),
			Comm: wildText(r), Filename: wildText(r), ArgsTruncated: r.IntN(2) == 0,
		}
		for range r.IntN(6) {
			e.Args = append(e.Args, wildText(r))
		}
		s.Execs.Events = append(s.Execs.Events, e)
	}
	s.Drops = probes.Drops{LeftOut: r.IntN(9) == 0, Unknown: wildText(r), Total: r.Uint64(), PerSecond: wildRate(r)}
	for i := range r.IntN(30) {
		local := wildEndpoint(r)
		s.Drops.Rows = append(s.Drops.Rows, probes.Drop{
			ID: uint64(i), Reason: wildText(r), Source: probes.DropSource(wildText(r)), Function: wildText(r), Program: wildText(r),
			Interface: wildText(r), Protocol: wildText(r), Packets: r.Uint64(), PerSecond: wildRate(r),
			Latest: []probes.DroppedPacket{{Protocol: wildText(r)}, {Local: &local, Remote: &local}},
		})
	}
	return s
}

func wildPair(r *rand.Rand, now time.Time) probes.CrossConnect {
	way := func() probes.Leg {
		return probes.Leg{
			Datapath: probes.Datapath(wildText(r)), Requested: probes.Datapath(wildText(r)), DatapathReason: wildText(r),
			Packets: r.Uint64(), Bytes: r.Uint64(), Dropped: r.Uint64(), DropReason: wildText(r), PPS: wildRate(r), BPS: wildRate(r),
		}
	}
	out := probes.CrossConnect{
		A: wildText(r), B: wildText(r), State: []probes.PairState{probes.PairActive, probes.PairOnTrial}[r.IntN(20)/19],
		Reason: wildText(r), Removed: r.IntN(5) == 0, Kept: r.IntN(5) == 0,
		Origin: []probes.Origin{probes.OriginScreen, probes.OriginOther, probes.Origin(wildText(r))}[r.IntN(3)], Owner: r.Int(),
		AToB: way(), BToA: way(),
	}
	if ends := now.Add(time.Duration(r.Int64N(1e12))); r.IntN(2) == 0 {
		out.TrialEnds = &ends
	}
	return out
}

// wildError is none half of the time.
func wildError(r *rand.Rand) error {
	if r.IntN(2) == 0 {
		return nil
	}
	return errors.New(wildText(r))
}

func wildRate(r *rand.Rand) float64 {
	return []float64{0, 1, r.Float64(), r.Float64() * 1e4, r.Float64() * 1e11, 1e300, -1, math.NaN(), math.Inf(1)}[r.IntN(9)]
}

func wildEndpoint(r *rand.Rand) probes.Endpoint {
	var a netip.Addr
	switch r.IntN(4) {
	case 0:
		a = netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), 0, byte(r.Uint32())})
	case 1:
		var b [16]byte
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		a = netip.AddrFrom16(b)
	case 2:
		a = netip.MustParseAddr("fe80::1").WithZone(wildText(r))
	}
	return probes.Endpoint(netip.AddrPortFrom(a, uint16(r.Uint32())))
}

func wildText(r *rand.Rand) string {
	text := ""
	for range r.IntN(5) {
		text += fake.WildTexts[r.IntN(len(fake.WildTexts))]
	}
	return text
}
