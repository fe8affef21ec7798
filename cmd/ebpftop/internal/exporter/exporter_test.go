package exporter

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui"
)

// start is when samples of tests begin.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// series are values by the text before them, without those that are no counters.
type series map[string]float64

// read reads metrics by Prometheus' own library, which also says what is not as it is usual.
func read(t *testing.T, text []byte) (all, counters series) {
	t.Helper()
	if problems, err := promlint.New(bytes.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
		t.Fatalf("promlint: %v, %v in\n%s", problems, err, text)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	all, counters = make(series), make(series)
	for name, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			slices.Sort(labels)
			key := name + "{" + strings.Join(labels, ",") + "}"
			if _, twice := all[key]; twice {
				t.Fatalf("%s is there twice", key)
			}
			switch {
			case m.Counter != nil:
				all[key], counters[key] = m.Counter.GetValue(), m.Counter.GetValue()
			case m.Histogram != nil:
				all[key], counters[key] = float64(m.Histogram.GetSampleCount()), float64(m.Histogram.GetSampleCount())
			default:
				all[key] = m.Gauge.GetValue()
			}
		}
	}
	return all, counters
}

func connection(n int, owner *probes.Owner, packets uint64) probes.Connection {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), uint16(1024+n))
	c := probes.Connection{
		Protocol: "tcp", Local: probes.Endpoint(at), Remote: probes.Endpoint(netip.MustParseAddrPort("192.0.2.1:443")),
		RXPackets: packets, RXBytes: 100 * packets, TXPackets: packets / 2, TXBytes: 50 * packets, Owner: owner,
	}
	if owner == nil {
		c.OwnerReason = probes.OwnerPending
	}
	return c
}

// TestCountersNeverGoBack has connections come and go, get owners late, and others, of more
// commands and containers than have counters. No counter goes back, each byte is counted
// once, and the series stay few.
func TestCountersNeverGoBack(t *testing.T) {
	const most, owners, rounds = 4, 30, 400
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]*probes.Owner, owners)
	for i := range all {
		all[i] = &probes.Owner{Comm: fmt.Sprint("command", i), Container: fmt.Sprint("container", i)}
	}
	e := New(Build{}, most)
	live := make(map[int]probes.Connection)
	var before series
	var carried, counted, inContainers float64 // received bytes
	now := start
	newSeries := 0
	for round := range rounds {
		now = now.Add(time.Duration(random.IntN(20)) * time.Second)
		s := &probes.Sample{Time: now}
		for n := range 60 {
			c, isLive := live[n]
			switch {
			case isLive && random.IntN(10) == 0: // ends, as it was last listed
				s.Ended = append(s.Ended, c)
				delete(live, n)
				if random.IntN(2) == 0 { // and the tuple is used again at once
					live[n] = connection(n, all[random.IntN(owners)], 1)
					carried += 100
				}
			case isLive:
				more := uint64(random.IntN(1 + round*n/60))
				owner := c.Owner
				if owner == nil && random.IntN(3) == 0 || random.IntN(50) == 0 {
					owner = all[random.IntN(owners)]
				}
				live[n] = connection(n, owner, c.RXPackets+more)
				carried += float64(100 * more)
			case random.IntN(3) == 0:
				live[n] = connection(n, nil, 5)
				carried += 500
			}
		}
		if round == rounds-1 { // nothing is pending any more
			for n, c := range live {
				if c.Owner == nil {
					live[n] = connection(n, all[0], c.RXPackets)
				}
			}
		}
		for _, c := range live {
			s.Connections = append(s.Connections, c)
		}
		e.take(s, nil, now)
		_, counters := read(t, e.Metrics(Text, false))
		rows := 0
		for key, value := range counters {
			old, wasThere := before[key]
			if wasThere && value < old {
				t.Fatalf("round %d: %s went from %v to %v", round, key, old, value)
			}
			if !wasThere && before != nil {
				newSeries++
			}
			if strings.Contains(key, `direction="rx"`) {
				switch {
				case strings.HasPrefix(key, "ebpftop_owner_bytes_total"):
					counted += value - old
					rows++
				case strings.HasPrefix(key, "ebpftop_container_bytes_total"):
					inContainers += value - old
				}
			}
		}
		if rows > 2*most+1 {
			t.Fatalf("round %d: %d series, want %d at most", round, rows, 2*most+1)
		}
		before = counters
	}
	if counted != carried || inContainers > carried || inContainers == 0 {
		t.Errorf("%v bytes were carried, %v counted, %v of them in containers", carried, counted, inContainers)
	}
	if newSeries == 0 {
		t.Error("no key got the counter of another one")
	}
}

