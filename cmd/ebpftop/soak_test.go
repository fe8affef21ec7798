package main

import (
	"errors"
	"flag"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

var soakTime = flag.Duration("soak", 45*time.Second, "how long TestSoak looks at memory")

// curve is the memory of a process over time, in KiB.
type curve struct {
	name string
	cmd  *exec.Cmd
	kib  []int
}

func (c *curve) look(t *testing.T) {
	t.Helper()
	c.kib = append(c.kib, statusOf(t, c.cmd.Process.Pid, "VmRSS"))
}

// expectFlat compares the last third with the one before: what is needed once, a
// process has by then. The heap breathes, so medians count.
func (c *curve) expectFlat(t *testing.T) {
	t.Helper()
	const windows, third = 9, 3
	var medians []int
	for i := range windows {
		medians = append(medians, median(c.kib[i*len(c.kib)/windows:(i+1)*len(c.kib)/windows]))
	}
	t.Logf("%s: %d KiB at the start, then %v", c.name, c.kib[0], medians)
	before, last := median(medians[third:2*third]), median(medians[2*third:])
	if last > before+before/10+2048 {
		t.Errorf("%s grows: %d KiB, then %d KiB", c.name, before, last)
	}
}

func median(of []int) int { return slices.Sorted(slices.Values(of))[len(of)/2] }

// turmoil is what goes on while memory is looked at.
type turmoil struct {
	t          *testing.T
	host, peer *lab.Namespace
	wire       *lab.Wire
	frames     []*firstFrame
	program    string
	rounds     uint32
}

func newTurmoil(t *testing.T, host, peer *lab.Namespace) *turmoil {
	t.Helper()
	wire, err := peer.Open("peer0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wire.Close() })
	return &turmoil{t: t, host: host, peer: peer, wire: wire, frames: firstFrames(t), program: shortest(t)}
}

// round begins connections, runs a program, and now and then has an interface
// come and go.
func (u *turmoil) round() {
	u.t.Helper()
	const connections = 200
	var err error
	for i := range uint32(connections) {
		err = errors.Join(err, u.wire.Send(u.frames[i%4].of(u.rounds*connections+i)))
	}
	err = errors.Join(err, spawn(u.program))
	if u.rounds%10 == 0 {
		err = errors.Join(err, lab.QuietVeth(u.host, "passing0", u.peer, "passing1"), u.host.DeleteLink("passing0"))
	}
	if err != nil {
		u.t.Fatal(err)
	}
	u.rounds++
}

// TestSoak looks at the memory of stats and of the dashboard in turmoil. Their
// tables are soon full.
func TestSoak(t *testing.T) {
	host, peer := pair(t)
	const few = "2000"
	s := openStats(t, host, "--max-connections", few)
	d := openDashboard(t, host, "--max-connections", few)
	curves := []*curve{{name: "stats", cmd: s.cmd}, {name: "dashboard", cmd: d.cmd}}
	u := newTurmoil(t, host, peer)
	for start := time.Now(); time.Since(start) < *soakTime; {
		u.round()
		s.next() // ten times a second
		for _, c := range curves {
			c.look(t)
		}
	}
	for _, c := range curves {
		c.expectFlat(t)
	}
	labtest.Report(t, "seconds", int(soakTime.Seconds()))
	d.press("q")
	d.ended(0)
	s.stop(syscall.SIGTERM)
	awaitNothing(t, host)
}
