package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
)

const seconds = 3 // of traffic for one figure

// iperf sends from one host to another.
func iperf(ctx context.Context, from, to *lab.Namespace, args ...string) (measured iperfResult, err error) {
	server := exec.CommandContext(ctx, "iperf3", "-s", "-1")
	if err := to.Start(server); err != nil {
		return measured, fmt.Errorf("start iperf3 (Debian: iperf3): %w", err)
	}
	defer func() {
		_ = server.Process.Kill() // most often it has ended
		_ = server.Wait()
	}()
	args = append([]string{"-c", rightAddress, "-t", strconv.Itoa(seconds), "-J"}, args...)
	for attempt := 0; ; attempt++ { // the server takes a moment to listen
		measured, err = runIperf(ctx, from, args)
		if err == nil || attempt == 20 {
			return measured, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// iperfResult holds the fields that are used of iperf3's JSON report.
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

// bits is how many arrived a second.
func (r *iperfResult) bits() float64 { return r.End.SumReceived.Bits }

// sent is how many datagrams a second were.
func (r *iperfResult) sent() float64 { return r.End.Sum.Packets / max(r.End.Sum.Seconds, 1) }

// received is how many datagrams a second were.
func (r *iperfResult) received() float64 {
	return (r.End.Sum.Packets - r.End.Sum.Lost) / max(r.End.Sum.Seconds, 1)
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
