package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// guestVariable says that the machine is there for the tests alone, as the
// guests of .ci/kernels are: they may set its clock.
const guestVariable = "EBPFTOP_TEST_GUEST"

func requireGuest(t *testing.T) {
	t.Helper()
	labtest.RequireRoot(t)
	if os.Getenv(guestVariable) == "" {
		t.Skip("would set the clock of this machine: make test-kernels sets those of guests")
	}
}

// moveClock sets the wall clock, which is put right after the test.
func moveClock(t *testing.T, by time.Duration) {
	t.Helper()
	set := func(by time.Duration) {
		now := unix.NsecToTimespec(time.Now().Add(by).UnixNano())
		if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { set(-by) })
	set(by)
}

// timed is what in an object depends on a clock.
type timed struct {
	Time       time.Time
	Seconds    float64 `json:"interval_seconds"`
	Interfaces []struct {
		Packets uint64  `json:"rx_packets"`
		Bytes   uint64  `json:"rx_bytes"`
		PPS     float64 `json:"rx_pps"`
		BPS     float64 `json:"rx_bps"`
	}
	Protocols     []probes.Protocol
	CrossConnects []crossconnect.Status `json:"cross_connects"`
	Connections   []struct {
		First time.Time `json:"first_seen"`
		Last  time.Time `json:"last_seen"`
	}
}

func (s *stats) nextTimed() (object timed) {
	s.t.Helper()
	s.next()
	s.decode(&object)
	return object
}

// expectRates compares the rates with what the counters of two objects say.
func (now *timed) expectRates(t *testing.T, before *timed) {
	t.Helper()
	packets := float64(now.Interfaces[0].Packets - before.Interfaces[0].Packets)
	bits := 8 * float64(now.Interfaces[0].Bytes-before.Interfaces[0].Bytes)
	for what, rate := range map[string]struct{ got, want, factor float64 }{
		"packets of the interface": {now.Interfaces[0].PPS, packets / now.Seconds, 1.01},
		"bits of the interface":    {now.Interfaces[0].BPS, bits / now.Seconds, 1.01},
		"packets of the protocol":  {now.Protocols[0].PPS, packets / now.Seconds, 1.01},
		"packets of the pair":      {now.CrossConnects[0].AToB.PPS, packets / now.Seconds, 100}, // read at another moment; an hour is 7,200 intervals
	} {
		if !(rate.got >= rate.want/rate.factor && rate.got <= rate.want*rate.factor) {
			t.Errorf("%s: %.1f a second, want %.1f", what, rate.got, rate.want)
		}
	}
}

// TestRatesWhenClockIsSet sets the clock back and forth while frames flow: rates
// and intervals go on as they were, and times follow, but for what was before.
func TestRatesWhenClockIsSet(t *testing.T) {
	requireGuest(t)
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			b := newBench(t, 2)
			b.run("add", port(0), port(1))
			defer b.run("del", port(0))
			s := openStats(t, b.hub, "--interval", "500ms")
			end := b.startDatagrams()
			defer end()
			s.until(func(o sample) bool { return len(o.Connections) > 0 })
			start, before := time.Now(), s.nextTimed()
			wall := before.Time

			moveClock(t, by)
			seconds := 0.0
			for range 6 {
				now := s.nextTimed()
				seconds += now.Seconds
				now.expectRates(t, &before)
				before = now
			}
			const slack = 10 * time.Second // for a slow machine; the jump is far more
			if off := time.Since(start).Seconds() - seconds; math.Abs(off) > slack.Seconds() {
				t.Errorf("the intervals are %.3f s together, %.3f s off", seconds, off)
			}
			for what, moved := range map[string]struct {
				at time.Time
				by time.Duration
			}{
				"object": {before.Time, by}, "last seen": {before.Connections[0].Last, by}, "first seen": {before.Connections[0].First, 0},
			} {
				at := moved.at
				if off := at.Sub(wall) - moved.by; off.Abs() > 2*slack {
					t.Errorf("%s: %v is %v off", what, at, off)
				}
			}
			s.stop(syscall.SIGTERM)
		})
	}
}

// startDatagrams sends one every few milliseconds into the first port, until the
// returned function is called.
func (b *bench) startDatagrams() (end func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	frame := udpFrame(b.t, 4000)
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := b.wires[0].Send(frame); err != nil {
					b.t.Error(err)
					return
				}
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// TestTrialWhenClockIsSet sets the clock back and forth during a trial, with a
// process looking on that began before: it ends when it is over, not an hour
// later, and not before.
func TestTrialWhenClockIsSet(t *testing.T) {
	requireGuest(t)
	begin := func(t *testing.T, trial string) (*bench, *stats) {
		b := newBench(t, 2)
		s := openStats(t, b.hub)
		b.run("add", port(0), port(1), "--trial", trial)
		b.await(func() error { return s.errPairs("trial") })
		return b, s
	}
	t.Run("back", func(t *testing.T) {
		b, s := begin(t, "5s")
		moveClock(t, -time.Hour)
		b.await(func() error { return s.errPairs() })
		b.awaitList()
	})
	t.Run("on", func(t *testing.T) {
		b, s := begin(t, "5m")
		moveClock(t, time.Hour)
		for range 10 {
			b.check(s.errPairs("trial"))
		}
		b.awaitPath(0, 1)
		b.run("confirm")
		b.lists("sw0-sw1 active")
		b.run("del", port(0))
	})
}

// errPairs compares the states of the pairs in the next object.
func (s *stats) errPairs(want ...crossconnect.State) error {
	s.t.Helper()
	var got []crossconnect.State
	for _, pair := range s.nextTimed().CrossConnects {
		got = append(got, pair.State)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("pairs are %q, want %q", got, want)
	}
	return nil
}