// TestBusierKeysGetCounters from those that have less, and a key that is idle for long loses
// its own.
func TestBusierKeysGetCounters(t *testing.T) {
	b, now := newBounded(2), start
	minute := func(counts map[string]uint64) string {
		for key, bytes := range counts {
			b.count(key, amounts{rxBytes: bytes}, now)
		}
		now = now.Add(choosing)
		b.choose(now)
		return strings.Join(slices.Sorted(maps.Keys(b.rows)), " ")
	}
	b.count("a", amounts{rxBytes: 1}, now)
	b.count("b", amounts{rxBytes: 1}, now)
	for i, step := range []struct {
		counts map[string]uint64
		want   string
	}{
		{map[string]uint64{"a": 1000, "b": 500}, "a b"},
		{map[string]uint64{"a": 1000, "b": 500, "c": 900}, "a b"},    // not twice as busy
		{map[string]uint64{"a": 1000, "b": 500, "c": 9000}, "a c"},   // is
		{map[string]uint64{"a": 1000, "b": 100, "c": 9000}, "a c"},   // stays
		{map[string]uint64{"a": 1000, "b": 100000, "c": 1}, "b c"},   // c had much before
		{map[string]uint64{"b": 100, "c": 100, "d": 1 << 20}, "b d"}, // c has had little for long
	} {
		if got := minute(step.counts); got != step.want {
			t.Errorf("step %d: %s have counters, want %s", i, got, step.want)
		}
	}
	now = now.Add(longIdle)
	if got := minute(map[string]uint64{"d": 1}); got != "d" {
		t.Errorf("after an hour %s have counters, want d", got)
	}
	if sum := b.others.rxBytes; sum != 900+9000+100+100000+1<<20 {
		t.Errorf("others have %d", sum)
	}
}

// TestNoGoingBack of what the kernel's counters leave out, or begin anew.
func TestNoGoingBack(t *testing.T) {
	e := New(Build{}, 5)
	sample := func(ifindex int, packets, totals uint64, drops ...probes.Drop) series {
		row := probes.Interface{Name: "eth0", Ifindex: ifindex, Hook: probes.HookTracepoint}
		row.RXPackets = packets
		s := &probes.Sample{Time: start.Add(time.Duration(e.created) * time.Second), Interfaces: []probes.Interface{row}, NewConnections: 1}
		s.Totals.Protocols = []probes.Protocol{{Name: "udp", Direction: probes.RX, Packets: totals}}
		s.Drops.Rows = drops
		e.take(s, nil, start)
		all, _ := read(t, e.Metrics(Text, false))
		return all
	}
	const (
		received = `ebpftop_interface_packets_total{direction="rx",interface="eth0"}`
		udp      = `ebpftop_protocol_packets_total{direction="rx",protocol="udp"}`
		dropped  = `ebpftop_dropped_packets_total{interface="eth0",reason="NO_SOCKET",source="skb"}`
		gone     = `ebpftop_dropped_packets_total{interface="-",reason="NO_SOCKET",source="skb"}`
	)
	drop := func(id uint64, iface string, packets, takenOver uint64) probes.Drop {
		return probes.Drop{ID: id, Reason: "NO_SOCKET", Source: probes.DropSKB, Interface: iface, Packets: packets, TakenOver: takenOver}
	}
	sample(1, 10, 10, drop(1, "eth0", 7, 0))
	got := sample(1, 9, 4, drop(1, "eth0", 8, 0)) // a port takes its frames out of the totals
	if got[received] != 10 || got[udp] != 10 || got[dropped] != 8 {
		t.Errorf("after less: %v, %v, %v", got[received], got[udp], got[dropped])
	}
	got = sample(1, 12, 5, drop(2, "-", 10, 8)) // the interface's drops go to those that are gone
	if got[received] != 12 || got[udp] != 11 || got[gone] != 2 || got[dropped] != 8 {
		t.Errorf("after more: %v, %v, %v, %v", got[received], got[udp], got[gone], got[dropped])
	}
	if got = sample(2, 1, 6); got[received] != 1 { // another interface of that name
		t.Errorf("a new interface begins with %v", got[received])
	}
}

