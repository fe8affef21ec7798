package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

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
