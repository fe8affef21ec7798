package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// possessions are what a process has of the kernel: descriptors by kind (maps,
// programs and links among them), threads, and memory in KiB.
type possessions struct {
	descriptors map[string]int
	threads     int
	memory      int
}

var descriptorNumber = regexp.MustCompile(`:\[\d+\]$`)

func possessionsOf(t *testing.T, pid int) possessions {
	t.Helper()
	p := possessions{descriptors: make(map[string]int)}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		t.Fatalf("descriptors of %d: %d, %v", pid, len(links), err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil { // closed meanwhile
			p.descriptors[descriptorNumber.ReplaceAllString(target, "")]++
		}
	}
	p.threads = statusOf(t, pid, "Threads")
	p.memory = statusOf(t, pid, "VmRSS")
	return p
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
func keepsNothing(t *testing.T, pid int, happens func(times int)) {
	t.Helper()
	happens(*veths / 5) // what it takes once, and keeps, it has from here on
	before := possessionsOf(t, pid)
	happens(*veths)
	var after possessions
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		after = possessionsOf(t, pid)
		if maps.Equal(before.descriptors, after.descriptors) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("descriptors before\n%v, after\n%v", before.descriptors, after.descriptors)
		}
	}
	t.Logf("%d times: %d threads, then %d; %d KiB, then %d", *veths, before.threads, after.threads, before.memory, after.memory)
	// Threads of Go wait to be used again; the heap has its own rhythm.
	if after.threads > before.threads+5 || after.memory > before.memory+before.memory/4 {
		t.Errorf("%d threads became %d, %d KiB %d", before.threads, after.threads, before.memory, after.memory)
	}
}

// TestNoLeak makes and removes interfaces while they are watched, after a rename
// or a stay in another namespace, or at once.
func TestNoLeak(t *testing.T) {
	host, peer := pair(t)
	s := openStats(t, host, "--interval", "50ms")
	watched := func(count int) {
		s.until(func(o sample) bool { return len(o.Interfaces) == count })
	}
	watched(1)
	const together = 10
	keepsNothing(t, s.cmd.Process.Pid, func(times int) {
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
	r := b.start(newLinksFile(t, "sw0: {peer: flap0, wait: true}"))
	keepsNothing(t, r.cmd.Process.Pid, func(times int) {
		for range times / 2 { // each takes a while
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

// TestSoak looks at the memory of stats under steady traffic.
func TestSoak(t *testing.T) {
	host, peer := pair(t)
	s := openStats(t, host)
	var frames [][]byte
	for source := range 200 {
		frames = append(frames, udpFrame(t, uint16(1000+source)))
	}
	var memory []int
	for start := time.Now(); time.Since(start) < *soakTime; {
		if err := peer.Inject("peer0", frames...); err != nil {
			t.Fatal(err)
		}
		s.next() // ten times a second
		memory = append(memory, statusOf(t, s.cmd.Process.Pid, "VmRSS"))
	}
	third := len(memory) / 3
	median := func(of []int) int {
		of = slices.Sorted(slices.Values(of))
		return of[len(of)/2]
	}
	middle, last := median(memory[third:2*third]), median(memory[2*third:])
	t.Logf("%d KiB at the start, medians of the middle third %d KiB, of the last %d KiB", memory[0], middle, last)
	if last > middle+middle/20+1024 {
		t.Errorf("it grows: %d KiB, then %d KiB", middle, last)
	}
	s.stop(syscall.SIGTERM)
}
