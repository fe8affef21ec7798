package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// udpFrame is a frame from 10.0.0.1 to port 53 of 10.0.0.2.
func udpFrame(t *testing.T, sourcePort uint16) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
	udp := &layers.UDP{SrcPort: layers.UDPPort(sourcePort), DstPort: 53}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4},
		ip, udp, gopacket.Payload(make([]byte, 58))); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(buffer.Bytes())
}

// TestStatsFields checks that a script finds every field that the manual
// promises, with the type it promises.
func TestStatsFields(t *testing.T) {
	host, peer := pair(t)
	s := openStats(t, host)
	frame := udpFrame(t, 4000)
	if err := peer.Inject("peer0", frame, frame, frame); err != nil {
		t.Fatal(err)
	}
	s.until(func(o sample) bool {
		return len(o.Connections) > 0 && o.Connections[0].RXPackets == 3 && o.Interfaces[0].RXPackets == 3
	})
	s.next() // an interval in which nothing comes
	var object map[string]any
	if err := json.Unmarshal(s.lines.Bytes(), &object); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name": "host0", "hook": string(probes.HookTracepoint), "malformed": 0.0,
		"rx_packets": 3.0, "rx_bytes": 300.0, "rx_pps": 0.0, "rx_bps": 0.0,
		"tx_packets": 0.0, "tx_bytes": 0.0, "tx_pps": 0.0, "tx_bps": 0.0,
		"discrepancy": "", "unseen_rx_packets": 0.0, "unseen_tx_packets": 0.0, "in_total": true, "master": "",
	}
	wantFields(t, "interfaces", first(t, object, "interfaces"), want,
		"ifindex", "hook_reason", "state", "kind", "mtu", "mac", "addresses", "driver", "foreign_programs",
		"altnames", "lower", "peer")
	wantFields(t, "interfaces.peer", first(t, object, "interfaces")["peer"].(map[string]any), map[string]any{
		"name": "peer0", "hostname": nil, "hostname_reason": "no process is seen in it", "address": nil,
	}, "ifindex", "netnsid", "address_reason")
	totals := object["totals"].(map[string]any)
	wantFields(t, "totals", totals, map[string]any{
		"rx_packets": 3.0, "rx_bytes": 300.0, "rx_pps": 0.0, "rx_bps": 0.0,
		"tx_packets": 0.0, "tx_bytes": 0.0, "tx_pps": 0.0, "tx_bps": 0.0,
	}, "since")
	wantFields(t, "totals.protocols", first(t, totals, "protocols"), map[string]any{
		"direction": "rx", "protocol": "udp", "number": 17.0, "ethertype": nil, "packets": 3.0, "bytes": 300.0,
	})
	wantFields(t, "protocols", first(t, object, "protocols"), map[string]any{
		"interface": "host0", "direction": "rx", "protocol": "udp", "number": 17.0, "ethertype": nil,
		"packets": 3.0, "bytes": 300.0, "pps": 0.0, "bps": 0.0,
	})
	wantFields(t, "connections", first(t, object, "connections"), map[string]any{
		"interface": "host0", "protocol": "udp", "local": "10.0.0.2:53", "remote": "10.0.0.1:4000",
		"rx_packets": 3.0, "rx_bytes": 300.0, "tx_packets": 0.0, "tx_bytes": 0.0, "rx_bps": 0.0, "tx_bps": 0.0,
		"state": nil, "owner": nil,
	}, "path", "first_seen", "last_seen", "rx_tcp_flags", "tx_tcp_flags", "owner_reason")
	wantFields(t, "owners", first(t, object, "owners"), map[string]any{
		"by": "owner", "connections": 1.0, "connections_ended": 0.0, "rx_packets": 3.0, "rx_bytes": 300.0,
		"tx_packets": 0.0, "tx_bytes": 0.0, "rx_bps": 0.0, "tx_bps": 0.0,
	}, "key", "pid", "uid", "unit", "container")
	wantFields(t, "execs", object["execs"].(map[string]any), nil, "total", "per_second", "events")
	wantFields(t, "lost", object["lost"].(map[string]any), map[string]any{
		"connection_events": 0.0, "exec_events": 0.0, "connections_evicted": 0.0, "connections_ended": 0.0, "owner_changes": 0.0,
		"drops": 0.0,
	})
	wantDrop(t, object)
	wantFields(t, "object", object, map[string]any{"connections_total": 1.0, "owners_problem": ""}, "time", "interval_seconds")
	if status := s.stop(syscall.SIGTERM); status != 0 || s.errOut.Len() > 0 {
		t.Errorf("after SIGTERM status %d, %s", status, s.errOut.String())
	}
}

func first(t *testing.T, object map[string]any, list string) map[string]any {
	t.Helper()
	rows, ok := object[list].([]any)
	if !ok || len(rows) != 1 {
		t.Fatalf("%s: %v, want one row", list, object[list])
	}
	return rows[0].(map[string]any)
}

func wantFields(t *testing.T, where string, got, want map[string]any, others ...string) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %s is %v, want %v", where, name, got[name], value)
		}
		others = append(others, name)
	}
	for _, name := range others {
		if _, ok := got[name]; !ok {
			t.Errorf("%s: no field %s", where, name)
		}
	}
}

