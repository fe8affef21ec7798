package main

import (
	"flag"
	"fmt"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

var reloads = flag.Int("reloads", 20, "times that the file of 100 links is changed")

// TestReloads changes one pair of a hundred, again and again, while frames go
// through another.
func TestReloads(t *testing.T) {
	const pairs = 100
	b := newBench(t, 5)
	links := []string{"sw0: sw1", "sw2: sw3"}
	crowd := labtest.Namespace(t)
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
	labtest.Report(t, "reloads", *reloads)
	if got := b.list(); len(got) != pairs {
		t.Errorf("%d pairs, want %d", len(got), pairs)
	}
	if said := r.end(syscall.SIGTERM); len(said) > 0 {
		t.Logf("run said %q", said)
	}
	b.awaitBare(b.hub, port(0), port(1), port(2), port(3), port(4), "left50", "right99")
}
