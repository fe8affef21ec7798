package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

var reloads = flag.Int("reloads", 50, "times that the file of 100 links is changed")

// newHub makes the namespace of a switch. What is kept of its cross-connects
// goes with the test: pins would keep the programs in the kernel for good.
func newHub(t *testing.T) *lab.Namespace {
	t.Helper()
	hub := lab.ForTest(t)
	folders := pinFolders(t, hub)
	t.Cleanup(func() {
		for _, folder := range folders {
			if err := os.RemoveAll(folder); err != nil {
				t.Error(err)
			}
		}
	})
	return hub
}

// pinFolders are where pairs of the namespace may be kept. Kernels before 5.14
// cannot tell its cookie.
func pinFolders(t *testing.T, n *lab.Namespace) (folders []string) {
	t.Helper()
	const root = "/sys/fs/bpf/ebpftop"
	if err := n.Do(func() error {
		var stat unix.Stat_t
		if err := unix.Stat("/proc/thread-self/ns/net", &stat); err != nil {
			return err
		}
		folders = append(folders, filepath.Join(root, fmt.Sprint("inode-", stat.Ino)))
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err == nil {
			folders = append(folders, filepath.Join(root, fmt.Sprint("net-", cookie)))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return folders
}

// try runs `ebpftop xconnect` in the switch, to its end.
func (b *bench) try(args ...string) finished {
	b.t.Helper()
	return finish(b.t, b.hub, ebpftop(b.t, append([]string{"xconnect"}, args...)...))
}

// run is try that must succeed.
func (b *bench) run(args ...string) finished {
	b.t.Helper()
	got := b.try(args...)
	if got.status != 0 || got.errOut != "" {
		b.t.Fatalf("xconnect %s: status %d, %s", strings.Join(args, " "), got.status, got.errOut)
	}
	return got
}

func (b *bench) list() (pairs []crossconnect.Status) {
	b.t.Helper()
	got := b.run("list", "--json")
	if err := json.Unmarshal([]byte(got.out), &pairs); err != nil || pairs == nil {
		b.t.Fatalf("%v in %q, want an array", err, got.out)
	}
	return pairs
}

// only is the pair in a list of one.
func (b *bench) only() crossconnect.Status {
	b.t.Helper()
	pairs := b.list()
	if len(pairs) != 1 {
		b.t.Fatalf("%d pairs, want one: %+v", len(pairs), pairs)
	}
	return pairs[0]
}

// names are the pairs as "sw0-sw1 active".
func (b *bench) names() (names []string) {
	b.t.Helper()
	for _, pair := range b.list() {
		names = append(names, fmt.Sprintf("%s-%s %s", pair.A, pair.B, pair.State))
	}
	return names
}

func (b *bench) lists(want ...string) {
	b.t.Helper()
	if got := b.names(); !slices.Equal(got, want) {
		b.t.Errorf("pairs %q, want %q", got, want)
	}
}

// await calls fn until it returns no error.
func (b *bench) await(fn func() error) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) awaitList(want ...string) {
	b.t.Helper()
	b.await(func() error {
		if got := b.names(); !slices.Equal(got, want) {
			return fmt.Errorf("pairs %q, want %q", got, want)
		}
		return nil
	})
}

// awaitBare waits until nothing is attached to the interfaces: the kernel
// detaches a link some time after its last descriptor is closed.
func (b *bench) awaitBare(in *lab.Namespace, ifaces ...string) {
	b.t.Helper()
	b.await(func() error {
		for _, iface := range ifaces {
			if found := attachments(b.t, in, iface); len(found) > 0 {
				return fmt.Errorf("left attached to %s: %v", iface, found)
			}
		}
		return nil
	})
}

// linksFile is a file of links.
type linksFile struct {
	t    *testing.T
	path string
}

func newLinksFile(t *testing.T, links ...string) *linksFile {
	t.Helper()
	f := &linksFile{t, filepath.Join(t.TempDir(), "links.yaml")}
	f.swap(links...)
	return f
}

// swap replaces the file, whole, as editors do. The first link is in line 2.
func (f *linksFile) swap(links ...string) {
	f.t.Helper()
	text := "links:\n"
	for _, link := range links {
		text += "  " + link + "\n"
	}
	if err := os.WriteFile(f.path+".new", []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		f.t.Fatal(err)
	}
}

// runner is a running `ebpftop xconnect run`.
type runner struct {
	b   *bench
	cmd *exec.Cmd
	// said are the lines on its standard error.
	said chan string
}

func (b *bench) start(file *linksFile) *runner {
	b.t.Helper()
	r := &runner{b: b, cmd: ebpftop(b.t, "xconnect", "run", "-f", file.path), said: make(chan string, 1000)}
	errOut, err := r.cmd.StderrPipe()
	b.check(err)
	b.check(b.hub.Start(r.cmd))
	go func() {
		defer close(r.said)
		for lines := bufio.NewScanner(errOut); lines.Scan(); {
			r.said <- lines.Text()
		}
	}()
	return r
}

// end sends a signal and returns what was said that no test asked for.
func (r *runner) end(signal syscall.Signal) (said []string) {
	r.b.t.Helper()
	r.b.check(r.cmd.Process.Signal(signal))
	for line := range r.said {
		said = append(said, line)
	}
	if got := status(r.b.t, r.cmd.Wait()); got != 0 && signal != syscall.SIGKILL {
		r.b.t.Errorf("run ended with status %d after %v, said %q", got, signal, said)
	}
	return said
}

// awaitWords waits until it says a line with all the words.
func (r *runner) awaitWords(words ...string) {
	r.b.t.Helper()
	timeout := time.After(patience)
	var said []string
	for {
		select {
		case line, ok := <-r.said:
			if !ok {
				r.b.t.Fatalf("run ended, said %q", said)
			}
			said = append(said, line)
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
				return
			}
		case <-timeout:
			r.b.t.Fatalf("run said %q, want a line with %q", said, words)
		}
	}
}

// TestListFields checks that a script finds every field that the manual
// promises, in list as in stats.
func TestListFields(t *testing.T) {
	b := newBench(t, 2)
	b.run("add", port(0), port(1), "--datapath", "tc")
	frame := numbered(0, 100)
	b.check(b.wires[0].Send(frame, frame, frame))
	if _, err := b.wires[1].Receive(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(b.run("list", "--json").out), &rows); err != nil || len(rows) != 1 {
		t.Fatalf("%v, %d rows", err, len(rows))
	}
	wantPair(t, "list", rows[0])

	s := openStats(t, b.hub)
	defer s.stop(syscall.SIGTERM)
	var object map[string]any
	if err := json.Unmarshal(s.lines.Bytes(), &object); err != nil {
		t.Fatal(err)
	}
	wantPair(t, "stats", first(t, object, "cross_connects"))

	table := b.run("list").out
	for _, word := range []string{port(0), port(1), "active", "tc"} {
		if !strings.Contains(table, word) {
			t.Errorf("list does not mention %q:\n%s", word, table)
		}
	}
}

func wantPair(t *testing.T, where string, row map[string]any) {
	t.Helper()
	wantFields(t, where, row, map[string]any{
		"a": port(0), "b": port(1), "state": "active", "reason": "", "kept": true, "origin": "kept",
	})
	wantFields(t, where+" a_to_b", row["a_to_b"].(map[string]any), map[string]any{
		"datapath": "tc", "wish": "tc", "packets": 3.0, "bytes": 300.0, "dropped": 0.0,
	})
	wantFields(t, where+" b_to_a", row["b_to_a"].(map[string]any), map[string]any{
		"datapath": "tc", "wish": "tc", "packets": 0.0, "bytes": 0.0, "dropped": 0.0,
	})
}

// TestKeptWithoutAnyProcess adds pairs, changes and removes them, with nothing
// running in between.
func TestKeptWithoutAnyProcess(t *testing.T) {
	b := newBench(t, 4)
	b.lists()
	b.run("add", port(0), port(1))
	b.run("add", port(3), port(2))
	b.lists("sw0-sw1 active", "sw3-sw2 active")
	b.awaitPath(0, 1)
	b.awaitPath(2, 3)
	b.run("del", port(1), port(0))
	b.lists("sw3-sw2 active")
	b.awaitBare(b.hub, port(0), port(1))
	b.awaitPath(3, 2)

	b.run("apply", "-f", newLinksFile(t, "sw0: sw2", "sw1: {peer: sw3, datapath: xdp-generic}").path)
	b.lists("sw0-sw2 active", "sw1-sw3 active")
	b.awaitPath(0, 2)
	b.awaitPath(3, 1)

	b.run("del", port(2))
	b.run("del", port(1))
	b.lists()
	b.awaitBare(b.hub, port(0), port(1), port(2), port(3))
	b.nothingPinned()
}

func (b *bench) nothingPinned() {
	b.t.Helper()
	for _, folder := range pinFolders(b.t, b.hub) {
		if _, err := os.Stat(folder); !os.IsNotExist(err) {
			b.t.Errorf("%s is still there (%v)", folder, err)
		}
	}
}

// TestAddsAtOnce has several processes change the set at the same time.
func TestAddsAtOnce(t *testing.T) {
	const pairs = 4
	b := newBench(t, 2*pairs)
	var adding [pairs]*exec.Cmd
	for i := range adding {
		adding[i] = ebpftop(t, "xconnect", "add", port(2*i), port(2*i+1))
		adding[i].Stderr = new(strings.Builder)
		b.check(b.hub.Start(adding[i]))
	}
	for _, cmd := range adding {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v, %s", cmd.Args[1:], err, cmd.Stderr)
		}
	}
	b.lists("sw0-sw1 active", "sw2-sw3 active", "sw4-sw5 active", "sw6-sw7 active")
	for i := range pairs {
		b.awaitPath(2*i, 2*i+1)
	}
}