// TestFormats: hostile names stay in their place, and both formats say the same.
func TestFormats(t *testing.T) {
	const hostile = "a\"b\\c\nd\xff\u202e{}="
	e := New(Build{Version: "v1", Go: "go"}, 5)
	leg := probes.Leg{Packets: 5, Bytes: 500, Dropped: 3, DropsKnown: true, Errors: []probes.RedirectError{{Cause: "ENETDOWN", Packets: 3}}}
	pair := Pair{probes.CrossConnect{A: "a", B: hostile, AToB: leg, BToA: leg, TrialEnds: &start}, "up"}
	same := Pair{probes.CrossConnect{A: "a", B: "a", AToB: leg, BToA: leg}, "down"}
	failed := uint64(2)
	s := &probes.Sample{
		Time:        start,
		Interfaces:  []probes.Interface{{Name: hostile, Hook: probes.HookTC, Kind: "veth"}, {Name: "none", Ifindex: 2, Hook: probes.HookNone}, {Name: `a"b\c`, Ifindex: 3, Hook: probes.HookTC}, {Name: ui.Escape(hostile), Ifindex: 4, Hook: probes.HookTC}},
		Connections: []probes.Connection{connection(1, &probes.Owner{Comm: hostile, Container: hostile}, 1)},
		Execs:       probes.Execs{Hook: "x", Total: 1 << 60, Failed: &failed},
	}
	// What is nobody's business but the host's.
	const secret = "hunter2"
	s.Connections[0].Owner.User, s.Connections[0].Owner.Cgroup = secret, secret
	s.Execs.Events = []probes.Exec{{Comm: secret, Filename: secret, Args: []string{"--password", secret}}}
	e.take(s, []Pair{pair, same}, start)
	all, _ := read(t, e.Metrics(Text, false))
	for key, want := range map[string]float64{
		fmt.Sprintf(`ebpftop_interface_packets_total{direction="rx",interface=%q}`, ui.Escape(hostile)):        0,
		fmt.Sprintf(`ebpftop_owner_bytes_total{command=%q,direction="rx"}`, ui.Escape(hostile)):                100,
		fmt.Sprintf(`ebpftop_cross_connect_packets_total{from=%q,to="a"}`, ui.Escape(hostile)):                 5,
		fmt.Sprintf(`ebpftop_cross_connect_errors_total{cause="ENETDOWN",from="a",to=%q}`, ui.Escape(hostile)): 3,
		fmt.Sprintf(`ebpftop_cross_connect_health{a="a",b=%q,health="up"}`, ui.Escape(hostile)):                1,
		`ebpftop_cross_connect_health{a="a",b="a",health="down"}`:                                              1,
		`ebpftop_interface_info{hook="none",interface="none"}`:                                                 1,
		`ebpftop_connections{protocol="other"}`:                                                                1,
		fmt.Sprintf(`ebpftop_interface_packets_total{direction="rx",interface=%q}`, ui.Escape(hostile)+"#4"):   0, // another that looks the same
		`ebpftop_execs_total{}`: 1 << 60,
		fmt.Sprintf(`ebpftop_cross_connect_trial_end_timestamp_seconds{a="a",b=%q}`, ui.Escape(hostile)): float64(start.Unix()),
	} {
		if got, isThere := all[key]; !isThere || got != want {
			t.Errorf("%s: %v (%v), want %v", key, got, isThere, want)
		}
	}
	wantDocumented(t, all)
	text, open := string(e.Metrics(Text, false)), string(e.Metrics(OpenMetrics, false))
	for _, word := range []string{secret, "10.0.0.1", "192.0.2.1"} {
		if strings.Contains(text, word) {
			t.Errorf("%s is told", word)
		}
	}
	// The time that it took to make them is in there.
	cut := func(s string) string { before, _, _ := strings.Cut(s, "# HELP process_"); return before }
	want := strings.ReplaceAll(cut(text), "_total ", " ")
	if got := strings.ReplaceAll(cut(open), "_total ", " "); got != want || !strings.HasSuffix(open, "\n# EOF\n") {
		t.Errorf("OpenMetrics has\n%s\nwant\n%s", open, text)
	}
	if !strings.Contains(open, "# TYPE ebpftop_execs counter\nebpftop_execs_total ") {
		t.Errorf("OpenMetrics calls counters what they count: %s", open)
	}
}

