package fake

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Interval is the time between samples.
const Interval = 500 * time.Millisecond

// Start is the time of the first sample.
var Start = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// Sample is the n-th sample of a host with a good deal going on: the same for
// the same n.
func Sample(n int) probes.Sample {
	s := probes.Sample{
		Time:     Start.Add(time.Duration(n) * Interval),
		Interval: Interval,
		Self:     probes.Self{CPU: 0.004 + 0.001*wave(n, 5), RSS: 18_400_000},
	}
	s.Interfaces = livelyInterfaces(n)
	s.Protocols = livelyProtocols(n)
	SumUp(&s)
	s.Connections, s.NewConnections = livelyConnections(n, s.Time)
	s.Execs = livelyExecs(n, s.Time)
	s.Drops = livelyDrops(n, s.Time)
	return s
}

// SumUp makes the totals of a sample out of its interfaces and protocols.
func SumUp(s *probes.Sample) {
	in := make(map[string]bool)
	for i := range s.Interfaces {
		in[s.Interfaces[i].Name] = s.Interfaces[i].InTotal
	}
	type key struct {
		name      string
		direction probes.Direction
	}
	s.Totals = probes.Totals{Since: Start}
	rows := make(map[key]int)
	for _, p := range s.Protocols {
		if !in[p.Interface] {
			continue
		}
		s.Totals.Traffic.Add(&p)
		p.Interface = ""
		at, ok := rows[key{p.Name, p.Direction}]
		if !ok {
			rows[key{p.Name, p.Direction}] = len(s.Totals.Protocols)
			s.Totals.Protocols = append(s.Totals.Protocols, p)
			continue
		}
		sum := &s.Totals.Protocols[at]
		sum.Packets, sum.Bytes = sum.Packets+p.Packets, sum.Bytes+p.Bytes
		sum.PPS, sum.BPS = sum.PPS+p.PPS, sum.BPS+p.BPS
	}
}

// wave moves between 0 and 1 with the given period.
func wave(n, period int) float64 {
	return 0.5 + 0.5*math.Sin(2*math.Pi*float64(n)/float64(period))
}

// burst is quiet most of the time.
func burst(n, period int) float64 { return math.Pow(wave(n, period), 6) }

func livelyInterfaces(n int) []probes.Interface {
	mk := func(name string, index int, hook probes.Hook, reason, kind, state string, rx, tx float64) probes.Interface {
		total := uint64(n + 1)
		return probes.Interface{
			Name: name, Ifindex: index, Hook: hook, HookReason: reason, Kind: kind, State: state,
			MTU: 1500, MAC: fmt.Sprintf("02:00:5e:00:53:%02x", index),
			Addresses: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/24", index)),
				netip.MustParsePrefix(fmt.Sprintf("2001:db8::%x/64", index)),
			},
			Traffic: probes.Traffic{
				RXPPS: math.Round(rx / 9600), RXBPS: rx, TXPPS: math.Round(tx / 7200), TXBPS: tx,
				RXPackets: total * uint64(rx/9600), RXBytes: total * uint64(rx/16),
				TXPackets: total * uint64(tx/7200), TXBytes: total * uint64(tx/16),
			},
			InTotal: kind != "bridge" && kind != "wireguard",
			Driver: probes.DriverStats{
				RXPackets: total * uint64(rx/9600), RXBytes: total * uint64(rx/16),
				TXPackets: total * uint64(tx/7200), TXBytes: total * uint64(tx/16),
			},
		}
	}
	out := []probes.Interface{
		mk("eth0", 2, probes.HookTC, "carries the SSH session", "device", "up", 941e6*(0.6+0.4*wave(n, 37)), 38e6*(0.5+wave(n, 23))),
		mk("eth1", 3, probes.HookXDP, "driver supports native XDP", "device", "up", 2.4e9*(0.3+0.7*wave(n, 61)), 1.9e9*(0.3+0.7*wave(n, 61))),
		mk("br0", 4, probes.HookTC, "virtual device", "bridge", "up", 4.1e6*burst(n, 19), 1.2e6*burst(n, 19)),
		mk("wg0", 5, probes.HookTC, "virtual device", "wireguard", "unknown", 310e3*wave(n, 9), 122e3*wave(n, 11)),
		mk("veth9a41c7e", 6, probes.HookTC, "virtual device", "veth", "up", 0, 0),
		mk("eth2", 7, probes.HookNone, "interface is down", "device", "down", 0, 0),
	}
	out[1].Driver.RXDropped = uint64(n * 3)
	out[1].Foreign = []string{"tcx ingress: cil_from_netdev"}
	out[2].Malformed = uint64(n / 40)
	out[5].Hook, out[5].Foreign = probes.HookNone, nil
	return out
}

