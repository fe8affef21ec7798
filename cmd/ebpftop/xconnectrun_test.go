package main

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

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
		"twice the key": {[]string{"sw0: sw1", "sw0: sw2"}, []string{":3", "line 2"}},
		"loopback":      {[]string{"sw0: sw1", "sw2: lo"}, []string{":3", "lo"}},
		"datapath":      {[]string{"sw0: {peer: sw1, datapath: fast}"}, []string{":2", "xdp-generic"}},
		"unknown key":   {[]string{"sw0: {peer: sw1, datapaht: tc}"}, []string{":2", "datapath"}},
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

// switchTolerance is how far from its deadline the end of a trial may be.
const switchTolerance = 100 * time.Millisecond

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
