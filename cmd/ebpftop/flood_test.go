package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

var floodTime = flag.Duration("flood", 3*time.Second, "how long each of the floods lasts")

// counted is what the totals of an object say.
type counted struct {
	frames, udp, tcp, connections uint64
}

func (s *stats) counted(o sample) counted {
	s.t.Helper()
	got := counted{connections: uint64(len(o.Connections)) + o.Lost.ConnectionsEvicted + o.Lost.ConnectionsEnded}
	var object struct{ Protocols []probes.Protocol }
	s.decode(&object)
	for _, p := range object.Protocols {
		switch p.Name {
		case "udp":
			got.udp = p.Packets
		case "tcp":
			got.tcp = p.Packets
		}
		got.frames += p.Packets
	}
	return got
}

// TestFlood has new connections come as fast as they can be sent. Every frame
// counts, and every connection is there, evicted, announced or counted as lost.
func TestFlood(t *testing.T) {
	const tableSize = 20000
	host, peer := pair(t)
	s := openStats(t, host, "--hook", string(tcHook), "--interval", "500ms", "--max-connections", strconv.Itoa(tableSize))
	table := ebpftop(t, "stats", "--hook", string(tcHook), "--interval", "500ms")
	printed := firstWrite{came: make(chan struct{})}
	table.Stdout = &printed
	if err := host.Start(table); err != nil {
		t.Fatal(err)
	}
	printed.await(t)
	start := time.Now()
	n := flooding(t, peer)
	n.overrun(t, table.Process)
	for time.Since(start) < *floodTime {
		s.next()
	}
	sent := n.end(t)
	t.Logf("%.0f new connections a second", float64(sent)/time.Since(start).Seconds())

	s.until(func(o sample) bool { return s.counted(o).frames >= sent })
	o := s.next()
	if got, want := s.counted(o), (counted{sent, (sent + 1) / 2, sent / 2, sent}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	expectFull(t, o, tableSize)
	s.stop(syscall.SIGTERM)

	if err := table.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status(t, table.Wait()) != 0 {
		t.Error("the table ended with an error")
	}
	announced, lost := told(t, printed.text.String())
	if announced+lost != sent || lost == 0 {
		t.Errorf("%d announced, %d lost, want %d together", announced, lost, sent)
	}
	t.Logf("%d announced, %d lost", announced, lost)
	labtest.Report(t, "new connections", int(sent))
}

// expectFull looks for as many rows of IPv4 and of IPv6 as have room, or most of
// them: the kernel evicts some before it must.
func expectFull(t *testing.T, o sample, size int) {
	t.Helper()
	ipv6 := 0
	for _, c := range o.Connections {
		if strings.HasPrefix(c.Remote, "[") {
			ipv6++
		}
	}
	ipv4 := len(o.Connections) - ipv6
	t.Logf("%d rows of IPv4, %d of IPv6, lost %+v", ipv4, ipv6, o.Lost)
	for _, rows := range []int{ipv4, ipv6} {
		if rows < size/2 || rows > size {
			t.Errorf("%d rows of IPv4, %d of IPv6: there is room for %d", ipv4, ipv6, size)
		}
	}
}

// firstWrite is a buffer whose first bytes can be awaited.
type firstWrite struct {
	text bytes.Buffer
	once sync.Once
	came chan struct{}
}

func (w *firstWrite) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.came) })
	return w.text.Write(p)
}

func (w *firstWrite) await(t *testing.T) {
	t.Helper()
	select {
	case <-w.came:
	case <-time.After(patience):
		t.Fatal("nothing is printed")
	}
}

var toldLine = regexp.MustCompile(`(\d+) new;.* lost (\d+) connection`)

// told is how many connections the table announced in all, and lost.
func told(t *testing.T, text string) (announced, lost uint64) {
	t.Helper()
	for _, found := range toldLine.FindAllStringSubmatch(text, -1) {
		fresh, err := strconv.ParseUint(found[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		announced += fresh
		if lost, err = strconv.ParseUint(found[2], 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return announced, lost
}

// What a key may take while everything is busy. The median is what is asked for;
// what nine of ten take is generous, for the machine is busy with the flood, too.
const (
	keyMedian = 100 * time.Millisecond
	keyMost   = time.Second
	// mostCPU is of one CPU, the same that a flood at a rate without end may
	// cost: the screen sorts 131,072 rows twice a second.
	mostCPU = 0.9
)

// TestScreenUnderFlood presses keys while new connections flood in.
func TestScreenUnderFlood(t *testing.T) {
	host, peer := pair(t)
	s := openDashboard(t, host)
	n := flooding(t, peer)
	s.keysAnswer(*floodTime)
	n.overrun(t, s.cmd.Process)
	s.awaitText("that events are lost", regexp.MustCompile(`lost [1-9]`).MatchString)
	t.Logf("%d new connections", n.end(t))
	s.press("q")
	s.ended(0)
	awaitNothing(t, host)
}

func openDashboard(t *testing.T, host *lab.Namespace, args ...string) *screen {
	t.Helper()
	cmd := ebpftop(t, args...)
	cmd.Env = append(cmd.Env, screenEnvironment...)
	s := openScreen(t, host, cmd)
	s.await("the interface", "host0")
	return s
}

// keysAnswer presses keys, and expects an answer in time. Should the machine do
// something else just then, it gets another chance.
func (s *screen) keysAnswer(going time.Duration) {
	s.t.Helper()
	const chances = 3
	for range chances {
		took, cpu := s.pressKeys(going)
		median, most := took[len(took)/2], took[len(took)*9/10]
		s.t.Logf("%d keys: median %v, 90 %% %v, worst %v; %.0f %% of a CPU", len(took), median, most, took[len(took)-1], 100*cpu)
		if median <= keyMedian && most <= keyMost && cpu <= mostCPU {
			return
		}
	}
	s.t.Errorf("want a median of %v, 90 %% in %v, %.0f %% of a CPU", keyMedian, keyMost, 100*mostCPU)
}

// pressKeys opens and closes the help again and again. It returns what a key took,
// in order, and how much of a CPU the process did.
func (s *screen) pressKeys(going time.Duration) (took []time.Duration, cpu float64) {
	s.t.Helper()
	before := cpuTime(s.t, s.cmd.Process.Pid)
	start := time.Now()
	for time.Since(start) < going {
		pressed := time.Now()
		s.press("?")
		s.await("the help", "esc or ? to go back")
		took = append(took, time.Since(pressed))
		pressed = time.Now()
		s.press("?")
		s.awaitNo("esc or ? to go back")
		took = append(took, time.Since(pressed))
		time.Sleep(50 * time.Millisecond) // as fast as nobody types
	}
	slices.Sort(took)
	return took, (cpuTime(s.t, s.cmd.Process.Pid) - before).Seconds() / time.Since(start).Seconds()
}

// cpuTime is what a process has taken so far.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	if errUser != nil || errSystem != nil {
		t.Fatalf("%s: %v, %v", stat, errUser, errSystem)
	}
	return time.Duration(user+system) * time.Second / 100 // USER_HZ
}

// TestTerminalVanishes closes the terminal while it is drawn on: the dashboard
// ends by itself.
func TestTerminalVanishes(t *testing.T) {
	host, peer := pair(t)
	s := openDashboard(t, host)
	flooding(t, peer)
	s.awaitTick()
	if err := s.PTMX.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	t.Logf("ended with %v, said %q", s.err, s.errOut.String())
	awaitNothing(t, host)
}