// TestRun is what xdp-xconnect demonstrates: an interface with itself, with a
// second, with a third instead, and a file that cannot be.
func TestRun(t *testing.T) {
	b := newBench(t, 3)
	file := newLinksFile(t, "sw0: sw0")
	r := b.start(file)
	b.awaitPath(0, 0)
	b.lists("sw0-sw0 active")

	file.swap("sw0: sw1")
	b.awaitPath(0, 1)
	b.awaitPath(1, 0)
	b.lists("sw0-sw1 active")

	file.swap("sw0: sw2")
	b.awaitPath(0, 2)
	b.awaitPath(2, 0)
	b.awaitBare(b.hub, port(1))
	if pair := b.only(); pair.Origin != crossconnect.OriginOther || pair.Owner != r.cmd.Process.Pid || pair.Kept {
		t.Errorf("another process sees %+v, want process %d to own it", pair, r.cmd.Process.Pid)
	}

	received := b.record(2)
	sent := startFlood(b.wires[0])
	file.swap("sw0: sw2", "sw1: missing0")
	r.awaitWords("links.yaml:3", "missing0")
	b.lists("sw0-sw2 active")
	// Half a file is none.
	file.swap("sw0: sw1", "sw2")
	r.awaitWords("links.yaml:", "YAML")
	b.lists("sw0-sw2 active")
	count := sent.end(t)
	received.await(count - 1)
	if got := len(received.end()); uint64(got) != count {
		t.Errorf("%d of %d frames arrived while the file was wrong", got, count)
	}

	r.end(syscall.SIGINT)
	b.awaitBare(b.hub, port(0), port(1), port(2))
	b.lists()
	b.nothingPinned()
}

