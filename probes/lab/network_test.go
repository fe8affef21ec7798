package lab_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

func buildNetwork(t *testing.T) *lab.Network {
	t.Helper()
	n, err := lab.Build(labtest.Namespace(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestTraffic(t *testing.T) {
	labtest.RequireRoot(t)
	n := buildNetwork(t)
	wire := openWire(t, n.Switch.Namespace, "to-server")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- n.Run(ctx) }()

	awaitKinds(t, wire, "web", "api", "stream", "dns", "dns6", "ping", "ping6", "arp", "vlan-arp", "vlan-udp", "lldp")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	assertNothingRuns(t)
}

// awaitKinds receives until a frame of each kind has come from the server.
func awaitKinds(t *testing.T, wire *lab.Wire, kinds ...string) {
	t.Helper()
	missing := map[string]bool{}
	for _, kind := range kinds {
		missing[kind] = true
	}
	deadline := time.Now().Add(20 * time.Second)
	for len(missing) > 0 {
		frame, err := wire.Receive(deadline)
		if err != nil {
			t.Fatalf("waiting for %v: %v", slices.Sorted(maps.Keys(missing)), err)
		}
		delete(missing, kindOf(frame))
	}
}

// TestKnock lets left and right try, and then connects them.
func TestKnock(t *testing.T) {
	labtest.RequireRoot(t)
	n := buildNetwork(t)
	wire := openWire(t, n.Switch.Namespace, "to-right")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- lab.KeepRunning(ctx, n, "knock", lab.Knock) }()

	deadline := time.Now().Add(20 * time.Second)
	for requests := 0; requests < 5; {
		frame, err := wire.Receive(deadline)
		if err != nil {
			t.Fatalf("after %d of 5 ARP requests: %v", requests, err)
		}
		switch kind := kindOf(frame); kind {
		case "arp":
			requests++
		case "ping", "ping6":
			t.Fatalf("right sends %s to left, which nothing connects to it", kind)
		}
	}
	if err := n.Switch.AddBridge("br1", "to-left", "to-right"); err != nil {
		t.Fatal(err)
	}
	awaitKinds(t, wire, "ping", "ping6")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	assertNothingRuns(t)
}

// kindOf tells what traffic of the server a frame is, if any.
func kindOf(frame []byte) string {
	packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	prefix, suffix := "", ""
	if packet.Layer(layers.LayerTypeDot1Q) != nil {
		prefix = "vlan-"
	}
	if packet.Layer(layers.LayerTypeIPv6) != nil {
		suffix = "6"
	}
	switch {
	case packet.Layer(layers.LayerTypeARP) != nil:
		return prefix + "arp"
	case packet.Layer(layers.LayerTypeLinkLayerDiscovery) != nil:
		return "lldp"
	case packet.Layer(layers.LayerTypeICMPv4) != nil, packet.Layer(layers.LayerTypeICMPv6Echo) != nil:
		return "ping" + suffix
	}
	if udp, ok := packet.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
		if udp.SrcPort == 53 {
			return "dns" + suffix
		}
		return prefix + "udp"
	}
	if tcp, ok := packet.Layer(layers.LayerTypeTCP).(*layers.TCP); ok {
		return map[layers.TCPPort]string{80: "web", 8080: "api", 5001: "stream"}[tcp.SrcPort]
	}
	return ""
}

// assertNothingRuns waits for the goroutines of the traffic to end.
func assertNothingRuns(t *testing.T) {
	t.Helper()
	var stacks strings.Builder
	// They end a moment after their connections are closed.
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stacks.Reset()
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stacks.String(), "lab.serve") && !strings.Contains(stacks.String(), "lab.repeat") {
			return
		}
	}
	t.Errorf("still running:\n%s", &stacks)
}

func TestNetworkHasNoWayOut(t *testing.T) {
	labtest.RequireRoot(t)
	n := buildNetwork(t)
	var documentation []*net.IPNet
	for _, cidr := range []string{"192.0.2.0/24", "203.0.113.0/24", "2001:db8::/32"} {
		_, prefix, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		documentation = append(documentation, prefix)
	}
	want := map[*lab.Host][]string{
		n.Client: {"lo", "net0"},
		n.Server: {"lo", "net0"},
		n.Left:   {"lo", "net0"},
		n.Right:  {"lo", "net0"},
		n.Switch: {"lo", "to-client", "to-server", "to-left", "to-right", "br0"},
	}
	for host, names := range want {
		if got := links(t, host.Namespace); !slices.Equal(got, names) {
			t.Errorf("%s has the interfaces %v, want %v", host.Name, got, names)
		}
		err := host.Do(func() error {
			routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
			for _, route := range routes {
				to := route.Dst.IP
				isDocumented := slices.ContainsFunc(documentation, func(prefix *net.IPNet) bool { return prefix.Contains(to) })
				if !isDocumented && !to.IsLinkLocalUnicast() {
					t.Errorf("%s has a route to %v", host.Name, route)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrograms(t *testing.T) {
	for _, command := range lab.Commands {
		if err := lab.Execute(t.Context(), command); err != nil {
			t.Error(err)
		}
	}
}

func TestFailedTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		want := errors.New("unplugged")
		runs := 0
		err := lab.KeepRunning(ctx, nil, "web", func(context.Context, *lab.Network) error {
			if runs++; runs < 3 {
				return want
			}
			cancel()
			return ctx.Err()
		})
		if runs != 3 || !errors.Is(err, want) || !strings.Contains(err.Error(), "web traffic failed 2 times") {
			t.Errorf("after %d runs: %v", runs, err)
		}
	})
}

func TestRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		calls := 0
		err := lab.Repeat(ctx, time.Second, 30*time.Second, func() error {
			calls++
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("lab.Repeat ended with %v", err)
		}
		if calls < 550 || calls > 650 {
			t.Errorf("%d calls in 600 s, want about 600", calls)
		}
	})
}