// wantDocumented compares the names with those in docs/serve.md.
func wantDocumented(t *testing.T, all series) {
	t.Helper()
	document, err := os.ReadFile("../../../../docs/serve.md")
	if err != nil {
		t.Skip("the sources are not here")
	}
	documented := make(map[string]bool)
	for line := range strings.Lines(string(document)) {
		if names, _, isRow := strings.Cut(strings.TrimPrefix(line, "| "), " | "); isRow {
			for _, name := range regexp.MustCompile("`((?:ebpftop|process)_[a-z_]+)`").FindAllStringSubmatch(names, -1) {
				documented[name[1]] = true
			}
		}
	}
	for key := range all {
		name, _, _ := strings.Cut(key, "{")
		if documented[name] {
			documented[name] = false
		} else if _, isThere := documented[name]; !isThere {
			t.Errorf("docs/serve.md does not have %s", name)
		}
	}
	for name, isLeft := range documented {
		if isLeft {
			t.Errorf("docs/serve.md has %s, which is no metric", name)
		}
	}
}

// TestLateOwners get what a connection carried before they were known, also where its tuple
// was another's before.
func TestLateOwners(t *testing.T) {
	e := New(Build{}, 5)
	owner := &probes.Owner{Comm: "curl"}
	for i, step := range []struct {
		owner   *probes.Owner
		packets uint64
		want    float64
	}{{nil, 10, 0}, {owner, 12, 12}, {owner, 20, 20}, {owner, 3, 23}, {nil, 1, 23}, {owner, 4, 27}} {
		s := &probes.Sample{Connections: []probes.Connection{connection(1, step.owner, step.packets)}}
		e.take(s, nil, start)
		all, _ := read(t, e.Metrics(Text, false))
		if got := all[`ebpftop_owner_packets_total{command="curl",direction="rx"}`]; got != step.want {
			t.Errorf("step %d: %v packets, want %v", i, got, step.want)
		}
	}
}

// TestQuality counts what was sent again once, also where not every sample knows it, and the
// round-trip times of connections that carry something.
func TestQuality(t *testing.T) {
	e := New(Build{}, 5)
	owner := &probes.Owner{Comm: "curl", Container: "c"}
	quality := func(rtt, retransmits uint32) *probes.Quality {
		return &probes.Quality{RTT: rtt, Retransmits: retransmits}
	}
	var all series
	take := func(s *probes.Sample) {
		e.take(s, nil, start)
		all, _ = read(t, e.Metrics(Text, false))
	}
	for i, step := range []struct {
		quality *probes.Quality
		packets uint64
		isEnded bool
		again   float64 // in all
		trips   float64
	}{
		{quality(100, 2), 10, false, 2, 1}, // 100 us are in the bucket of 0.0001
		{nil, 20, false, 2, 1},
		{quality(101, 5), 30, false, 5, 2},
		{quality(101, 5), 30, false, 5, 2}, // nothing was carried
		{quality(3_000_000, 7), 40, false, 7, 3},
		{nil, 50, true, 7, 3},              // ends, and its quality is not known
		{quality(0, 1), 5, false, 8, 3},    // another one of the same tuple, not measured yet
		{quality(1000, 3), 6, true, 10, 3}, // ends
	} {
		c := connection(1, owner, step.packets)
		c.Quality = step.quality
		s := &probes.Sample{Connections: []probes.Connection{c}}
		if step.isEnded {
			s = &probes.Sample{Ended: s.Connections}
		}
		take(s)
		again, inContainer := all[`ebpftop_owner_retransmitted_segments_total{command="curl"}`], all[`ebpftop_container_retransmitted_segments_total{container="c"}`]
		if again != step.again || inContainer != step.again || all["ebpftop_tcp_round_trip_seconds{}"] != step.trips {
			t.Errorf("step %d: %v segments, %v of the container, %v round trips, want %v, %v", i, again, inContainer, all["ebpftop_tcp_round_trip_seconds{}"], step.again, step.trips)
		}
	}
	for _, line := range []string{
		`ebpftop_tcp_round_trip_seconds_bucket{le="0.0001"} 1`, `ebpftop_tcp_round_trip_seconds_bucket{le="0.00025"} 2`,
		`ebpftop_tcp_round_trip_seconds_bucket{le="1.0"} 2`, `ebpftop_tcp_round_trip_seconds_bucket{le="2.5"} 2`,
		`ebpftop_tcp_round_trip_seconds_bucket{le="+Inf"} 3`, "ebpftop_tcp_round_trip_seconds_sum 3.000201",
	} {
		if !strings.Contains(string(e.Metrics(OpenMetrics, false)), line+"\n") {
			t.Errorf("%s is not there", line)
		}
	}
}

