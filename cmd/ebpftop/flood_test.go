package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
)

var (
	floodTime = flag.Duration("flood", 3*time.Second, "how long each of the floods lasts")
	soakTime  = flag.Duration("soak", 10*time.Second, "how long TestSoak looks at memory")
	veths     = flag.Int("veths", 70, "interfaces that TestNoLeak makes and removes")
)

// newcomers sends frames that are each the first of a connection: UDP and SYN
// in turns, from addresses and ports that look random and never come twice.
type newcomers struct {
	sent   atomic.Uint64
	err    error
	cancel context.CancelFunc
	done   chan struct{}
}

func flooding(t *testing.T, peer *lab.Namespace) *newcomers {
	t.Helper()
	wire, err := peer.Open("peer0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := &newcomers{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		defer wire.Close()
		udp := udpFrame(t, 4000)
		udp[40], udp[41] = 0, 0 // no checksum
		syn := append(slices.Clone(udp[:34]), make([]byte, 20)...)
		binary.BigEndian.PutUint16(syn[16:], 40) // IP length
		syn[23] = syscall.IPPROTO_TCP
		syn[36], syn[37] = 0, 80
		syn[46], syn[47] = 5<<4, 0x02
		for i := uint32(0); ctx.Err() == nil; i++ {
			frame := udp
			if i%2 == 1 {
				frame = syn
			}
			scattered := i * 2654435761 // odd: no two are alike
			binary.BigEndian.PutUint32(frame[26:], scattered)
			binary.BigEndian.PutUint16(frame[34:], uint16(scattered>>7)|1)
			if n.err = wire.Send(frame); n.err != nil {
				return
			}
			n.sent.Add(1)
		}
	}()
	t.Cleanup(func() { n.cancel(); <-n.done })
	return n
}

// end returns how many frames were sent.
func (n *newcomers) end(t *testing.T) uint64 {
	t.Helper()
	n.cancel()
	<-n.done
	if n.err != nil {
		t.Fatal(n.err)
	}
	return n.sent.Load()
}

// overrun stops a process until there were more connections than it can be told
// of at a time.
func (n *newcomers) overrun(t *testing.T, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const events = 200_000
	for before := n.sent.Load(); n.sent.Load() < before+events; time.Sleep(time.Millisecond) {
		select {
		case <-n.done:
			t.Fatal(n.err)
		default:
		}
	}
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// TestFlood has new connections come as fast as they can be sent. Every frame
// counts, and every connection is there, evicted, announced or counted as lost.
func TestFlood(t *testing.T) {
	host, peer := pair(t)
	s := openStats(t, host, "--interval", "500ms", "--max-connections", "20000")
	table := ebpftop(t, "stats", "--interval", "500ms")
	var printed bytes.Buffer
	table.Stdout = &printed
	if err := host.Start(table); err != nil {
		t.Fatal(err)
	}
	awaitWatched(t, host, 2)
	start := time.Now()
	n := flooding(t, peer)
	n.overrun(t, table.Process)
	for time.Since(start) < *floodTime {
		s.next()
	}
	sent := n.end(t)
	seconds := time.Since(start).Seconds()

	type counted struct {
		frames, udp, tcp, connections uint64
	}
	var got counted
	s.until(func(o sample) bool {
		got = counted{connections: uint64(len(o.Connections)) + o.Lost.ConnectionsEvicted}
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
		return got.frames >= sent
	})
	o := s.next()
	got.connections = uint64(len(o.Connections)) + o.Lost.ConnectionsEvicted
	if want := (counted{sent, (sent + 1) / 2, sent / 2, sent}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	t.Logf("%.0f new connections a second; %d rows, lost %+v", float64(sent)/seconds, len(o.Connections), o.Lost)
	s.stop(syscall.SIGTERM)

	if err := table.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status(t, table.Wait()) != 0 {
		t.Error("the table ended with an error")
	}
	announced, lost := told(t, printed.String())
	if announced+lost != sent || lost == 0 {
		t.Errorf("%d announced, %d lost, want %d together", announced, lost, sent)
	}
	t.Logf("%d announced, %d lost", announced, lost)
}

// awaitWatched waits until so many programs look at what host0 receives.
func awaitWatched(t *testing.T, host *lab.Namespace, count int) {
	t.Helper()
	for deadline := time.Now().Add(patience); programsOn(t, host) < count; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d programs look at host0, want %d", programsOn(t, host), count)
		}
	}
}