// TestErrorNamesTheLine of a link that cannot be.
func TestErrorNamesTheLine(t *testing.T) {
	b := newBench(t, 5)
	b.run("add", port(3), port(4))
	for name, test := range map[string]struct {
		links []string
		words []string
	}{
		"missing":       {[]string{"sw0: sw1", "sw2: missing0"}, []string{":3", "missing0"}},
		"twice":         {[]string{"sw0: sw1", "sw2: sw1"}, []string{":3", "sw1"}},
		"twice the key": {[]string{"sw0: sw1", "sw0: sw2"}, []string{":3", "sw0"}},
		"loopback":      {[]string{"sw0: sw1", "sw2: lo"}, []string{":3", "lo"}},
		"datapath":      {[]string{"sw0: {peer: sw1, datapath: fast}"}, []string{":2", "fast", "xdp-generic"}},
		"unknown key":   {[]string{"sw0: {peer: sw1, datapaht: tc}"}, []string{":2", "datapaht"}},
		"no peer":       {[]string{"sw0: {datapath: tc}"}, []string{":2", "peer"}},
		// The parser misses the rest where it notices, one line below.
		"half a line": {[]string{"sw0: sw1", "sw2"}, []string{":4", "YAML"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := newLinksFile(t, test.links...)
			test.words[0] = "links.yaml" + test.words[0]
			for _, command := range []string{"apply", "run"} {
				wantOneLine(t, finish(t, b.hub, ebpftop(t, "xconnect", command, "-f", file.path)), test.words...)
			}
		})
	}
	b.lists("sw3-sw4 active")
	b.awaitPath(3, 4)
}

