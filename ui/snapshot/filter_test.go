package snapshot

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

func TestFilterWords(t *testing.T) {
	conns := fake.Sample(3).Connections[3:4]
	for filter, want := range map[string]bool{
		"": true, " ": true, "tcp": true, "TCP 2001:db8": true, "eth0": true, ":443": true, "udp": false, "tcp 10.": false,
		"!udp": true, "!tcp": false, "tcp !udp": true, "!": true, "!!tcp": true,
	} {
		if got := len(matchingConnections(conns, filter)) == 1; got != want {
			t.Errorf("%q: %v", filter, got)
		}
	}
}

func TestFilterNames(t *testing.T) {
	conns := []probes.Connection{{
		Interface: "veth3", Path: []string{"veth3", "cni0", "eth0"}, Protocol: "tcp", State: probes.StateEstablished,
		Local:  probes.Endpoint(netip.MustParseAddrPort("10.1.2.3:443")),
		Remote: probes.Endpoint(netip.MustParseAddrPort("[2001:db8::7]:53012")),
		RXBPS:  2e6, TXBPS: 1e5, Quality: &probes.Quality{RTT: 120_000, Retransmits: 2},
		Owner: &probes.Owner{PID: 812, UID: 33, User: "www-data", Comm: "Nginx", Unit: "nginx.service", Container: "3f1b2c", Hostname: "web-0"},
	}}
	for filter, want := range map[string]bool{
		":443": true, ":44": false, ":53": false, ":53012": true, "!:53": true, "port:443": true, "port:80": false, "PORT:443": true,
		"host:10.1.2.3": true, "host:10.0.0.0/8": true, "host:2001:db8::/32": true, "host:10.1.2.4": false, "!host:10.0.0.0/8": false,
		"proto:tcp": true, "proto:t": false, "state:established": true, "state:est*": true, "state:closed": false,
		"iface:eth0": true, "iface:eth*": true, "iface:veth?": true, "iface:eth": false,
		"proc:ngi": true, "proc:curl": false, "user:www-data": true, "user:33": true, "user:3": false, "pid:812": true, "pid:81": false,
		"unit:nginx": true, "container:web": true, "container:3f1b": true,
		"rate>1M": true, "rate>2.1M": false, "rate>2099k": true, "rate>0": true,
		"rtt>100ms": true, "rtt>0.2s": false, "!rtt>200ms": true, "retrans>1": true, "retrans>2": false,
		":443 !proc:nginx": false, ":443 proc:nginx rate>1M !state:closed": true,
		"port:": true, "rate>": true, "2001:db8": true, // being typed; part of an address
	} {
		if err := CheckConnections(filter); err != nil {
			t.Errorf("%q: %v", filter, err)
		}
		if got := len(matchingConnections(conns, filter)) == 1; got != want {
			t.Errorf("%q: %v", filter, got)
		}
	}
	// Nothing is known of the owner of others: they are not those of any, and not of none.
	conns[0].Owner, conns[0].Quality = nil, nil
	if len(matchingConnections(conns, "rtt>0s")) != 0 {
		t.Error("a connection whose round-trip time is not known")
	}
	if len(matchingConnections(conns, "user:root")) != 0 || len(matchingConnections(conns, "!user:root")) != 1 {
		t.Error("a connection without owner")
	}
}

func TestFilterErrors(t *testing.T) {
	for filter, want := range map[string]string{
		"prot:udp": "prot: is not known: did you mean proto?", "prto:udp": "did you mean proto?", "hosts:10.0.0.1": "did you mean host?",
		"rttt>100ms": "rttt: is not known: did you mean rtt?", "lag>1s": "lag: is not known: use container, host, iface,",
		"rtt>fast": "use a time such as 100ms or 1.5s", "rtt>-1s": "use a time", "rtt>100": "use a time", "zzz:1": "use container", "!stat:x": "did you mean state?",
		"port:http": `port "http": use a number from 1 to 65535`, "port:0": "use a number", "port:70000": "use a number",
		"host:web": "use an address, or a network such as 10.0.0.0/8", "host:10.0.0.0/33": "use an address",
		"rate>fast": "use a number such as 500, 10k or 1.5M", "rate>-1": "use a number", "rate>nan": "use a number", "iface:[": "a bracket is not closed",
	} {
		err := CheckConnections(filter)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", filter, err, want)
		}
		// The other words hold all the same.
		if conns := fake.Sample(3).Connections[3:4]; len(matchingConnections(conns, filter+" tcp")) != 1 || len(matchingConnections(conns, filter+" udp")) != 0 {
			t.Errorf("%q: the other words do not count", filter)
		}
	}
	if err := InterfaceFilter.Check(":443 eth kind:veth host:192.0.2.0/24 drops>0 rate>1k"); err != nil {
		t.Error(err)
	}
	if err := InterfaceFilter.Check("proc:nginx"); err == nil {
		t.Error("interfaces have no processes")
	}
}

