package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// TestKeyboard connects hosts, disconnects them, and changes its mind.
func TestKeyboard(t *testing.T) {
	b := newBench(t, 3)
	for i, host := range b.hosts {
		b.check(host.AddAddress("net0", address(i).String()+"/24"))
	}
	s := b.dashboard()
	s.await("no pairs", "press a to add")
	s.connect(form{a: port(0), b: port(1)})
	s.awaitLine("sw0 <-> sw1", "active", "tc/tc", "screen")
	b.check(b.hosts[0].Ping(t.Context(), address(1), 10))

	s.press("d")
	s.await("a question", "Remove sw0 <-> sw1?")
	s.press("y")
	s.await("no pairs", "press a to add")
	b.awaitLost(0, 1)

	s.press("u")
	s.await("a question", "Undo?")
	s.press("y")
	s.awaitLine("sw0 <-> sw1", "active")
	b.check(b.hosts[1].Ping(t.Context(), address(0), 10))

	// On trial, and no word of it any more.
	s.press("e")
	s.refill(form{a: port(0), b: port(2), trial: shortTrial})
	s.press(enter)
	s.awaitLine("sw0 <-> sw2", "trial")
	s.awaitLine("sw0 <-> sw1", "removed")
	s.await("the countdown", "s left, c confirms, u takes back")
	b.check(b.hosts[0].Ping(t.Context(), address(2), 10))
	s.awaitLine("sw0 <-> sw1", "active")
	s.awaitNo("sw0 <-> sw2")
	s.awaitNo("trial:")
	b.check(b.hosts[0].Ping(t.Context(), address(1), 10))
	b.awaitLost(0, 2)

	// On trial, and confirmed.
	s.press("e")
	s.refill(form{a: port(0), b: port(2), trial: shortTrial})
	s.press(enter)
	s.awaitLine("sw0 <-> sw2", "trial")
	s.press("c")
	s.awaitLine("sw0 <-> sw2", "active")
	s.awaitNo("sw0 <-> sw1")
	s.awaitNo("trial:")
	b.check(b.hosts[0].Ping(t.Context(), address(2), 10))

	s.press("q")
	s.await("a question", "1 pair is up. Remove, or keep after exit?")
	s.press("r")
	s.ended(0)
	b.awaitBare(b.hub, port(0), port(1), port(2))
	b.lists()
	b.nothingPinned()
}

// onVeths runs the test on tc, and on native XDP between hosts prepared for it.
func onVeths(t *testing.T, hosts int, test func(b *bench, datapath crossconnect.Datapath)) {
	for _, datapath := range []crossconnect.Datapath{crossconnect.TC, crossconnect.XDP} {
		t.Run(string(datapath), func(t *testing.T) {
			b := newBench(t, hosts)
			b.prepare(datapath)
			test(b, datapath)
		})
	}
}

// stream is a flood from host 0 to host 1 that must lose nothing.
type stream struct {
	b        *bench
	flood    *flood
	received *recorder
}

func (b *bench) startStream() *stream {
	return &stream{b: b, received: b.record(1), flood: startFlood(b.wires[0])}
}

// goesOn waits until frames arrive that were sent from now on.
func (s *stream) goesOn() {
	s.b.t.Helper()
	s.received.mu.Lock()
	count := len(s.received.arrivals)
	s.received.mu.Unlock()
	s.received.await(uint64(count) + 100)
}

func (s *stream) end() {
	s.b.t.Helper()
	count := s.flood.end(s.b.t)
	s.received.await(count - 1)
	arrivals := s.received.end()
	if got := uint64(len(arrivals)); got != count {
		s.b.t.Errorf("%d of %d frames arrived", got, count)
	}
	for i, a := range arrivals {
		if a.number != uint64(i) {
			s.b.t.Errorf("frame %d arrived in place of %d", a.number, i)
			break
		}
	}
}