// programsOn counts them.
func programsOn(t *testing.T, host *lab.Namespace) (count int) {
	t.Helper()
	link, err := host.Link("host0")
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Do(func() error {
		if result, err := bpflink.QueryPrograms(bpflink.QueryOptions{Target: link.Attrs().Index, Attach: ebpf.AttachTCXIngress}); err == nil {
			count = len(result.Programs)
			return nil
		}
		filters, err := netlink.FilterList(link, netlink.HANDLE_MIN_INGRESS) // before Linux 6.6
		count = len(filters)
		if err != nil {
			count = 0 // there is no qdisc yet
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return count
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

// What a key may take while everything is busy. The median is what is asked
// for; the worst is generous, for the machine is busy with the flood, too.
const (
	keyMedian = 100 * time.Millisecond
	keyWorst  = time.Second
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

func openDashboard(t *testing.T, host *lab.Namespace) *screen {
	t.Helper()
	cmd := ebpftop(t)
	cmd.Env = append(cmd.Env, screenEnvironment...)
	s := openScreen(t, host, cmd)
	s.await("the interface", "host0")
	return s
}

// keysAnswer opens and closes the help again and again.
func (s *screen) keysAnswer(going time.Duration) {
	s.t.Helper()
	var took []time.Duration
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
	cpu := (cpuTime(s.t, s.cmd.Process.Pid) - before).Seconds() / time.Since(start).Seconds()
	slices.Sort(took)
	median, worst := took[len(took)/2], took[len(took)-1]
	s.t.Logf("%d keys: median %v, 99 %% %v, worst %v; %.0f %% of a CPU", len(took), median, took[len(took)*99/100], worst, 100*cpu)
	if median > keyMedian || worst > keyWorst {
		s.t.Errorf("a key takes %v at the median, %v at worst; want %v, %v", median, worst, keyMedian, keyWorst)
	}
	if cpu > mostCPU {
		s.t.Errorf("it takes %.0f %% of a CPU, want %.0f %% at most", 100*cpu, 100*mostCPU)
	}
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

// shortest is a program that does nothing but end.
func shortest(t *testing.T) string {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		return "/bin/true"
	}
	// ELF header, one segment, and: mov $60, %eax; xor %edi, %edi; syscall.
	code := []byte{0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}
	const base, headers = 0x400000, 64 + 56
	var elf []byte
	elf = append(elf, 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	put := binary.LittleEndian
	elf = put.AppendUint16(put.AppendUint16(elf, 2), 62) // an executable, x86-64
	elf = put.AppendUint32(elf, 1)
	elf = put.AppendUint64(elf, base+headers) // entry
	elf = put.AppendUint64(elf, 64)           // where the segments are described
	elf = put.AppendUint64(elf, 0)
	elf = put.AppendUint32(elf, 0)
	for _, size := range []uint16{64, 56, 1, 0, 0, 0} {
		elf = put.AppendUint16(elf, size)
	}
	elf = put.AppendUint32(put.AppendUint32(elf, 1), 5) // load it, to read and execute
	size := uint64(headers + len(code))
	for _, word := range []uint64{0, base, base, size, size, 0x1000} {
		elf = put.AppendUint64(elf, word)
	}
	path := filepath.Join(t.TempDir(), "shortest")
	if err := os.WriteFile(path, append(elf, code...), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

const programsASecond = 2000

// executing runs a program that often, or as often as it can, until the returned
// function is called, which tells how often that was.
func executing(t *testing.T, path string) (end func() int) {
	t.Helper()
	quit, done := make(chan struct{}), make(chan struct{})
	runs := 0
	var failed error
	go func() {
		defer close(done)
		for start := time.Now(); failed == nil; runs++ {
			select {
			case <-quit:
				return
			case <-time.After(time.Until(start.Add(time.Duration(runs) * time.Second / programsASecond))):
				failed = (&exec.Cmd{Path: path, Args: []string{path}}).Run()
			}
		}
	}()
	stopped := false
	stop := func() int {
		if !stopped {
			stopped = true
			close(quit)
		}
		<-done
		if failed != nil {
			t.Error(failed)
		}
		return runs
	}
	t.Cleanup(func() { stop() })
	return stop
}

// TestProgramsFlood counts thousands of short programs a second.
func TestProgramsFlood(t *testing.T) {
	host, _ := pair(t)
	path := shortest(t)
	s := openStats(t, host)
	before := s.next()
	end := executing(t, path)
	own := 0
	see := func(o sample) {
		for _, e := range o.Execs.Events {
			if e.Filename == path {
				own++
			}
		}
	}
	start := time.Now()
	for time.Since(start) < *floodTime {
		see(s.next())
	}
	runs := end()
	seconds := time.Since(start).Seconds()
	see(s.next())
	o := s.next()
	see(o)
	total, lost := o.Execs.Total-before.Execs.Total, int(o.Lost.ExecEvents-before.Lost.ExecEvents)
	t.Logf("%d programs, %.0f a second; %d counted, %d told of, %d lost", runs, float64(runs)/seconds, total, own, lost)
	// Others execute programs, too.
	if total < uint64(runs) || own > runs || own+lost < runs {
		t.Errorf("of %d programs, %d were counted, %d told of, %d lost", runs, total, own, lost)
	}
	s.stop(syscall.SIGTERM)
}

// TestScreenUnderPrograms presses keys meanwhile.
func TestScreenUnderPrograms(t *testing.T) {
	host, _ := pair(t)
	s := openDashboard(t, host)
	end := executing(t, shortest(t))
	s.keysAnswer(*floodTime)
	t.Logf("%d programs", end())
	s.press("q")
	s.ended(0)
}

// TestTerminalVanishes closes the terminal while it is drawn on: the dashboard
// ends by itself.
func TestTerminalVanishes(t *testing.T) {
	host, peer := pair(t)
	s := openDashboard(t, host)
	flooding(t, peer)
	s.awaitTick()
	if err := s.ptmx.Close(); err != nil {
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