// TestReloads changes one pair of a hundred, again and again, while frames go
// through another.
func TestReloads(t *testing.T) {
	const pairs = 100
	b := newBench(t, 5)
	links := []string{"sw0: sw1", "sw2: sw3"}
	crowd := lab.ForTest(t)
	var plugging errgroup.Group // at once, for each takes a while to have carrier
	for len(links) < pairs {
		left, right := fmt.Sprint("left", len(links)), fmt.Sprint("right", len(links))
		plugging.Go(func() error { return lab.QuietVeth(b.hub, left, crowd, left) })
		plugging.Go(func() error { return lab.QuietVeth(b.hub, right, crowd, right) })
		links = append(links, left+": "+right)
	}
	b.check(plugging.Wait())
	file := newLinksFile(t, links...)
	start := time.Now()
	r := b.start(file)
	b.awaitPath(0, 1)
	b.awaitPath(2, 3)
	t.Logf("%d pairs in %v", pairs, time.Since(start).Round(time.Millisecond))
	received := b.record(1)
	sent := startFlood(b.wires[0])
	start = time.Now()
	for i := range *reloads {
		peer := 4 - i%2
		links[1] = "sw2: " + port(peer)
		file.swap(links...)
		b.awaitPath(2, peer)
	}
	t.Logf("%d reloads in %v", *reloads, time.Since(start).Round(time.Millisecond))
	count := sent.end(t)
	received.await(count - 1)
	if got := len(received.end()); uint64(got) != count {
		t.Errorf("%d of %d frames arrived", got, count)
	}
	if got := b.list(); len(got) != pairs {
		t.Errorf("%d pairs, want %d", len(got), pairs)
	}
	if said := r.end(syscall.SIGTERM); len(said) > 0 {
		t.Logf("run said %q", said)
	}
	b.awaitBare(b.hub, port(0), port(1), port(2), port(3), port(4), "left50", "right99")
}

// switchTolerance is how far from its deadline the end of a trial may be.
const switchTolerance = 100 * time.Millisecond

// TestTrialEnds tries another set of pairs and leaves: at the deadline, with no
// process of ours left, the set before is back.
func TestTrialEnds(t *testing.T) {
	for _, datapath := range []crossconnect.Datapath{crossconnect.Auto, crossconnect.XDP, crossconnect.XDPGeneric} {
		t.Run(string(datapath), func(t *testing.T) {
			const trial = 3 * time.Second
			b := newBench(t, 3)
			b.prepare(datapath)
			b.run("add", port(0), port(1), "--datapath", string(datapath))
			file := newLinksFile(t, fmt.Sprintf("sw0: {peer: sw2, datapath: %s}", datapath))
			home, away := b.record(1), b.record(2)
			sent := startFlood(b.wires[0])
			earliest := time.Now().Add(trial)
			b.run("apply", "-f", file.path, "--trial", trial.String())
			const tick = 10 * time.Millisecond // at most: deadlines are rounded up to one
			latest := time.Now().Add(trial + tick)
			deadline := b.trialEnds()
			if deadline.Before(earliest) || deadline.After(latest) {
				t.Errorf("the trial ends at %v, want %v to %v", deadline, earliest, latest)
			}
			time.Sleep(time.Until(deadline.Add(3 * switchTolerance)))
			count := sent.end(t)
			home.await(count - 1)
			assertSwitch(t, home.end(), away.end(), count, deadline)
			b.lists("sw0-sw1 active")
			b.awaitPath(1, 0)
			b.run("del", port(0))
			b.awaitBare(b.hub, port(0), port(1), port(2))
			b.nothingPinned()
		})
	}
}

