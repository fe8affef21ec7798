package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

var veths = flag.Int("veths", 70, "how often the tests of leaks make and remove an interface")

// possessions are what a process has: descriptors by kind (maps, programs and
// links among them), maps in its memory, goroutines, threads, and memory in KiB.
type possessions struct {
	descriptors map[string]int
	mapped      int
	goroutines  int
	threads     int
	memory      int
}

var descriptorNumber = regexp.MustCompile(`:\[\d+\]$`)

func (p *openBook) possessions(t *testing.T) possessions {
	t.Helper()
	pid := p.cmd.Process.Pid
	has := possessions{
		descriptors: make(map[string]int),
		goroutines:  p.goroutines(t),
		threads:     statusOf(t, pid, "Threads"),
		memory:      statusOf(t, pid, "VmRSS"),
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		t.Fatalf("descriptors of %d: %d, %v", pid, len(links), err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil { // closed meanwhile
			has.descriptors[descriptorNumber.ReplaceAllString(target, "")]++
		}
	}
	mappings, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	has.mapped = strings.Count(string(mappings), "anon_inode:bpf-map")
	return has
}

// openBook is the command, which tells what only it knows.
type openBook struct {
	cmd  *exec.Cmd
	told *os.File
}

// newOpenBook is for a command that is not yet started.
func newOpenBook(t *testing.T, cmd *exec.Cmd) *openBook {
	t.Helper()
	told, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { told.Close(); tell.Close() })
	cmd.ExtraFiles = []*os.File{tell}
	cmd.Env = append(cmd.Env, goroutinesVariable+"=1")
	return &openBook{cmd: cmd, told: told}
}

// goroutines asks for their number.
func (p *openBook) goroutines(t *testing.T) (count int) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if err := p.told.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanln(p.told, &count); err != nil {
		t.Fatal(err)
	}
	return count
}

// goroutinesVariable makes the command an open book.
const goroutinesVariable = "EBPFTOP_TEST_GOROUTINES"

// tellGoroutines is the other side of goroutines.
func tellGoroutines() {
	if os.Getenv(goroutinesVariable) == "" {
		return
	}
	_ = os.Unsetenv(goroutinesVariable) // of the inspector, that descriptor is another one
	tell, asked := os.NewFile(3, "goroutines"), make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	go func() {
		for range asked {
			fmt.Fprintln(tell, runtime.NumGoroutine())
		}
	}()
}

// readsVariable makes the command tell, when asked, whether it reads any file.
const readsVariable = "EBPFTOP_TEST_READS"

func tellReads() {
	if os.Getenv(readsVariable) == "" {
		return
	}
	_ = os.Unsetenv(readsVariable)
	tell, asked := os.NewFile(3, "reads"), make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			_, err := os.ReadFile("/etc/passwd")
			fmt.Fprintln(tell, errors.Is(err, os.ErrPermission))
		}
	}()
}

// statusWord is the first word of a line of /proc/PID/status, empty if there is none.
func statusWord(pid int, name string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // may have ended
	_, after, _ := strings.Cut(string(text), "\n"+name+":")
	word, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	return word
}

// statusOf reads a number of /proc/PID/status.
func statusOf(t *testing.T, pid int, name string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n"+name+":")
	number, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// keepsNothing measures a process before and after something that leaves it
// where it was.
func keepsNothing(t *testing.T, p *openBook, happens func(times int)) {
	t.Helper()
	happens(*veths / 5) // what it takes once, and keeps, it has from here on
	before := p.possessions(t)
	happens(*veths)
	var after possessions
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		after = p.possessions(t)
		if !more(before.descriptors, after.descriptors) && after.goroutines <= before.goroutines {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("before\n%+v, after\n%+v", before, after)
		}
	}
	t.Logf("before %+v", before)
	t.Logf("after %+v", after)
	// Threads of Go wait to be used again; the heap, and what goes with it when
	// garbage is collected, have a rhythm of their own: below 4 MiB of it, nothing
	// is collected.
	const rhythm = 10 << 10 // KiB
	if after.threads > before.threads+5 || after.mapped > before.mapped+*veths/2 ||
		after.memory > before.memory+rhythm {
		t.Errorf("%d threads became %d, %d maps in memory %d, %d KiB %d",
			before.threads, after.threads, before.mapped, after.mapped, before.memory, after.memory)
	}
	labtest.Report(t, "interfaces made and removed", *veths)
}

// more tells whether there is more of anything. Less there may be: what a process
// has for a moment it may have had before.
func more(before, after map[string]int) bool {
	for kind, count := range after {
		if count > before[kind] {
			return true
		}
	}
	return false
}

// TestNoLeak makes and removes interfaces while they are watched, after a rename
// or a stay in another namespace, or at once.
func TestNoLeak(t *testing.T) {
	host, peer := pair(t)
	s := newStats(t, "--interval", "50ms")
	p := newOpenBook(t, s.cmd)
	s.start(host)
	watched := func(count int) {
		s.until(func(o sample) bool { return len(o.Interfaces) == count })
	}
	watched(1)
	const together = 10
	keepsNothing(t, p, func(times int) {
		for done := 0; done < times; done += together {
			var plugging errgroup.Group // at once, for each takes a while to have carrier
			for i := range together {
				name := fmt.Sprint("new", i)
				plugging.Go(func() error { return lab.QuietVeth(host, name, peer, name+"far") })
			}
			if err := plugging.Wait(); err != nil {
				t.Fatal(err)
			}
			watched(1 + together)
			var going errgroup.Group
			for i := range together {
				going.Go(func() error { return goAway(i%3, fmt.Sprint("new", i), host, peer) })
			}
			if err := going.Wait(); err != nil {
				t.Fatal(err)
			}
			watched(1)
		}
	})
	s.stop(syscall.SIGTERM)
	awaitNothing(t, host)
}

// goAway removes an interface in one of the ways there are.
func goAway(way int, name string, from, other *lab.Namespace) error {
	in := from
	switch way {
	case 1:
		if err := from.Rename(name, name+"else"); err != nil {
			return err
		}
		name += "else"
	case 2:
		if err := from.Move(name, other); err != nil {
			return err
		}
		in = other
	}
	return in.DeleteLink(name)
}

// TestNoLeakOfPairs takes an interface from under a pair, and brings it back.
func TestNoLeakOfPairs(t *testing.T) {
	b := newBench(t, 2)
	r := b.newRunner(newLinksFile(t, "sw0: {peer: flap0, wait: true}"))
	p := newOpenBook(t, r.cmd)
	r.start()
	keepsNothing(t, p, func(times int) {
		for range times {
			b.check(lab.QuietVeth(b.hub, "flap0", b.hosts[1], "flap0"))
			b.await(func() error {
				if len(attachments(t, b.hub, "flap0")) == 0 {
					return fmt.Errorf("nothing is attached to flap0")
				}
				return nil
			})
			b.check(b.hub.DeleteLink("flap0"))
		}
	})
	r.end(syscall.SIGTERM)
	b.awaitBare(b.hub, port(0))
}
