package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// TestEvents has connections, programs and pairs come, go and change.
func TestEvents(t *testing.T) {
	rows := manyConnections(3)
	again := rows[2]
	again.RXPackets = 1
	pair := probes.CrossConnect{A: "a0", B: "b0", State: probes.PairActive}
	losing := pair
	losing.AToB = probes.Leg{Packets: 9, Dropped: 4, DropReason: "interface is down"}
	waiting := losing
	waiting.State = probes.PairWaiting
	var p eventPrinter
	for n, step := range []struct {
		probes.Sample
		want []string
	}{
		{probes.Sample{Connections: rows[:2]}, []string{"opened 10.0.0.0:1024", "opened 10.0.0.1:1024"}},
		{probes.Sample{Connections: rows[1:]}, []string{"opened 10.0.0.2:1024", "closed 10.0.0.0:1024"}},
		{probes.Sample{Connections: []probes.Connection{again}}, []string{"opened 10.0.0.2:1024", "closed 10.0.0.1:1024", "closed 10.0.0.2:1024"}},
		{probes.Sample{Connections: []probes.Connection{again}, Lost: probes.Lost{ConnectionsEnded: 2}}, nil},
		{probes.Sample{Execs: probes.Execs{Events: []probes.Exec{{Comm: "sh"}, {Comm: "\x1b"}}}}, []string{"closed 10.0.0.2:1024", "exec sh", "exec \x1b"}},
		{probes.Sample{CrossConnects: []probes.CrossConnect{pair}}, []string{"pair added a0"}},
		{probes.Sample{CrossConnects: []probes.CrossConnect{losing}}, []string{"redirect_error a0 b0 4 interface is down"}},
		{probes.Sample{CrossConnects: []probes.CrossConnect{waiting}, Lost: probes.Lost{ExecEvents: 3}}, []string{"pair changed a0", "lost 3"}},
		{probes.Sample{Lost: probes.Lost{ExecEvents: 3}}, []string{"pair removed a0"}},
		{probes.Sample{Lost: probes.Lost{ExecEvents: 3}, Drops: dropped(5, 0)}, []string{"drop NO_SOCKET 5"}},
		{probes.Sample{Lost: probes.Lost{ExecEvents: 3}, Drops: dropped(7, 0)}, []string{"drop NO_SOCKET 2"}},
		{probes.Sample{Lost: probes.Lost{ExecEvents: 3}, Drops: dropped(7, 0)}, nil},
		// From the row of an interface that is gone: told before.
		{probes.Sample{Lost: probes.Lost{ExecEvents: 3}, Drops: dropped(9, 2)}, nil},
	} {
		step.Time = time.Unix(1_700_000_000+int64(n), 0)
		var out bytes.Buffer
		if err := p.print(&out, &step.Sample, step.Connections); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(out.String(), '\x1b') {
			t.Errorf("step %d: %q", n, out.String())
		}
		got := readEvents(t, out.Bytes())
		slices.Sort(got)
		slices.Sort(step.want)
		if !slices.Equal(got, step.want) {
			t.Errorf("step %d: %q, want %q", n, got, step.want)
		}
	}
}

func dropped(packets, takenOver uint64) probes.Drops {
	return probes.Drops{Rows: []probes.Drop{{ID: 1, Reason: "NO_SOCKET", Packets: packets, TakenOver: takenOver}}}
}

// readEvents returns a line in words for each event.
func readEvents(t *testing.T, text []byte) (events []string) {
	t.Helper()
	for line := range bytes.Lines(text) {
		var e struct {
			Time          time.Time
			Event, Change string
			Connection    struct{ Remote string }
			Exec          struct{ Comm string }
			Pair          struct{ A string }
			Drop          struct {
				Reason  string
				Packets uint64
			}
			RedirectError redirectError `json:"redirect_error"`
			Lost          probes.Lost
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		words := []string{e.Event}
		switch e.Event {
		case "opened", "closed":
			words = append(words, e.Connection.Remote)
		case "exec":
			words = append(words, e.Exec.Comm)
		case "pair":
			words = append(words, e.Change, e.Pair.A)
		case "drop":
			words = append(words, e.Drop.Reason, string('0'+rune(e.Drop.Packets)))
		case "redirect_error":
			words = append(words, e.RedirectError.From, e.RedirectError.To, string('0'+rune(e.RedirectError.Packets)), e.RedirectError.Reason)
		case "lost":
			words = append(words, string('0'+rune(e.Lost.ExecEvents)))
		}
		events = append(events, strings.Join(words, " "))
	}
	return events
}

// TestStatsEvents has a connection open and end, of a real stats.
func TestStatsEvents(t *testing.T) {
	host, peer := pair(t)
	cmd := ebpftop(t, "stats", "--events", "--interval", "100ms", "--idle", "other=300ms")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(cmd); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	await := func(want string) {
		t.Helper()
		for lines.Scan() {
			if readEvents(t, lines.Bytes())[0] == want {
				return
			}
		}
		t.Fatalf("ended before %q: %v", want, cmd.Wait())
	}
	stop := make(chan struct{})
	sent := make(chan error, 1)
	go func() { // it may not be attached yet
		for {
			select {
			case <-stop:
				sent <- nil
				return
			case <-time.After(20 * time.Millisecond):
				if err := peer.Inject("peer0", udpFrame(t, 4000)); err != nil {
					sent <- err
					return
				}
			}
		}
	}()
	await("opened 10.0.0.1:4000")
	close(stop)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	await("closed 10.0.0.1:4000")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestEventsOfUnknownPairs: what is not known for a while did not go, nor come.
func TestEventsOfUnknownPairs(t *testing.T) {
	pair := probes.CrossConnect{A: "sw0", B: "sw1", Origin: probes.OriginOther, State: probes.PairActive}
	var p eventPrinter
	for _, step := range []struct {
		sample probes.Sample
		want   []string
	}{
		{probes.Sample{CrossConnects: []probes.CrossConnect{pair}}, []string{"added"}},
		{probes.Sample{OthersUnknown: "killed"}, nil},
		{probes.Sample{CrossConnects: []probes.CrossConnect{pair}}, nil},
		{probes.Sample{}, []string{"removed"}},
	} {
		var got []string
		for _, e := range p.pairEvents(&step.sample) {
			got = append(got, e.Change)
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("pairs %v, unknown %q: changes %q, want %q", step.sample.CrossConnects, step.sample.OthersUnknown, got, step.want)
		}
	}
}