func (b *bench) trialEnds() time.Time {
	b.t.Helper()
	for _, pair := range b.list() {
		if pair.State == crossconnect.Trial && !pair.Removed && pair.TrialEnds != nil {
			return *pair.TrialEnds
		}
	}
	b.t.Fatalf("no pair on trial: %+v", b.list())
	return time.Time{}
}

// assertSwitch expects every frame at one of the two interfaces: at home, away
// while the trial lasted, and at home again from the deadline on.
func assertSwitch(t *testing.T, home, away []arrival, count uint64, deadline time.Time) {
	t.Helper()
	if got := uint64(len(home) + len(away)); got != count {
		t.Errorf("%d of %d frames arrived", got, count)
	}
	if len(away) == 0 {
		t.Fatal("no frame took the way on trial")
	}
	last := away[len(away)-1]
	back := slices.IndexFunc(home, func(a arrival) bool { return a.number > last.number })
	if back < 1 || home[back-1].number > away[0].number {
		t.Fatalf("frames away from %d to %d, at home again from %d of %d", away[0].number, last.number, back, len(home))
	}
	t.Logf("last frame away %v after the deadline, first at home %v after it", last.at.Sub(deadline), home[back].at.Sub(deadline))
	for _, at := range []time.Time{last.at, home[back].at} {
		if off := at.Sub(deadline).Abs(); off > switchTolerance {
			t.Errorf("the set before was back %v off the deadline", off)
		}
	}
}

// TestTrialOfAdd tries a pair where there was none.
func TestTrialOfAdd(t *testing.T) {
	b := newBench(t, 2)
	b.run("add", port(0), port(1), "--trial", "2s")
	b.lists("sw0-sw1 trial")
	deadline := b.trialEnds()
	b.awaitPath(0, 1)
	b.awaitList()
	if early := time.Until(deadline); early > 0 {
		t.Errorf("the pair was gone %v before the deadline", early)
	}
	time.Sleep(time.Until(deadline.Add(switchTolerance)))
	b.check(b.wires[0].Send(numbered(0, numberedSize)))
	if frame, err := b.wires[1].Receive(time.Now().Add(100 * time.Millisecond)); err == nil {
		t.Errorf("received frame %d after the trial", numberOf(frame))
	}
	wantOneLine(t, b.try("confirm"))
}

// TestTrialDecided confirms a trial, and takes one back.
func TestTrialDecided(t *testing.T) {
	b := newBench(t, 3)
	b.run("add", port(0), port(1))
	file := newLinksFile(t, "sw0: sw2")

	b.run("apply", "-f", file.path, "--trial", "1m")
	b.awaitPath(0, 2)
	wantOneLine(t, b.try("add", port(1), port(1)), "trial")
	b.run("rollback")
	b.lists("sw0-sw1 active")
	b.awaitPath(0, 1)

	b.run("apply", "-f", file.path, "--trial", "2s")
	deadline := b.trialEnds()
	b.run("confirm")
	if !time.Now().Before(deadline) {
		t.Fatal("too late to confirm: the machine is too slow for this test")
	}
	b.lists("sw0-sw2 active")
	time.Sleep(time.Until(deadline.Add(switchTolerance)))
	b.lists("sw0-sw2 active")
	b.awaitPath(2, 0)
	b.awaitBare(b.hub, port(1))
}