func livelyProtocols(n int) []probes.Protocol {
	var out []probes.Protocol
	add := func(iface, name string, bps, size float64) {
		for _, dir := range []probes.Direction{probes.RX, probes.TX} {
			if dir == probes.TX {
				bps *= 0.21
			}
			pps := math.Round(bps / 8 / size)
			out = append(out, probes.Protocol{
				Interface: iface, Direction: dir, Name: name,
				PPS: pps, BPS: bps,
				Packets: uint64(n+1) * uint64(pps/2), Bytes: uint64(n+1) * uint64(bps/16),
			})
		}
	}
	add("eth0", "tcp", 790e6*(0.6+0.4*wave(n, 37)), 1200)
	add("eth0", "udp", 121e6*(0.3+0.7*wave(n, 29)), 900)
	add("eth0", "icmp", 840*math.Round(wave(n, 4)), 98)
	add("eth0", "icmpv6", 1.1e3*burst(n, 31), 86)
	add("eth0", "arp", 672*burst(n, 17), 42)
	add("eth1", "tcp", 2.1e9*(0.3+0.7*wave(n, 61)), 1400)
	add("eth1", "udp", 260e6*(0.3+0.7*wave(n, 61)), 1400)
	add("eth1", "sctp", 4.2e6*burst(n, 47), 300)
	add("eth1", "lldp", 0, 60)
	add("wg0", "udp", 310e3*wave(n, 9), 148)
	return out
}

func livelyConnections(n int, now time.Time) (all []probes.Connection, fresh uint64) {
	for i := range 60 + n/8 {
		first := Start.Add(time.Duration(i-60) * 8 * Interval)
		if i < 12 {
			first = Start.Add(-time.Duration(12-i) * 97 * time.Minute)
		}
		c := probes.Connection{
			Interface: []string{"eth0", "eth1", "wg0"}[i%3],
			Protocol:  []string{"tcp", "tcp", "udp", "tcp", "icmp"}[i%5],
			FirstSeen: first,
			LastSeen:  now.Add(-time.Duration(i%7) * time.Duration(i%5) * 4 * time.Second),
			RXFlags:   0x1a, TXFlags: 0x12,
		}
		if c.LastSeen.Before(first) {
			c.LastSeen = first
		}
		lport, rport := uint16(443), uint16(32768+i*577%28000)
		if c.Protocol == "udp" {
			lport = 53
		}
		if c.Protocol == "icmp" {
			lport, rport = 0, 0
		}
		local, remote := "192.0.2.2", fmt.Sprintf("198.51.100.%d", 1+i*37%250)
		if i%4 == 3 {
			local, remote = "2001:db8::2", fmt.Sprintf("2001:db8:cafe:%x::%x:17", i*31%999, i*7919%65535)
		}
		c.Local = probes.Endpoint(netip.AddrPortFrom(netip.MustParseAddr(local), lport))
		c.Remote = probes.Endpoint(netip.AddrPortFrom(netip.MustParseAddr(remote), rport))
		if i%7*(i%5) == 0 {
			rx, tx := 7e4*float64(1+i%9), 3e3*float64(1+i%11) // bytes in an interval
			c.RXBytes, c.TXBytes = uint64(float64(n+1)*rx), uint64(float64(n+1)*tx)
			if n > 0 {
				c.RXBPS, c.TXBPS = rx*8/Interval.Seconds(), tx*8/Interval.Seconds()
			}
		} else {
			c.RXBytes, c.TXBytes = uint64(1200*i), uint64(7300*i)
		}
		c.RXPackets, c.TXPackets = 1+c.RXBytes/900, 1+c.TXBytes/400
		if c.Owner = livelyOwners[i%len(livelyOwners)]; c.Owner == nil {
			c.OwnerReason = probes.OwnerForwarded
		}
		if c.Protocol == "tcp" {
			c.State = []probes.State{probes.StateEstablished, probes.StateEstablished, probes.StateTimeWait, probes.StateCloseWait}[i%4]
			if c.Owner != nil {
				c.Quality = &probes.Quality{RTT: uint32(180 + i*i*1543%900_000), Retransmits: uint32(i % 4 / 3 * (1 + i%13)), Cwnd: uint32(10 + i%7), Unacked: uint32(i % 3)}
			}
		}
		all = append(all, c)
		if now.Sub(first) < Interval {
			fresh++
		}
	}
	return all, fresh
}

