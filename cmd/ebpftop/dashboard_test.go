package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/cilium/ebpf"
	"github.com/creack/pty"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// The keys that are no letters.
const (
	enter     = "\r"
	escape    = "\x1b"
	tab       = "\t"
	backspace = "\x7f"
	right     = "\x1b[C"
)

const (
	screenWidth, screenHeight = 200, 50
	shortTrial                = 10 * time.Second // the shortest of the form
)

var screenEnvironment = []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8"}

// screen is a terminal with a command on it.
type screen struct {
	t      *testing.T
	cmd    *exec.Cmd
	errOut bytes.Buffer
	ptmx   *os.File
	emu    *vt.SafeEmulator
	exited chan struct{} // with err
	err    error

	mu      sync.Mutex
	changed chan struct{} // closed at the next output
	last    time.Time     // of the output
}

func openScreen(t *testing.T, in *lab.Namespace, cmd *exec.Cmd) *screen {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	if err := pty.Setsize(ptmx, &pty.Winsize{Cols: screenWidth, Rows: screenHeight}); err != nil {
		t.Fatal(err)
	}
	s := &screen{
		t: t, cmd: cmd, ptmx: ptmx, emu: vt.NewSafeEmulator(screenWidth, screenHeight),
		exited: make(chan struct{}), changed: make(chan struct{}),
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, &s.errOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := in.Start(cmd); err != nil {
		t.Fatal(err)
	}
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		s.look()
	}()
	go func() { _, _ = io.Copy(ptmx, s.emu) }() // its replies to queries
	go func() {
		defer close(s.exited)
		s.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails if it ended, as it should
		<-s.exited
		ptmx.Close()
		<-looked
		// Emulator.Close races with Read; the end of what is read does not.
		if pipe, ok := s.emu.InputPipe().(io.Closer); ok {
			pipe.Close()
		}
	})
	return s
}

// look feeds the emulator.
func (s *screen) look() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := s.ptmx.Read(buffer)
		if err != nil {
			return // closed at one end or the other
		}
		_, _ = s.emu.Write(buffer[:n])
		s.mu.Lock()
		s.last = time.Now()
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
	}
}

func (s *screen) lastOutput() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// text is what one sees, without colours.
func (s *screen) text() string { return ansi.Strip(s.emu.Render()) }

func (s *screen) shows(words string) bool { return strings.Contains(s.text(), words) }

func (s *screen) press(keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		if _, err := s.ptmx.WriteString(key); err != nil {
			s.t.Fatal(err)
		}
	}
}

// awaitText looks at the screen after every output until it is as it should.
func (s *screen) awaitText(what string, fits func(text string) bool) string {
	s.t.Helper()
	timeout := time.After(patience)
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		text := s.text()
		if fits(text) {
			return text
		}
		select {
		case <-changed:
		case <-s.exited:
			s.t.Fatalf("%s: ended with %v, said %q. The screen:\n%s", what, s.err, s.errOut.String(), s.text())
		case <-timeout:
			s.t.Fatalf("%s: not seen. The screen:\n%s", what, s.text())
		}
	}
}

// await waits until the screen shows all the words.
func (s *screen) await(what string, words ...string) string {
	s.t.Helper()
	return s.awaitText(what, func(text string) bool { return containsAll(text, words) })
}

func (s *screen) awaitNo(words string) {
	s.t.Helper()
	s.awaitText("no "+words, func(text string) bool { return !strings.Contains(text, words) })
}

// awaitLine waits until one line of the screen shows all the words.
func (s *screen) awaitLine(words ...string) {
	s.t.Helper()
	s.awaitText("a line with "+strings.Join(words, ", "), func(text string) bool {
		return slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool { return containsAll(line, words) })
	})
}

func containsAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}

var clock = regexp.MustCompile(`\d\d:\d\d:\d\d`)