// TestQuit has a pair when it is quit, which it removes or keeps, as asked.
func TestQuit(t *testing.T) {
	onVeths(t, 2, func(b *bench, datapath crossconnect.Datapath) {
		s := b.dashboard()
		s.connect(form{a: port(0), b: port(1), datapath: datapath})
		s.awaitLine("sw0 <-> sw1", "active", string(datapath+"/"+datapath), "screen")
		b.awaitPath(0, 1)
		s.press("q")
		s.await("a question", "1 pair is up. Remove, or keep after exit?")
		s.press("r")
		s.ended(0)
		b.awaitBare(b.hub, port(0), port(1))
		b.lists()
		b.nothingPinned()
		b.awaitLost(0, 1)

		s = b.dashboard()
		s.connect(form{a: port(0), b: port(1), datapath: datapath})
		s.awaitLine("sw0 <-> sw1", "active", string(datapath+"/"+datapath), "screen")
		sent := b.startStream()
		sent.goesOn()
		s.press("q")
		s.await("a question", "1 pair is up. Remove, or keep after exit?")
		s.press("k")
		s.ended(0)
		sent.goesOn()
		sent.end()
		pair := b.only()
		if !pair.Kept || pair.State != crossconnect.Active || pair.AToB.Datapath != datapath || pair.AToB.Dropped != 0 {
			b.t.Errorf("kept is %+v", pair)
		}
		b.awaitPath(1, 0)
		b.run("del", port(0))
		b.awaitBare(b.hub, port(0), port(1))
	})
}

// TestDashboardWaitsForAnother begins and ends dashboards while another process is changing
// cross-connects, for longer than a dashboard that runs stands still for it.
func TestDashboardWaitsForAnother(t *testing.T) {
	b := newBench(t, 2)
	b.check(crossconnect.MakePinRoot())
	anotherChanges := func() {
		file, err := os.Open(crossconnect.PinRoot)
		b.check(err)
		b.check(unix.Flock(int(file.Fd()), unix.LOCK_EX))
		time.AfterFunc(300*time.Millisecond, func() { _ = file.Close() })
	}

	anotherChanges()
	s := b.dashboard("--links", newLinksFile(t, "sw0: {peer: sw1, datapath: xdp-generic}").path)
	s.awaitLine("sw0 <-> sw1", "active", "file")
	b.awaitPath(0, 1)
	anotherChanges()
	b.check(s.cmd.Process.Signal(syscall.SIGTERM))
	s.ended(0)
	b.awaitBare(b.hub, port(0), port(1))
}

// TestRunTerminatedWhileItWaits for another process that changes cross-connects: that is a
// regular end, too.
func TestRunTerminatedWhileItWaits(t *testing.T) {
	b := newBench(t, 2)
	b.check(crossconnect.MakePinRoot())
	file, err := os.Open(crossconnect.PinRoot)
	b.check(err)
	defer file.Close()
	b.check(unix.Flock(int(file.Fd()), unix.LOCK_EX))
	r := b.start(newLinksFile(t, "sw0: sw1"))
	awaitLeftRoot(t, r.cmd.Process.Pid, confine.Watching...)
	r.end(syscall.SIGTERM)
	b.awaitBare(b.hub, port(0), port(1))
}

// TestPairsEndWithDashboard however it ends, if it is not asked to keep them.
func TestPairsEndWithDashboard(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			onVeths(t, 2, func(b *bench, datapath crossconnect.Datapath) {
				s := b.dashboard()
				s.connect(form{a: port(0), b: port(1), datapath: datapath})
				b.awaitPath(0, 1)
				b.check(s.cmd.Process.Signal(signal))
				if signal == syscall.SIGKILL {
					s.ended(-1)
				} else {
					s.ended(0)
				}
				b.awaitBare(b.hub, port(0), port(1))
				b.lists()
				b.nothingPinned()
			})
		})
	}
}

