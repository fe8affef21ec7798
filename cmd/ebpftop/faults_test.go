package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

var (
	kills    = flag.Int("kills", 18, "processes that TestKilledAtRandom kills")
	eachStep = flag.Bool("each-step", false, "kill commands at each of their system calls; needs strace")
	seed     = flag.Uint64("seed", 0, "of the moments of TestKilledAtRandom; 0 is another one each time")
)

// victims is a switch in which processes are killed: sw0 and sw1 are for pairs
// that are kept, sw2 and sw3 for those of a process.
type victims struct {
	*bench
	random *rand.Rand
	kept   []string // as bench.names
	cut    string   // what was done to the last one
}

// TestKilledAtRandom kills processes while they start, change something and
// exit. Whatever they were doing: nothing is left but pairs that are kept whole,
// which work, and the next command does.
func TestKilledAtRandom(t *testing.T) {
	labtest.RequireRoot(t)
	chosen := *seed
	if chosen == 0 {
		chosen = rand.Uint64()
	}
	t.Logf("-seed %d", chosen)
	v := &victims{bench: newBench(t, 4), random: rand.New(rand.NewPCG(chosen, 0))}
	ways := []func(){v.runs, v.changes, v.tries, v.changes, v.looks}
	for _, hook := range allHooks {
		ways = append(ways, func() { v.watches(hook) })
	}
	for i := range *kills {
		ways[i%len(ways)]()
		v.sound()
		if t.Failed() {
			t.Fatalf("kill %d: %s", i+1, v.cut)
		}
	}
	labtest.Report(t, "processes killed", *kills)
}

// within is a random time.
func (v *victims) within(most time.Duration) time.Duration {
	return time.Duration(v.random.Int64N(int64(most)))
}

// killAfter lets a process go on for a time, and kills it.
func (v *victims) killAfter(cmd *exec.Cmd, going time.Duration, what string) {
	v.t.Helper()
	v.cut = fmt.Sprintf("%s %q, killed after %v", what, cmd.Args[1:], going)
	time.Sleep(going) // the random moment
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		v.t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// watches kills stats while it starts, or while it ends.
func (v *victims) watches(hook probes.Hook) {
	v.t.Helper()
	if v.random.IntN(2) == 0 {
		cmd := ebpftop(v.t, "stats", "--hook", string(hook))
		v.check(v.hub.Start(cmd))
		v.killAfter(cmd, v.within(250*time.Millisecond), "starting")
	} else {
		s := openStats(v.t, v.hub, "--hook", string(hook))
		v.check(s.cmd.Process.Signal(syscall.SIGTERM))
		v.killAfter(s.cmd, v.within(30*time.Millisecond), "ending")
	}
	if hook == probes.HookClsact && tcHook != probes.HookClsact {
		v.clean()
	}
}

// clean has the next start remove filters, which have no link.
func (v *victims) clean() {
	v.t.Helper()
	if got := finish(v.t, v.hub, ebpftop(v.t, "stats", "--count", "1", "--interval", "50ms")); got.status != 0 {
		v.t.Error(got.errOut)
	}
}

// runs kills run while it starts, while its file changes, or while it ends.
func (v *victims) runs() {
	v.t.Helper()
	file := newLinksFile(v.t, "sw2: sw3")
	cmd := ebpftop(v.t, "xconnect", "run", "-f", file.path)
	v.check(v.hub.Start(cmd))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				links := []string{"sw2: sw2", "sw2: {peer: sw3, datapath: xdp-generic}", "sw3: sw3", "sw2: sw3"}
				file.swap(links[i%len(links)])
			}
		}
	}()
	what := "running"
	going := v.within(500 * time.Millisecond)
	if v.random.IntN(3) == 0 {
		what = "ending"
		time.Sleep(going)
		_ = cmd.Process.Signal(syscall.SIGTERM)
		going = v.within(20 * time.Millisecond)
	}
	v.killAfter(cmd, going, what)
	close(stop)
	<-stopped
}

const keptPair = "sw0-sw1 active"