// TestKilledRun kills run: its pairs go, kept ones stay.
func TestKilledRun(t *testing.T) {
	for _, datapath := range []crossconnect.Datapath{crossconnect.Auto, crossconnect.XDP, crossconnect.XDPGeneric} {
		t.Run(string(datapath), func(t *testing.T) {
			b := newBench(t, 4)
			b.prepare(datapath)
			b.run("add", port(0), port(1), "--datapath", string(datapath))
			r := b.start(newLinksFile(t, fmt.Sprintf("sw2: {peer: sw3, datapath: %s}", datapath)))
			b.awaitPath(2, 3)
			r.end(syscall.SIGKILL)
			if tcHook == probes.HookClsact {
				// Filters have no link: the next start removes them.
				if got := finish(t, b.hub, ebpftop(t, "stats", "--count", "1", "--interval", "50ms")); got.status != 0 {
					t.Fatal(got.errOut)
				}
			}
			b.awaitBare(b.hub, port(2), port(3))
			b.lists("sw0-sw1 active")
			b.awaitPath(0, 1)
			b.awaitPath(1, 0)
			b.awaitLost(2, 3)
			b.run("add", port(2), port(3))
			b.awaitPath(3, 2)
		})
	}
}

// awaitLost waits until a frame from one host does not reach another any more.
func (b *bench) awaitLost(from, to int) {
	b.t.Helper()
	b.await(func() error {
		b.check(b.wires[from].Send(numbered(0, numberedSize)))
		if _, err := b.wires[to].Receive(time.Now().Add(20 * time.Millisecond)); err == nil {
			return fmt.Errorf("a frame from %s reaches %s", port(from), port(to))
		}
		return nil
	})
}

// waits expects the only pair to wait for an interface, soon.
func (b *bench) waits(missing string) {
	b.t.Helper()
	var pairs []crossconnect.Status
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		pairs = b.list()
		if len(pairs) == 1 && pairs[0].State == crossconnect.Waiting && strings.Contains(pairs[0].Reason, missing) {
			return
		}
	}
	b.t.Errorf("without %s: %+v, want a pair that waits for it", missing, pairs)
}

// backWithin is how long after its interface a pair may be back.
const backWithin = 200 * time.Millisecond

// departure is a way for an interface to go, and the way back.
type departure struct {
	name        string
	leave, come func(b *bench)
	// isPlugged: the host at the other end stays connected to the interface.
	isPlugged bool
}

var departures = []departure{
	{
		name:  "deleted",
		leave: func(b *bench) { b.check(b.hub.DeleteLink(port(1))) },
		come:  func(b *bench) { b.plug(0) },
	},
	{
		name:  "deleted, back with a high index",
		leave: func(b *bench) { b.check(b.hub.DeleteLink(port(1))) },
		come:  func(b *bench) { b.plug(5000) },
	},
	{
		name: "moved",
		leave: func(b *bench) {
			b.check(b.hub.Move(port(1), b.hosts[2]))
			b.awaitBare(b.hosts[2], port(1))
		},
		come:      func(b *bench) { b.check(b.hosts[2].Move(port(1), b.hub)) },
		isPlugged: true,
	},
}

// TestDeviceGoesAndComes takes away an interface in each of the ways there are,
// and brings it back.
func TestDeviceGoesAndComes(t *testing.T) {
	for _, d := range departures {
		for datapath := range datapaths {
			t.Run(d.name+" "+string(datapath), func(t *testing.T) {
				b := newBench(t, 3)
				b.prepare(datapath)
				r := b.start(newLinksFile(t, fmt.Sprintf("sw0: {peer: sw1, datapath: %s}", datapath)))
				b.awaitPath(0, 1)
				d.leave(b)
				b.waits(port(1))
				if d.isPlugged {
					b.awaitLost(0, 1)
				}

				d.come(b)
				if !d.isPlugged {
					b.prepareAgain(datapath, 1) // no frame could arrive before
				}
				start := time.Now()
				took := b.awaitPath(0, 1).Sub(start)
				t.Logf("back after %v", took)
				if took > backWithin {
					t.Errorf("active again after %v, want %v at most", took, backWithin)
				}
				b.awaitPath(1, 0)
				b.awaitList("sw0-sw1 active")
				r.end(syscall.SIGTERM)
				b.awaitBare(b.hub, port(0), port(1))
			})
		}
	}
}

