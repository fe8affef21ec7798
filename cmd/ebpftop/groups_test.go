package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// TestStatsBy has sums grow until one is over the limit, which ends the command.
func TestStatsBy(t *testing.T) {
	host, peer := pair(t)
	cmd := ebpftop(t, "stats", "--by", "remote", "--json", "--top", "1", "--interval", "100ms", "--exit-over", "packets>2")
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(cmd); err != nil {
		t.Fatal(err)
	}
	var last []snapshot.Group
	for lines := json.NewDecoder(out); ; {
		var groups []snapshot.Group
		if lines.Decode(&groups) != nil {
			break
		}
		if len(last) == 0 && len(groups) == 0 { // everything is attached
			frame := udpFrame(t, 4000)
			if err := peer.Inject("peer0", frame); err != nil {
				t.Fatal(err)
			}
		}
		last = groups
		if len(groups) == 1 {
			if err := peer.Inject("peer0", udpFrame(t, 4001)); err != nil {
				t.Fatal(err)
			}
		}
	}
	exit, isExit := errors.AsType[*exec.ExitError](cmd.Wait())
	if !isExit || exit.ExitCode() != int(exitOver) || strings.TrimSpace(errOut.String()) != "ebpftop: remote 10.0.0.1: packets>2" {
		t.Errorf("%v: %s", exit, errOut.String())
	}
	if len(last) != 1 || last[0].Key != "10.0.0.1" || last[0].RXPackets < 3 || last[0].RXBytes != 100*last[0].RXPackets {
		t.Errorf("%+v", last)
	}
}

// TestGroupLimit has limits as people write them.
func TestGroupLimit(t *testing.T) {
	group := snapshot.Group{RXBPS: 6e6, TXBPS: 6e6, RXBytes: 10, Connections: 3}
	for text, isOver := range map[string]bool{
		"bps>10M": true, "bps > 12M": false, "rx_bps>5.9M": true, "rx_bytes>10": false, "connections>2": true, "bps>0.001G": true,
	} {
		limit, err := parseGroupLimit(text)
		if err != nil {
			t.Error(err)
		} else if got := limit.exceeding([]snapshot.Group{group}) != nil; got != isOver {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, text := range []string{"", "bps", "bps<1", "load>1", "bps>", "bps>1..2", "bps>1Q", "bps>-1"} {
		if _, err := parseGroupLimit(text); err == nil {
			t.Errorf("%q is a limit", text)
		}
	}
}