// changes kills add or del: it is done, or it is not.
func (v *victims) changes() {
	v.t.Helper()
	args, after := []string{"xconnect", "add", port(0), port(1)}, []string{keptPair}
	if len(v.kept) > 0 {
		args, after = []string{"xconnect", "del", port(1)}, nil
	}
	cmd := ebpftop(v.t, args...)
	v.check(v.hub.Start(cmd))
	v.killAfter(cmd, v.within(150*time.Millisecond), "changing")
	if got := v.names(); !slices.Equal(got, v.kept) && !slices.Equal(got, after) {
		v.t.Errorf("pairs %q, want %q or %q", got, v.kept, after)
	} else {
		v.kept = got
	}
}

// tries kills apply --trial: taken back, nothing has changed.
func (v *victims) tries() {
	v.t.Helper()
	file := newLinksFile(v.t, "sw1: sw2", "sw3: sw0")
	cmd := ebpftop(v.t, "xconnect", "apply", "-f", file.path, "--trial", "1m")
	v.check(v.hub.Start(cmd))
	v.killAfter(cmd, v.within(200*time.Millisecond), "trying")
	if slices.ContainsFunc(v.list(), func(s crossconnect.Status) bool { return s.State == crossconnect.Trial }) {
		v.cut += ", on trial"
		v.awaitPath(1, 2)
		v.run("rollback")
	}
}