// TestChurnIsBounded: ever new names, each busier than those before, take few counters in an hour.
func TestChurnIsBounded(t *testing.T) {
	const most, minutes = 20, 60
	b, now, names := newBounded(most), start, make(map[string]bool)
	for minute := range minutes {
		for n := range 100 {
			b.count(fmt.Sprint(minute, " ", n), amounts{rxBytes: 1 << minute}, now)
		}
		now = now.Add(choosing)
		b.choose(now)
		for _, key := range b.keys() {
			names[key] = true
		}
	}
	if want := most + minutes*most/10; len(names) > want || len(names) == most {
		t.Errorf("%d names had counters, want %d at most, and more than %d", len(names), want, most)
	}
}

// TestManyInterfaces: those that were there first have metrics, of the others it is said how many
// there are.
func TestManyInterfaces(t *testing.T) {
	e := New(Build{}, 5)
	var s probes.Sample
	for i := range mostInterfaces {
		s.Interfaces = append(s.Interfaces, probes.Interface{Name: fmt.Sprint("if", i), Ifindex: 10000 + i, Hook: probes.HookTC})
	}
	e.take(&s, nil, start)
	for i := range 500 { // they come first in the order of interfaces
		s.Interfaces = append([]probes.Interface{{Name: fmt.Sprint("late", i), Ifindex: 1 + i, Hook: probes.HookTC}}, s.Interfaces...)
	}
	e.take(&s, nil, start)
	all, _ := read(t, e.Metrics(Text, false))
	count := 0
	for key := range all {
		if strings.Contains(key, `"late`) {
			t.Fatalf("%s is there", key)
		}
		if strings.HasPrefix(key, "ebpftop_interface_info") {
			count++
		}
	}
	if count != mostInterfaces || all["ebpftop_interfaces_left_out{}"] != 500 {
		t.Errorf("%d interfaces, %v left out", count, all["ebpftop_interfaces_left_out{}"])
	}
}

// TestWrittenOnce: who asks often takes no more than who asks once a sample.
func TestWrittenOnce(t *testing.T) {
	e := New(Build{}, 5)
	s := &probes.Sample{Time: start}
	e.take(s, nil, start)
	for _, as := range []form{{Text, false}, {Text, true}, {OpenMetrics, false}, {OpenMetrics, true}} {
		first := e.Metrics(as.format, as.isPacked)
		if again := e.Metrics(as.format, as.isPacked); &again[0] != &first[0] {
			t.Errorf("%v are written twice", as)
		}
		e.take(&probes.Sample{Time: start.Add(time.Second)}, nil, start)
		if again := e.Metrics(as.format, as.isPacked); bytes.Equal(again, first) {
			t.Errorf("%v are those of the sample before", as)
		}
		e.take(s, nil, start)
	}
}

// BenchmarkMetrics takes in a sample of ten thousand connections, and writes it for a scrape.
func BenchmarkMetrics(b *testing.B) {
	s := new(probes.Sample)
	for n := range 10000 {
		s.Connections = append(s.Connections, connection(n, &probes.Owner{Comm: fmt.Sprint("command", n%50)}, 1))
	}
	e := New(Build{}, 20)
	b.Run("sample", func(b *testing.B) {
		for b.Loop() {
			e.take(s, nil, start)
		}
	})
	for _, isPacked := range []bool{false, true} {
		b.Run(fmt.Sprint("scrape, packed ", isPacked), func(b *testing.B) {
			for b.Loop() {
				clear(e.written)
				e.Metrics(OpenMetrics, isPacked)
			}
		})
	}
}