// TestTwoDashboards has each see the other's pairs, and leave them alone.
func TestTwoDashboards(t *testing.T) {
	b := newBench(t, 4)
	one, two := b.dashboard(), b.dashboard()
	one.connect(form{a: port(0), b: port(1)})
	one.awaitLine("sw0 <-> sw1", "active", "screen")
	ownedByOne := fmt.Sprint("process ", one.cmd.Process.Pid)
	two.awaitLine("sw0 <-> sw1", "active", ownedByOne)
	two.press("5", "d")
	two.await("a refusal", "sw0 <-> sw1 belongs to "+ownedByOne+": only that one can change it")
	two.press("a", port(1), enter)
	two.await("a refusal", "sw1 is in sw0 <-> sw1")
	two.press(escape)

	wantOneLine(t, b.try("add", port(1), port(2)), port(1), ownedByOne)
	if t.Failed() {
		return // run would go on and on
	}
	file := newLinksFile(t, "sw2: sw1")
	wantOneLine(t, b.try("run", "-f", file.path), port(1), ownedByOne)
	r := b.start(newLinksFile(t, "sw2: sw2"))
	ownedByRun := fmt.Sprint("process ", r.cmd.Process.Pid)
	for _, s := range []*screen{one, two} {
		s.awaitLine("sw2 <-> sw2", "active", ownedByRun)
	}
	r.end(syscall.SIGTERM)
	for _, s := range []*screen{one, two} {
		s.awaitNo("sw2 <-> sw2")
	}

	// The interface is free while the form is filled in, and is no more then.
	two.fill(form{a: port(2), b: port(3)})
	one.connect(form{a: port(2), b: port(2)})
	one.awaitLine("sw2 <-> sw2", "active", "screen")
	two.press(enter)
	two.await("a refusal", "sw2 is in a pair already: "+ownedByOne)
	for _, dialog := range []string{"step 2 of 2", "step 1 of 2"} {
		two.press(escape)
		two.awaitNo(dialog)
	}

	two.press("q")
	two.ended(0)
	b.awaitPath(0, 1)
	b.awaitPath(2, 2)
	one.press("q")
	one.await("a question", "2 pairs are up. Remove, or keep after exit?")
	one.press("r")
	one.ended(0)
	b.awaitBare(b.hub, port(0), port(1), port(2), port(3))
}

// TestLinks follows a file, and goes on with its last good version.
func TestLinks(t *testing.T) {
	b := newBench(t, 4)
	file := newLinksFile(t, "sw0: sw1", "sw3: missing0")
	cmd := ebpftop(t, "--links", file.path)
	cmd.Env = append(cmd.Env, screenEnvironment...)
	wantOneLine(t, finish(t, b.hub, cmd), "links.yaml:3", "missing0")
	b.awaitBare(b.hub, port(0))

	file.swap("sw0: sw1")
	s := b.dashboard("--links", file.path)
	s.awaitLine("sw0 <-> sw1", "active", "file")
	b.awaitPath(0, 1)
	sent := b.startStream()
	sent.goesOn()
	file.swap("sw0: sw1", "sw3: missing0")
	s.await("what is wrong", "links.yaml:3", "missing0", "the last good links")
	s.awaitLine("sw0 <-> sw1", "active", "file")
	sent.goesOn()
	b.check(b.hub.Rename(port(2), "missing0"))
	s.awaitLine("sw3", "missing0", "active") // the file is taken up by itself
	s.awaitNo("last good")
	file.swap("sw0: sw1")
	s.awaitNo("sw3 <-> missing0")
	b.check(b.hub.Rename("missing0", port(2)))

	s.connect(form{a: port(2), b: port(3)})
	s.awaitLine("sw2 <-> sw3", "active", "screen")
	file.swap("sw0: {peer: sw1, datapath: tc}")
	s.awaitNo("last good")
	s.awaitLine("sw0 <-> sw1", "active", "file")
	s.awaitLine("sw2 <-> sw3", "active", "screen")
	sent.goesOn()
	sent.end()

	file.swap("sw1: sw1")
	s.awaitLine("sw1 <-> sw1", "active", "file")
	b.awaitPath(1, 1)
	b.awaitPath(2, 3)
	b.awaitLost(0, 1)
	s.press("q")
	s.await("a question", "1 pair is up. Remove, or keep after exit?")
	s.press("r")
	s.ended(0)
	b.awaitBare(b.hub, port(0), port(1), port(2), port(3))
}

