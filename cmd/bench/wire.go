package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// wireLab is two hosts and a switch between them, joined in one way at a time.
type wireLab struct {
	left, right, hub *lab.Namespace
}

const (
	rightAddress = "198.51.100.2"
	seconds      = 3 // of traffic for one figure
)

func newWireLab() (w *wireLab, err error) {
	w = &wireLab{}
	for _, n := range []**lab.Namespace{&w.left, &w.right, &w.hub} {
		if *n, err = lab.New(); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	err = errors.Join(
		lab.QuietVeth(w.hub, "to-left", w.left, "net0"),
		lab.QuietVeth(w.hub, "to-right", w.right, "net0"),
	)
	if err == nil {
		err = errors.Join(
			w.left.AddAddress("net0", "198.51.100.1/24"),
			w.right.AddAddress("net0", rightAddress+"/24"),
		)
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *wireLab) close() error {
	var errs []error
	for _, n := range []*lab.Namespace{w.left, w.right, w.hub} {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}

// way is one way to join the two.
type way struct {
	name string
	join func(*wireLab) (part func() error, err error)
	// prepared: native XDP needs far ends that take its frames, and frames
	// that are no aggregates.
	prepared bool
}

var ways = []way{
	{name: "bridge", join: (*wireLab).bridge},
	{name: "ebpftop (tc)", join: connectBy(crossconnect.Auto)},
	{name: "ebpftop (native XDP, far ends prepared)", join: connectBy(crossconnect.XDP), prepared: true},
	{name: "ebpftop (generic XDP)", join: connectBy(crossconnect.XDPGeneric)},
}

func (w *wireLab) bridge() (func() error, error) {
	if err := w.hub.AddBridge("br0", "to-left", "to-right"); err != nil {
		return nil, err
	}
	return func() error { return w.hub.DeleteLink("br0") }, nil
}

func connectBy(d crossconnect.Datapath) func(*wireLab) (func() error, error) {
	return func(w *wireLab) (func() error, error) {
		var wiring *crossconnect.PairSet
		err := w.hub.Do(func() (err error) {
			if wiring, err = crossconnect.New(); err != nil {
				return err
			}
			return wiring.Set([]crossconnect.Pair{{A: "to-left", B: "to-right", AToB: d, BToA: d}}, 0)
		})
		return func() error { return w.hub.Do(wiring.Close) }, err
	}
}

func measureWires(ctx context.Context, b *bench) error {
	tcp, udp := make(map[string][]float64), make(map[string][]float64)
	for range b.rounds {
		for _, way := range ways {
			if err := measureWay(ctx, way, tcp, udp); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
		}
	}
	report := func(what, unit string, values map[string][]float64, goal string) {
		bridge := newRow(what, "bridge", unit, values["bridge"])
		for _, way := range ways {
			r := newRow(what, way.name, unit, values[way.name])
			if way.name != "bridge" {
				wanted := ""
				if way.name == "ebpftop (tc)" {
					wanted = goal
				}
				r = r.against("bridge", r.Median/bridge.Median, wanted)
			}
			b.rows = append(b.rows, r)
		}
	}
	report("TCP through a wire", "Gbit/s", tcp, ">= 1.0")
	report("64 B UDP through a wire", "kpps", udp, ">= 1.15")
	return nil
}

// measureWay takes one figure each of TCP and UDP, in a lab of its own.
func measureWay(ctx context.Context, way way, tcp, udp map[string][]float64) (err error) {
	w, err := newWireLab()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if way.prepared {
		for _, n := range []*lab.Namespace{w.left, w.right} {
			if err := n.PrepareForXDP("net0"); err != nil {
				return err
			}
		}
	}
	part, err := way.join(w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, part()) }()
	bits, _, err := iperf(ctx, w.left, w.right)
	if err != nil {
		return err
	}
	tcp[way.name] = append(tcp[way.name], bits/1e9)
	_, packets, err := iperf(ctx, w.left, w.right, "-u", "-b", "0", "-l", "22")
	if err != nil {
		return err
	}
	udp[way.name] = append(udp[way.name], packets/1e3)
	return nil
}

// iperf sends from one host to another and returns what arrived a second.
func iperf(ctx context.Context, from, to *lab.Namespace, args ...string) (bits, packets float64, err error) {
	server := exec.CommandContext(ctx, "iperf3", "-s", "-1")
	if err := to.Start(server); err != nil {
		return 0, 0, fmt.Errorf("start iperf3 (Debian: iperf3): %w", err)
	}
	defer func() {
		_ = server.Process.Kill() // most often it has ended
		_ = server.Wait()
	}()
	args = append([]string{"-c", rightAddress, "-t", strconv.Itoa(seconds), "-J"}, args...)
	var measured iperfResult
	for attempt := 0; ; attempt++ { // the server takes a moment to listen
		measured, err = runIperf(ctx, from, args)
		if err == nil || attempt == 20 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	sum := measured.End.Sum
	return measured.End.SumReceived.Bits, (sum.Packets - sum.Lost) / max(sum.Seconds, 1), err
}

// iperfResult is what is used of what iperf3 says.
type iperfResult struct {
	Error string
	End   struct {
		SumReceived struct {
			Bits float64 `json:"bits_per_second"`
		} `json:"sum_received"`
		Sum struct {
			Seconds, Packets float64
			Lost             float64 `json:"lost_packets"`
		}
	}
}

// runIperf fails where iperf3 says that it did, which it may do with status 0.
func runIperf(ctx context.Context, from *lab.Namespace, args []string) (result iperfResult, err error) {
	out, err := output(from, exec.CommandContext(ctx, "iperf3", args...))
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return result, fmt.Errorf("read iperf3's answer: %w", err)
	}
	if result.Error != "" {
		return result, fmt.Errorf("iperf3: %s", result.Error)
	}
	return result, nil
}