// awaitTick waits until the clock in the first line goes on.
func (s *screen) awaitTick() {
	s.t.Helper()
	now := func(text string) string {
		line, _, _ := strings.Cut(text, "\n")
		return clock.FindString(line)
	}
	before := now(s.text())
	s.awaitText("the next second", func(text string) bool { return now(text) != "" && now(text) != before })
}

// ended waits for the end of the command.
func (s *screen) ended(want int) {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.t.Fatalf("does not end. The screen:\n%s", s.text())
	}
	if got := status(s.t, s.err); got != want || s.errOut.Len() > 0 {
		s.t.Fatalf("ended with status %d, want %d, said %q. The screen:\n%s", got, want, s.errOut.String(), s.text())
	}
}

// form is what to fill in to connect two interfaces.
type form struct {
	a, b     string
	datapath crossconnect.Datapath // both ways, empty is auto
	keep     bool
	trial    time.Duration
}

// fill opens the form and fills it in, up to what would happen.
func (s *screen) fill(f form) {
	s.t.Helper()
	s.press("a")
	s.refill(f)
}

// refill fills in the form that is open.
func (s *screen) refill(f form) {
	s.t.Helper()
	s.await("the form", "step 1 of 2")
	s.press(f.a, enter, f.b, enter)
	way := strings.Repeat(right, max(0, slices.Index([]crossconnect.Datapath{
		crossconnect.Auto, crossconnect.XDP, crossconnect.XDPGeneric, crossconnect.TC,
	}, f.datapath)))
	s.press(way, tab, way, tab)
	if f.keep {
		s.press(right)
	}
	s.press(tab)
	if f.trial == shortTrial {
		s.press(right)
	}
	s.press(enter)
	s.await("the review", "step 2 of 2")
}

// dashboard opens the dashboard in the switch, and waits until it knows the
// interfaces.
func (b *bench) dashboard(args ...string) *screen {
	b.t.Helper()
	cmd := ebpftop(b.t, append([]string{"--interval", "100ms"}, args...)...)
	cmd.Env = append(cmd.Env, screenEnvironment...)
	s := openScreen(b.t, b.hub, cmd)
	var ports []string
	for i := range b.hosts {
		ports = append(ports, port(i))
	}
	s.await("the interfaces", ports...)
	return s
}

// connect connects two ports of the switch from the keyboard.
func (s *screen) connect(f form) {
	s.t.Helper()
	s.fill(f)
	s.press(enter)
	s.awaitNo("step 2 of 2")
}