// livelyOwners are of a service, a container, a user, and what a hostile user would call a
// program.
var livelyOwners = []*probes.Owner{
	{PID: 812, UID: 33, User: "www-data", Comm: "nginx", Started: Start.Add(-time.Hour), Cgroup: "/system.slice/nginx.service", Unit: "nginx.service", Hostname: "gate", Certainty: probes.Listener},
	{
		PID: 20433, UID: 999, Comm: "postgres", Started: Start.Add(-time.Hour),
		Cgroup:    "/system.slice/docker-3f1b2c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809.scope",
		Unit:      "docker-3f1b2c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809.scope",
		Container: "3f1b2c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809", Hostname: "db-0", Certainty: probes.Inherited,
	},
	nil,
	{PID: 31007, UID: 1000, User: "ada", Comm: "curl", Started: Start, Cgroup: "/user.slice/user-1000.slice/session-4.scope", Unit: "session-4.scope", Hostname: "gate", Certainty: probes.Opened},
	{PID: 4100, UID: 1000, User: "ada", Comm: "\x1b[31m\u202ered", Started: Start, Certainty: probes.Opened},
	{UID: 0, User: "root", Comm: "unbound", Certainty: probes.Ambiguous},
}

// livelyPrograms includes what a hostile user would run.
var livelyPrograms = [][]string{
	{"/usr/bin/ls", "ls", "-la", "/var/log"},
	{"/usr/bin/curl", "curl", "-fsS", "https://example.org/health"},
	{"/bin/sh", "sh", "-c", "df -h | tail -n +2"},
	{"/usr/bin/df", "df", "-h"},
	{"/usr/sbin/sshd", "sshd", "-R"},
	{"/usr/bin/printf", "printf", "\x1b[2J\x1b[31mowned\u202e\n"},
	{"/usr/bin/git", "git", "fetch", "--prune", "origin", "refs/heads/main:refs/remotes/origin/main"},
	{"/opt/größe/バックアップ", "バックアップ", "--täglich"},
}

func livelyExecs(n int, now time.Time) probes.Execs {
	failed := uint64(n / 30)
	x := probes.Execs{Hook: "btf raw tracepoint", Failed: &failed}
	count := func(n int) int { return n/4 + int(3*burst(n, 40)) }
	total := 0
	for i := 0; i <= n; i++ {
		total += count(i+1) - count(i) + 3
	}
	x.Total = uint64(total)
	fresh := max(0, count(n+1)-count(n))
	if n == 0 {
		fresh = 6
	}
	x.PerSecond = float64(fresh) / Interval.Seconds()
	for i := range fresh {
		p := livelyPrograms[(n*3+i)%len(livelyPrograms)]
		if n > 20 && strings.HasPrefix(p[0], "/opt") {
			// The renderer sends every line with a wide character anew at
			// each refresh: that is not what is measured later on.
			p = livelyPrograms[0]
		}
		x.Events = append(x.Events, probes.Exec{
			Time: now.Add(-time.Duration(fresh-i) * 20 * time.Millisecond),
			PID:  uint32(4100 + n*3 + i), PPID: uint32(1 + i*811), UID: uint32(i % 2 * 1000),
			Comm: p[1][:min(15, len(p[1]))], Filename: p[0], Args: p[1:],
			Unit: []string{"cron.service", "", "session-4.scope"}[(n+i)%3], Hostname: "gate",
			Ancestors: []probes.Ancestor{{PID: uint32(1 + i*811), Comm: "cron"}, {PID: 1, Comm: "systemd"}},
		})
	}
	return x
}

func livelyDrops(n int, now time.Time) probes.Drops {
	var out probes.Drops
	add := func(reason string, source probes.DropSource, function, program, iface, protocol string, each int) {
		d := probes.Drop{
			ID: uint64(len(out.Rows) + 1), Reason: reason, Source: source, Function: function, Program: program,
			Interface: iface, Protocol: protocol, Packets: uint64((n + 1) * each), PerSecond: float64(each) / Interval.Seconds(),
		}
		if source == probes.DropSKB {
			local := probes.Endpoint(netip.MustParseAddrPort("192.0.2.2:161"))
			remote := probes.Endpoint(netip.MustParseAddrPort("198.51.100.9:40611"))
			d.Latest = []probes.DroppedPacket{{Time: now, Protocol: protocol, Local: &local, Remote: &remote}}
			d.Last = &d.Latest[0]
		}
		out.Total += d.Packets
		out.PerSecond += d.PerSecond
		out.Rows = append(out.Rows, d)
	}
	add("NO_SOCKET", probes.DropSKB, "", "", "eth0", "udp", 9)
	add("NETFILTER_DROP", probes.DropSKB, "", "", "eth0", "tcp", 4)
	add("NOT_SPECIFIED", probes.DropSKB, "ip6_mc_input", "", "br0", "icmpv6", 1)
	add("XDP_ABORTED", probes.DropXDP, "", "filter (id 71)", "eth1", "-", 2)
	add("RX_MISSED", probes.DropInterface, "", "", "eth1", "-", 3)
	return out
}