// looks kills the dashboard while it starts, connects two interfaces, keeps
// them or not, or ends.
func (v *victims) looks() {
	v.t.Helper()
	ptmx, tty, err := pty.Open()
	v.check(err)
	defer ptmx.Close()
	v.check(pty.Setsize(ptmx, &pty.Winsize{Cols: screenWidth, Rows: screenHeight}))
	cmd := ebpftop(v.t, "--interval", "100ms")
	cmd.Env = append(cmd.Env, screenEnvironment...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	v.check(errors.Join(v.hub.Start(cmd), tty.Close()))
	go func() { _, _ = io.Copy(io.Discard, ptmx) }() // until either end is closed
	deadline := time.Now().Add(v.within(1200 * time.Millisecond))
	what := "dashboard"
	if v.random.IntN(4) == 0 {
		what = "dashboard whose terminal vanishes"
	}
	pause := func(most time.Duration) { time.Sleep(min(most, max(0, time.Until(deadline)))) }
	pause(400 * time.Millisecond) // for it to start, more or less
	for _, key := range []string{"a", port(2), enter, port(3), enter, enter, enter, "q", "r"} {
		if time.Now().Before(deadline) {
			_, _ = ptmx.WriteString(key) // fails if it has ended
			pause(60 * time.Millisecond)
		}
	}
	if what != "dashboard" {
		ptmx.Close()
		deadline = time.Now().Add(v.within(50 * time.Millisecond))
	}
	v.killAfter(cmd, max(0, time.Until(deadline)), what)
}

// sound expects the kept pairs to be all there is, and to work.
func (v *victims) sound() {
	v.t.Helper()
	v.noProcess()
	if tcHook == probes.HookClsact {
		v.clean()
	}
	v.lists(v.kept...)
	for i := range v.hosts {
		isKept := len(v.kept) > 0 && i < 2
		var want []string
		promiscuity := 0
		if isKept {
			want, promiscuity = []string{"tcx ingress"}, 1
			if tcHook == probes.HookClsact {
				want = []string{"clsact filter"}
			}
		}
		v.await(func() error {
			got := slices.DeleteFunc(attachments(v.t, v.hub, port(i)), func(what string) bool {
				return what == "clsact" // an empty one does nothing, and may be somebody else's
			})
			link, err := v.hub.Link(port(i))
			if err != nil {
				return err
			}
			if !slices.Equal(got, want) || link.Attrs().Promisc != promiscuity {
				return fmt.Errorf("%s: attached %q, promiscuity %d, want %q, %d (kept: %q); %s",
					port(i), got, link.Attrs().Promisc, want, promiscuity, v.kept, v.cut)
			}
			return nil
		})
	}
	var pinned []string
	for _, folder := range pinFolders(v.t, v.hub) {
		places, err := filepath.Glob(filepath.Join(folder, "ingress-*"))
		v.check(err)
		pinned = append(pinned, places...)
	}
	if len(pinned) != 2*len(v.kept) {
		v.t.Errorf("pinned %q, kept %q", pinned, v.kept)
	}
	if len(v.kept) > 0 {
		v.awaitPath(0, 1)
		v.awaitPath(1, 0)
	} else {
		v.nothingPinned()
	}
}

// noProcess waits until no process is left in the switch: what it started ends
// with the process that was killed.
func (v *victims) noProcess() {
	v.t.Helper()
	var hub unix.Stat_t
	v.check(v.hub.Do(func() error { return unix.Stat("/proc/thread-self/ns/net", &hub) }))
	v.await(func() error {
		namespaces, err := filepath.Glob("/proc/[0-9]*/ns/net")
		if err != nil {
			return err
		}
		for _, path := range namespaces {
			var stat unix.Stat_t
			if unix.Stat(path, &stat) == nil && stat.Ino == hub.Ino { // fails for one that has ended
				return fmt.Errorf("%s is still there; %s", path, v.cut)
			}
		}
		return nil
	})
}

// limited is the command with so many descriptors at most.
func limited(cmd *exec.Cmd, descriptors int) *exec.Cmd {
	cmd.Args = append([]string{"sh", "-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(descriptors), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	return cmd
}

// fewestDescriptors are what Go, and the process at our side, cannot start
// without.
const fewestDescriptors = 12

// TestRefused has the kernel refuse one descriptor after the other, every third unless
// -each-step, of maps, programs, links and sockets: what came before is undone, and one line
// says why.
func TestRefused(t *testing.T) {
	stride := 3
	if *eachStep {
		stride = 1
	}
	for _, test := range []struct {
		args string
		undo string // of what it does when nothing is refused any more
	}{
		{args: "stats --count 1 --interval 50ms"},
		{args: "xconnect add sw0 sw1", undo: "xconnect del sw0"},
		{args: "xconnect add sw0 sw1 --datapath xdp-generic", undo: "xconnect del sw0"},
	} {
		t.Run(test.args, func(t *testing.T) {
			v := &victims{bench: newBench(t, 4)}
			refused := 0
			for descriptors := fewestDescriptors; ; descriptors += stride {
				v.cut = fmt.Sprint(descriptors, " descriptors")
				got := finish(t, v.hub, limited(ebpftop(t, strings.Fields(test.args)...), descriptors))
				if got.status == 0 {
					t.Logf("done with %d descriptors", descriptors)
					break
				}
				refused++
				wantOneLine(t, got)
				v.awaitBare(v.hub, port(0), port(1), port(2), port(3)) // before another command puts it right
				v.sound()
				if t.Failed() {
					t.Fatalf("with %d descriptors", descriptors)
				}
			}
			labtest.Report(t, "descriptors refused", refused)
			if refused < 5 {
				t.Errorf("refused %d times only: the limit is not what it fails of", refused)
			}
			if test.undo != "" {
				if got := finish(t, v.hub, ebpftop(t, strings.Fields(test.undo)...)); got.status != 0 {
					t.Error(got.errOut)
				}
			}
			v.sound()
		})
	}
}

// TestKilledOncePromiscuous kills add as soon as it has made an interface
// promiscuous, which it must have noted before.
func TestKilledOncePromiscuous(t *testing.T) {
	v := &victims{bench: newBench(t, 4)}
	const times = 10
	for i := range times {
		cmd := ebpftop(t, "xconnect", "add", port(0), port(1))
		v.check(v.hub.Start(cmd))
		v.check(v.hub.Do(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			request, err := unix.NewIfreq(port(i % 2))
			if err != nil {
				return err
			}
			for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
				if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
					return err
				}
				if request.Uint16()&unix.IFF_PROMISC != 0 {
					return cmd.Process.Kill()
				}
			}
			return errors.New("it does not become promiscuous")
		}))
		_ = cmd.Wait() // it was killed
		v.cut = "adding, killed once promiscuous"
		v.kept = v.names()
		v.sound()
		if t.Failed() {
			return
		}
		if len(v.kept) > 0 {
			v.run("del", port(0))
			v.kept = nil
		}
	}
	labtest.Report(t, "processes killed", times)
}