// TestKeyboard connects hosts, disconnects them, and changes its mind.
func TestKeyboard(t *testing.T) {
	b := newBench(t, 3)
	for i, host := range b.hosts {
		b.check(host.AddAddress("net0", address(i).String()+"/24"))
	}
	s := b.dashboard()
	s.await("no pairs", "none: a connects two")
	s.connect(form{a: port(0), b: port(1)})
	s.awaitLine("sw0 <-> sw1", "active", "tc/tc", "screen")
	b.check(b.hosts[0].Ping(t.Context(), address(1), 10))

	s.press("d")
	s.await("a question", "Remove sw0 <-> sw1?")
	s.press("y")
	s.await("no pairs", "none: a connects two")
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

// received are the frames that came in by an interface: all, those of UDP, and
// those of connections.
type received struct{ frames, udp, connections uint64 }

func (s *stats) received(iface string) (got received) {
	s.t.Helper()
	var object struct {
		Interfaces  []probes.Interface
		Protocols   []probes.Protocol
		Connections []struct {
			Interface string `json:"interface"`
			RXPackets uint64 `json:"rx_packets"`
		}
	}
	s.decode(&object)
	for _, i := range object.Interfaces {
		if i.Name == iface {
			got.frames = i.RXPackets
		}
	}
	for _, p := range object.Protocols {
		if p.Interface == iface && p.Direction == probes.RX && p.Name == "udp" {
			got.udp = p.Packets
		}
	}
	for _, c := range object.Connections {
		if c.Interface == iface {
			got.connections += c.RXPackets
		}
	}
	return got
}

// decode reads the last object.
func (s *stats) decode(object any) {
	s.t.Helper()
	if err := json.Unmarshal(s.lines.Bytes(), object); err != nil {
		s.t.Fatal(err)
	}
}

// awaitReceived waits until so many frames of UDP were counted, and expects
// them everywhere.
func (s *stats) awaitReceived(iface string, count uint64) {
	s.t.Helper()
	s.until(func(sample) bool { return s.received(iface).udp >= count })
	s.next()
	if got, want := s.received(iface), (received{count, count, count}); got != want {
		s.t.Errorf("received by %s: %+v, want %+v", iface, got, want)
	}
}

// errHook says what the next object has of an interface, if it is not on that
// hook, or gives another reason.
func (s *stats) errHook(iface string, want probes.Hook, reason string) error {
	s.t.Helper()
	s.next()
	var object struct{ Interfaces []probes.Interface }
	s.decode(&object)
	for _, i := range object.Interfaces {
		if i.Name == iface && i.Hook == want && strings.Contains(i.HookReason, reason) {
			return nil
		}
	}
	return fmt.Errorf("want %s on hook %s, reason %q: %+v", iface, want, reason, object.Interfaces)
}

// sendUDP sends frames from host 1, and expects all at host 0.
func (b *bench) sendUDP(count int) {
	b.t.Helper()
	frame := udpFrame(b.t, 4000)
	for range count {
		b.check(b.wires[1].Send(frame))
	}
	for i := range count {
		got, err := b.wires[0].Receive(time.Now().Add(patience))
		if err != nil || !bytes.Equal(got, frame) {
			b.t.Fatalf("frame %d of %d: %v, received %x", i+1, count, err, got)
		}
	}
}

// xdpName is what the XDP program on an interface is called.
func (b *bench) xdpName(iface string) string {
	b.t.Helper()
	program, err := ebpf.NewProgramFromID(ebpf.ProgramID(b.xdpProgram(iface)))
	b.check(err)
	defer program.Close()
	info, err := program.Info()
	b.check(err)
	return info.Name
}

// TestKeptPairIsWatched counts what a pair redirects that was there before, and
// is there after.
func TestKeptPairIsWatched(t *testing.T) {
	onVeths(t, 2, func(b *bench, datapath crossconnect.Datapath) {
		const count = 2000
		b.run("add", port(0), port(1), "--datapath", string(datapath))
		before := attachments(b.t, b.hub, port(1))
		sent := b.startStream()
		sent.goesOn()
		s := openStats(b.t, b.hub)
		b.sendUDP(count)
		s.awaitReceived(port(1), count)
		var object struct {
			Pairs []crossconnect.Status `json:"cross_connects"`
		}
		s.decode(&object)
		if len(object.Pairs) != 1 || object.Pairs[0].BToA.Packets != count {
			b.t.Errorf("pairs %+v, want one that redirected %d frames", object.Pairs, count)
		}
		if status := s.stop(syscall.SIGTERM); status != 0 || s.errOut.Len() > 0 {
			b.t.Errorf("status %d, %s", status, s.errOut.String())
		}
		sent.goesOn()
		b.sendUDP(count)
		sent.end()
		b.awaitAttached(port(1), before)
		b.lists("sw0-sw1 active")
		if pair := b.only(); pair.BToA.Packets != 2*count || pair.AToB.Dropped+pair.BToA.Dropped != 0 {
			b.t.Errorf("pair %+v, want %d frames redirected", pair, 2*count)
		}
	})
}

func (b *bench) awaitAttached(iface string, want []string) {
	b.t.Helper()
	b.await(func() error {
		if got := attachments(b.t, b.hub, iface); !slices.Equal(got, want) {
			return fmt.Errorf("attached to %s: %v, want %v", iface, got, want)
		}
		if slices.Contains(want, "xdp") && b.xdpName(iface) != "connect_xdp" {
			return fmt.Errorf("program %s on %s, want connect_xdp", b.xdpName(iface), iface)
		}
		return nil
	})
}

// TestWatcherIsKilled leaves a kept pair with the program of a process that was
// killed. It goes on as if nothing had been, and the next process clears up.
func TestWatcherIsKilled(t *testing.T) {
	for name, next := range map[string]func(b *bench){
		"add":  func(b *bench) { b.run("add", port(2), port(3)) },
		"list": func(b *bench) { b.lists("sw0-sw1 active") },
		"start": func(b *bench) {
			s := openStats(b.t, b.hub)
			b.sendUDP(100)
			s.awaitReceived(port(1), 100)
			s.stop(syscall.SIGTERM)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onVeths(t, 4, func(b *bench, datapath crossconnect.Datapath) {
				b.run("add", port(0), port(1), "--datapath", string(datapath))
				before := attachments(b.t, b.hub, port(1))
				s := openStats(b.t, b.hub)
				sent := b.startStream()
				sent.goesOn()
				s.stop(syscall.SIGKILL)
				sent.goesOn()
				if datapath == crossconnect.XDP && b.xdpName(port(1)) != "xdp_rx" {
					b.t.Errorf("program %s is left, want the one that counts", b.xdpName(port(1)))
				}
				next(b)
				b.awaitAttached(port(1), before)
				b.awaitAttached(port(0), before)
				sent.goesOn()
				sent.end()
				b.run("del", port(0))
				b.awaitBare(b.hub, port(0), port(1))
			})
		})
	}
}