func FuzzFilter(f *testing.F) {
	f.Add("!port:443 host:10.0.0.0/8 rate>1M [ : > !")
	conns := fake.Sample(3).Connections
	rows := []Interface{{Interface: &probes.Interface{Name: "eth0"}}}
	f.Fuzz(func(_ *testing.T, said string) {
		_ = CheckConnections(said)
		_ = ConnectionFilter.Complete(said, conns)
		_ = matchingConnections(conns, said)
		_ = interfaceKind.matching(slices.Clone(rows), said)
	})
}

func TestOtherFilters(t *testing.T) {
	s := fake.Sample(3)
	remote := probes.Endpoint(netip.MustParseAddrPort("10.1.2.3:9"))
	drop := probes.Drop{
		Reason: "NO_SOCKET", Interface: "eth0", Protocol: "udp",
		Latest: []probes.DroppedPacket{{Local: &remote, Remote: &remote, Owner: &probes.Owner{Comm: "nginx"}}},
	}
	exec := Exec{Exec: probes.Exec{Comm: "curl", Filename: "/usr/bin/curl", Args: []string{"curl", "-v"}, PID: 41, PPID: 1, UID: 33, Unit: "cron.service", Container: "3f1b"}}
	group := NewLedger(ByOwner).Groups(ByOwner, &s)[0]
	pair := probes.CrossConnect{A: "eth1", B: "eth2", State: probes.PairActive, AToB: probes.Leg{BPS: 5000, Dropped: 3}}
	for filter, want := range map[string]bool{"proto:udp": true, "ud": true, "proto:t*": false, "rate>1k": true, "!rate>1k": false} {
		passes(t, &protocolKind, Protocol{Name: "udp", RXBPS: 2000}, filter, want)
	}
	for filter, want := range map[string]bool{
		"reason:socket": true, "reason:tcp": false, "iface:eth*": true, "proto:udp": true, "proc:ngi": true, "proc:curl": false,
		"host:10.0.0.0/8": true, "host:11.0.0.1": false, "nginx": true, "no_socket": true,
	} {
		passes(t, &dropKind, drop, filter, want)
	}
	for filter, want := range map[string]bool{
		"proc:cur": true, "file:/usr": true, "pid:41": true, "pid:4": false, "ppid:1": true, "user:33": true, "unit:cron": true,
		"container:3f": true, "-v": true, "wget": false,
	} {
		passes(t, &execKind, exec, filter, want)
	}
	for filter, want := range map[string]bool{group.Key: true, "rate>0": group.RXBPS+group.TXBPS > 0, "zzz": false} {
		passes(t, &groupKind, group, filter, want)
	}
	for filter, want := range map[string]bool{"iface:eth2": true, "iface:eth3": false, "state:active": true, "rate>4k": true, "drops>3": false, "eth1": true} {
		passes(t, &pairKind, pair, filter, want)
	}
}

func passes[R any](t *testing.T, k *kind[R], row R, filter string, want bool) {
	t.Helper()
	if err := k.filter().Check(filter); err != nil {
		t.Errorf("%s, %q: %v", k.rows, filter, err)
	}
	if got := len(k.filtered([]R{row}, filter)) == 1; got != want {
		t.Errorf("%s, %q: %v", k.rows, filter, got)
	}
}

func TestComplete(t *testing.T) {
	rows := []Protocol{{Name: "tcp"}, {Name: "udp"}, {Name: "TLS"}, {Name: "has blank"}, {Name: ""}}
	for said, want := range map[string][]string{
		"": {"proto:", "rate>"}, "p": {"proto:"}, "udp p": {"proto:"}, "!r": {"!rate>"}, "x": nil, "rate>": nil, "rate>1": nil,
		"proto:": {"proto:TLS", "proto:tcp", "proto:udp"}, "proto:t": {"proto:TLS", "proto:tcp"}, "!proto:u": {"!proto:udp"}, "proto:has": nil, "zzz:": nil,
	} {
		if got := ProtocolFilter.Complete(said, rows); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
	if got := ConnectionFilter.Complete("iface:", fake.Sample(3).Connections); !slices.Equal(got, []string{"iface:eth0", "iface:eth1", "iface:wg0"}) {
		t.Errorf("of connections %q", got)
	}
}