// TestStatsOnEveryHook counts after the first object exactly what comes after it.
func TestStatsOnEveryHook(t *testing.T) {
	for _, hook := range allHooks {
		t.Run(string(hook), func(t *testing.T) {
			const frames = 1000
			host, peer := pair(t)
			s := openStats(t, host, "--hook", string(hook), "-i", "host*")
			sendAll(t, peer, "peer0", slices.Repeat([][]byte{udpFrame(t, 4000)}, frames))
			s.until(func(o sample) bool { return len(o.Interfaces) == 1 && o.Interfaces[0].RXPackets >= frames })
			if o := s.next(); o.Interfaces[0].RXPackets != frames || o.Interfaces[0].Hook != hook || o.Connections[0].RXPackets != frames {
				t.Errorf("counted %+v", o)
			}
			if status := s.stop(syscall.SIGINT); status != 0 {
				t.Errorf("after SIGINT status %d, %s", status, s.errOut.String())
			}
		})
	}
}

// sendAll sends frames, and those again that veth drops because the other end has not yet
// taken what was sent before.
func sendAll(t *testing.T, from *lab.Namespace, iface string, frames [][]byte) {
	t.Helper()
	wire, err := from.Open(iface)
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	for len(frames) > 0 {
		switch err := wire.Send(frames[0]); {
		case errors.Is(err, unix.ENOBUFS):
			runtime.Gosched()
		case err != nil:
			t.Fatal(err)
		default:
			frames = frames[1:]
		}
	}
}

// TestThousandPrograms runs a program a thousand times.
func TestThousandPrograms(t *testing.T) {
	const times = 1000
	host, _ := pair(t)
	s := openStats(t, host)
	before := s.next().Execs.Total
	marker := "marker-" + strconv.Itoa(os.Getpid())
	for range times {
		if err := exec.Command("/bin/true", marker).Run(); err != nil {
			t.Fatal(err)
		}
	}
	events := 0
	last := s.until(func(o sample) bool {
		for _, e := range o.Execs.Events {
			if slices.Equal(e.Args, []string{"/bin/true", marker}) && e.PPID == uint32(os.Getpid()) {
				events++
			}
		}
		return events >= times
	})
	if raised := last.Execs.Total - before; raised < times || last.Lost.ExecEvents != 0 || events != times {
		t.Errorf("total raised by %d, %d events of ours, lost %+v", raised, events, last.Lost)
	}
}

// TestStatsEnds covers the ways to end that are no errors.
func TestStatsEnds(t *testing.T) {
	host, _ := pair(t)
	t.Run("count", func(t *testing.T) {
		got := finish(t, host, ebpftop(t, "stats", "--json", "--interval", "50ms", "--count", "3"))
		if got.status != 0 || strings.Count(got.out, "\n") != 3 || got.errOut != "" {
			t.Errorf("status %d, %d lines, %q", got.status, strings.Count(got.out, "\n"), got.errOut)
		}
	})
	t.Run("table", func(t *testing.T) {
		got := finish(t, host, ebpftop(t, "stats", "--interval", "50ms", "--count", "1"))
		if got.status != 0 || !strings.Contains(got.out, "host0") {
			t.Errorf("status %d, %q, %q", got.status, got.out, got.errOut)
		}
	})
	t.Run("closed pipe", func(t *testing.T) {
		s := openStats(t, host)
		if err := s.pipe.Close(); err != nil {
			t.Fatal(err)
		}
		if status := status(t, s.cmd.Wait()); status != 0 || s.errOut.Len() > 0 {
			t.Errorf("status %d, %s", status, s.errOut.String())
		}
	})
}

// TestInterfacesLater watches an interface that appears, and one that goes.
func TestInterfacesLater(t *testing.T) {
	host, peer := pair(t)
	s := openStats(t, host)
	if err := lab.QuietVeth(host, "later0", peer, "peer1"); err != nil {
		t.Fatal(err)
	}
	s.until(func(o sample) bool { return len(o.Interfaces) == 2 && o.Interfaces[1].Hook == probes.HookTracepoint })
	if err := peer.Inject("peer1", udpFrame(t, 4000)); err != nil {
		t.Fatal(err)
	}
	s.until(func(o sample) bool { return o.Interfaces != nil && o.Interfaces[1].RXPackets == 1 })
	if err := host.DeleteLink("later0"); err != nil {
		t.Fatal(err)
	}
	s.until(func(o sample) bool { return len(o.Interfaces) == 1 && len(o.Connections) == 0 })
}

// TestIdle: what --idle does not name keeps its default, and what it cannot mean is said.
func TestIdle(t *testing.T) {
	got, err := ageing(map[string]string{"tcp": "1h", "other": "0"})
	if want := (probes.Ageing{Closed: 15 * time.Second, TCP: time.Hour}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, idle := range []map[string]string{{"udp": "1s"}, {"tcp": "1"}, {"tcp": "-1s"}, {"": ""}} {
		if _, err := ageing(idle); err == nil || !strings.HasPrefix(err.Error(), "--idle ") {
			t.Errorf("%v: %v", idle, err)
		}
	}
}

// wantDrop checks the row of the frames, which are for a closed port. Others may be dropped,
// too.
func wantDrop(t *testing.T, object map[string]any) {
	t.Helper()
	var drop map[string]any
	for _, row := range object["drops"].([]any) {
		if row := row.(map[string]any); row["protocol"] == "udp" && row["packets"] == 3.0 {
			drop = row
		}
	}
	if drop == nil {
		t.Fatalf("drops: %v", object["drops"])
	}
	wantFields(t, "drops", drop, map[string]any{
		"source": "skb", "interface": "host0", "protocol": "udp", "packets": 3.0, "per_second": 0.0,
	}, "reason", "function", "program")
	wantFields(t, "last", drop["last"].(map[string]any), map[string]any{
		"local": "10.0.0.2:53", "remote": "10.0.0.1:4000", "protocol": "udp", "owner": nil,
	}, "time", "owner_reason")
	// Of what is dropped on the whole host, some may have no place: what waited in a namespace
	// that is gone, for one.
	wantFields(t, "object", object, map[string]any{"drops_unknown": ""}, "drops_unplaced")
}