// TestRenamed: a pair follows its device to another name.
func TestRenamed(t *testing.T) {
	for datapath := range datapaths {
		t.Run(string(datapath), func(t *testing.T) {
			b := newBench(t, 3)
			b.prepare(datapath)
			r := b.start(newLinksFile(t, fmt.Sprintf("sw0: {peer: sw1, datapath: %s}", datapath)))
			b.awaitPath(0, 1)
			b.check(b.hub.Rename(port(1), "other"))
			b.awaitList("sw0-other active")
			b.awaitPath(0, 1)
			b.awaitPath(1, 0)
			b.check(b.hub.Rename("other", port(1)))
			b.awaitList("sw0-sw1 active")
			r.end(syscall.SIGTERM)
			b.awaitBare(b.hub, port(0), port(1))
		})
	}
}

// plug makes the veth of host 1 anew.
func (b *bench) plug(index int) {
	b.t.Helper()
	b.check(lab.QuietVethAt(index, b.hub, port(1), b.hosts[1], "net0"))
	b.wires[1] = openWire(b.t, b.hosts[1])
}

// TestHighIndex connects interfaces whose index is beyond the slots of a devmap
// of 1024.
func TestHighIndex(t *testing.T) {
	onEveryDatapath(t, 2, func(b *bench, datapath crossconnect.Datapath) {
		b.check(b.hub.DeleteLink(port(1)))
		b.plug(1 << 20)
		b.prepareAgain(datapath, 1)
		b.run("add", port(0), port(1), "--datapath", string(datapath))
		b.awaitPath(0, 1)
		b.awaitPath(1, 0)
	})
}

// prepareAgain prepares the new interface of a host.
func (b *bench) prepareAgain(datapath crossconnect.Datapath, host int) {
	b.t.Helper()
	if datapath == crossconnect.XDP {
		b.check(b.hosts[host].PrepareForXDP("net0"))
	}
}

// TestWait accepts an interface that comes later.
func TestWait(t *testing.T) {
	b := newBench(t, 2)
	b.check(b.hub.DeleteLink(port(1)))
	r := b.start(newLinksFile(t, "sw0: {peer: sw1, wait: true}"))
	b.waits(port(1))
	b.plug(0)
	b.awaitPath(0, 1)
	b.awaitList("sw0-sw1 active")
	r.end(syscall.SIGINT)

	b.run("add", port(1), "later0", "--wait")
	b.waits("later0")
	if !b.only().Kept {
		t.Error("a pair that waits is not kept")
	}
}

// TestForeignXDP finds another's XDP program on an interface, which must stay.
func TestForeignXDP(t *testing.T) {
	b := newBench(t, 2)
	b.check(b.hub.AttachXDP(port(0), "foreign"))
	before := b.xdpProgram(port(0))
	for _, datapath := range []string{"xdp", "xdp-generic"} {
		wantOneLine(t, b.try("add", port(0), port(1), "--datapath", datapath), port(0), "foreign")
		wantOneLine(t, b.try("add", port(1), port(0), "--datapath", datapath), port(0), "foreign")
	}
	b.lists()
	b.awaitBare(b.hub, port(1))

	b.run("add", port(0), port(1))
	if pair := b.only(); pair.AToB.Datapath != crossconnect.TC {
		t.Errorf("datapath %s beside another's XDP program, want tc", pair.AToB.Datapath)
	}
	b.awaitPath(0, 1)
	b.awaitPath(1, 0)
	b.run("del", port(0))
	if after := b.xdpProgram(port(0)); after != before || before == 0 {
		t.Errorf("XDP program %d became %d", before, after)
	}
}

func (b *bench) xdpProgram(iface string) uint32 {
	b.t.Helper()
	link, err := b.hub.Link(iface)
	b.check(err)
	return link.Attrs().Xdp.ProgId
}