// TestXDPWatcherGivesWay has the counting program where the redirecting one is
// to go: another process's must stay, one's own gives way, and counts on.
func TestXDPWatcherGivesWay(t *testing.T) {
	const count = 500
	b := newBench(t, 2)
	b.prepare(crossconnect.XDP)
	watcher := openStats(t, b.hub, "--hook", "xdp")
	wantOneLine(t, b.try("add", port(0), port(1), "--datapath", "xdp"), "XDP is taken", port(0))
	b.lists()
	b.check(b.wires[1].Send(slices.Repeat([][]byte{udpFrame(t, 4000)}, count)...))
	watcher.awaitReceived(port(1), count)
	watcher.stop(syscall.SIGTERM)
	b.awaitBare(b.hub, port(0), port(1))

	s := b.dashboard("--hook", "xdp")
	s.press("1", "j", "z") // all about the second interface
	s.await("the hook", "sw1 (index", "xdp: asked for")
	b.check(b.wires[1].Send(slices.Repeat([][]byte{udpFrame(t, 4000)}, count)...))
	total := 0
	awaitTotal := func(want int) {
		t.Helper()
		s.awaitText(fmt.Sprint(want, " frames"), func(text string) bool {
			if _, after, found := strings.Cut(text, "counted"); found {
				now := parseTotal(t, after)
				if now < total {
					t.Errorf("the total went back from %d to %d", total, now)
				}
				total = now
			}
			return total >= want
		})
	}
	awaitTotal(count)
	s.connect(form{a: port(0), b: port(1), datapath: crossconnect.XDP})
	s.awaitLine("sw0 <-> sw1", "active", "xdp/xdp")
	s.press("1")
	s.await("the hook", "sw1 (index", "xdp: cross-connected by XDP")
	b.sendUDP(count)
	awaitTotal(2 * count)

	s.press("5", "d")
	s.await("a question", "Remove sw0 <-> sw1?")
	s.press("y")
	s.await("no pairs", "press a to add")
	s.press("1")
	s.await("the hook", "sw1 (index", "xdp: asked for")
	b.check(b.wires[1].Send(slices.Repeat([][]byte{udpFrame(t, 4000)}, count)...))
	awaitTotal(3 * count)
	s.awaitTick()
	awaitTotal(3 * count)
	if total != 3*count {
		t.Errorf("counted %d frames, want %d", total, 3*count)
	}
	s.press("q")
	s.ended(0)
	b.awaitBare(b.hub, port(0), port(1))
}

var receivedTotal = regexp.MustCompile(`received ([0-9,]+) packets`)

func parseTotal(t *testing.T, text string) int {
	t.Helper()
	found := receivedTotal.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no total in %q", text)
	}
	total, err := strconv.Atoi(strings.ReplaceAll(found[1], ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// TestStatsShowsPairsAsList does, each kept and other process's.
func TestStatsShowsPairsAsList(t *testing.T) {
	b := newBench(t, 4)
	b.run("add", port(0), port(1))
	r := b.start(newLinksFile(t, "sw2: sw3"))
	b.awaitPath(2, 3)
	s := openStats(t, b.hub)
	var object struct {
		Pairs []any `json:"cross_connects"`
	}
	s.decode(&object)
	var list []any
	b.check(json.Unmarshal([]byte(b.run("list", "--json").out), &list))
	if len(list) != 2 || !reflect.DeepEqual(object.Pairs, list) {
		t.Errorf("stats has\n%v, list\n%v", object.Pairs, list)
	}
	s.stop(syscall.SIGTERM)
	r.end(syscall.SIGTERM)
}