// TestTwoWatchers has two processes count on what becomes a pair. In the place
// of its XDP program there is room for one: the other forgets nothing, and takes
// over.
func TestTwoWatchers(t *testing.T) {
	const count = 500
	b := newBench(t, 2)
	b.prepare(crossconnect.XDP)
	watcher, other := openStats(t, b.hub), openStats(t, b.hub)
	b.check(b.wires[1].Send(slices.Repeat([][]byte{udpFrame(t, 4000)}, count)...))
	watcher.awaitReceived(port(1), count)
	other.awaitReceived(port(1), count)

	b.run("add", port(0), port(1), "--datapath", "xdp")
	b.await(func() error {
		watcher, other = other, watcher
		return watcher.errHook(port(1), probes.HookXDP, "")
	})
	b.sendUDP(count)
	watcher.awaitReceived(port(1), 2*count)
	other.awaitReceived(port(1), count)
	watchedBy := fmt.Sprint("watched by process ", watcher.cmd.Process.Pid)
	b.check(other.errHook(port(1), tcHook, watchedBy))

	watcher.stop(syscall.SIGTERM)
	b.await(func() error { return other.errHook(port(1), probes.HookXDP, "") })
	b.sendUDP(count)
	other.awaitReceived(port(1), 2*count)
	b.run("del", port(1))
	b.await(func() error { return other.errHook(port(1), tcHook, "") })
	b.check(b.wires[1].Send(slices.Repeat([][]byte{udpFrame(t, 4000)}, count)...))
	other.awaitReceived(port(1), 3*count)
}

// TestChangesBesideWatcher changes what is kept while another process looks.
func TestChangesBesideWatcher(t *testing.T) {
	b := newBench(t, 2)
	s := openStats(t, b.hub, "--interval", "50ms")
	for range 50 {
		b.run("add", port(0), port(1))
		b.run("del", port(0))
	}
	s.stop(syscall.SIGTERM)
	b.awaitBare(b.hub, port(0), port(1))
	b.nothingPinned()
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
	file := newLinksFile(t, "sw0: sw1", "sw2: missing0")
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
	file.swap("sw0: sw1", "sw2: missing0")
	s.await("what is wrong", "links.yaml:3", "missing0", "the last good links")
	s.awaitLine("sw0 <-> sw1", "active", "file")
	sent.goesOn()

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
	s.await("no pairs", "none: a connects two")
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