// TestBadWishes covers what users get wrong: it is said in one line, and
// nothing changes.
func TestBadWishes(t *testing.T) {
	b := newBench(t, 4)
	b.run("add", port(0), port(1))
	r := b.start(newLinksFile(t, "sw3: sw3"))
	b.awaitPath(3, 3)
	before, attached := b.list(), attachments(t, b.hub, port(2))
	for _, test := range []struct {
		args  string
		words []string
	}{
		{"add sw2 nosuch0", []string{"nosuch0"}},
		{"add nosuch0 sw2", []string{"nosuch0"}},
		{"add sw2 sw0", []string{"sw0", "sw1"}},
		{"add sw1 sw2", []string{"sw0", "sw1"}},
		{"add sw2 sw3", []string{"sw3", strconv.Itoa(r.cmd.Process.Pid)}},
		{"add lo sw2", []string{"lo"}},
		{"add sw2 lo", []string{"lo"}},
		{"add sw2 a-name-longer-than-fifteen", []string{"a-name-longer-than-fifteen"}},
		{"add sw2 sw2 --datapath fast", []string{`"fast"`, "xdp-generic"}},
		{"add sw2 sw2 --trial -1s", []string{"--trial", "-1s"}},
		{"add sw2 sw2 --trial soon", []string{"--trial", "soon"}},
		{"add sw2", nil},
		{"add sw2 sw2 sw2", nil},
		{"del sw2", []string{"sw2"}},
		{"del sw0 sw2", []string{"sw0"}},
		{"del sw3", []string{"sw3", strconv.Itoa(r.cmd.Process.Pid)}},
		{"apply", nil},
		{"apply -f /nosuch.yaml", []string{"/nosuch.yaml"}},
		{"run", nil},
		{"run -f /nosuch.yaml", []string{"/nosuch.yaml"}},
		{"confirm", []string{"trial"}},
		{"rollback", []string{"trial"}},
		{"connect", []string{"connect"}},
	} {
		t.Run(test.args, func(t *testing.T) {
			got := finish(t, b.hub, ebpftop(t, append([]string{"xconnect"}, strings.Fields(test.args)...)...))
			wantOneLine(t, got, test.words...)
			if got.status != 1 || got.out != "" {
				t.Errorf("status %d, printed %q", got.status, got.out)
			}
		})
	}
	// Only the frames that awaitPath sent were counted, before.
	if after := b.list(); !reflect.DeepEqual(after, before) {
		t.Errorf("before\n%+v, after\n%+v", before, after)
	}
	if after := attachments(t, b.hub, port(2)); !slices.Equal(after, attached) {
		t.Errorf("attached to %s: %v, was %v", port(2), after, attached)
	}
	r.end(syscall.SIGTERM)
	b.lists("sw0-sw1 active")
}

// TestPairsAreOfTheirNamespace keeps a pair in one namespace and looks in
// another, that has interfaces of the same names and indexes.
func TestPairsAreOfTheirNamespace(t *testing.T) {
	b, other := newBench(t, 2), newBench(t, 2)
	b.run("add", port(0), port(1))
	other.lists()
	other.run("add", port(1), port(0))
	b.run("del", port(0))
	b.lists()
	other.lists("sw1-sw0 active")
	other.awaitPath(0, 1)
}

// TestAddressesStay checks that connecting an interface takes nothing from it
// but its frames.
func TestAddressesStay(t *testing.T) {
	b := newBench(t, 2)
	b.check(b.hub.AddAddress(port(0), "192.0.2.1/24"))
	b.run("add", port(0), port(1))
	b.run("del", port(0))
	b.check(b.hub.Do(func() error {
		link, err := netlink.LinkByName(port(0))
		if err != nil {
			return err
		}
		addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if len(addresses) != 1 || link.Attrs().Promisc != 0 || link.Attrs().Flags&net.FlagUp == 0 {
			t.Errorf("%s has the addresses %v, promiscuity %d, flags %v", port(0), addresses, link.Attrs().Promisc, link.Attrs().Flags)
		}
		return err
	}))
	b.check(b.hosts[0].AddAddress("net0", "192.0.2.2/24"))
	b.check(b.hosts[0].Ping(t.Context(), netip.MustParseAddr("192.0.2.1"), 3))
}
