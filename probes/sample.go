// Package probes is the data of ebpftop, and the interfaces between who measures and who
// shows it. It needs the standard library alone. The folders below it measure: live runs
// them together, as a Source of one Sample an interval.
package probes

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Source delivers samples. Live, the running kernel, is one; a test's fake is
// another.
type Source interface {
	// Samples has capacity one and the latest sample wins: a slow reader
	// misses intermediate totals, never an event (events of an unread sample
	// are carried over into the next, as is their number). Closed when the
	// source ends; Err then
	// says why.
	Samples() <-chan Sample
	// SetInterval changes the time between samples from the next one on.
	SetInterval(time.Duration)
	// Err is nil until Samples is closed, and then unless the source failed.
	Err() error
	// Close detaches and frees everything the source holds in the kernel.
	Close() error
}

// Sample is everything the probes counted up to one moment. Totals run since
// the source started, rates are over Interval. A sample is never changed once
// it has been sent.
type Sample struct {
	// Time is the wall clock at the end of the interval.
	Time time.Time
	// Interval is the monotonic time since the sample before.
	Interval time.Duration

	Interfaces  []Interface  // by ifindex
	Totals      Totals       // of all interfaces
	Protocols   []Protocol   // by interface, direction, then packets, most first
	Connections []Connection // in no particular order
	// Passages are those of Connections that pass more than one interface, as each one
	// counted them.
	Passages []Connection
	// Ended are connections that ended since the sample before, as they were last listed.
	Ended []Connection
	// OwnersProblem says why owners are not known, or not all; empty if nothing is missing.
	OwnersProblem string
	// CrossConnects are all pairs in the namespace, by name, those of other
	// processes included.
	CrossConnects []CrossConnect
	// LinksProblem says what is wrong with the file of links; empty if nothing is.
	LinksProblem string
	// OthersUnknown says why pairs and programs of other processes, or the kept ones, are
	// not known, empty if they are.
	OthersUnknown string
	// KeptUnknown tells that it is the kept pairs that are not known.
	KeptUnknown bool
	// InspectorNews is what happened to the process that looks at these, for a while;
	// empty if nothing did.
	InspectorNews string
	// NewConnections is how many tuples appeared in this interval, as the kernel
	// announced them: those already evicted from the table are among them, those
	// that it could not announce are Lost.ConnectionEvents.
	NewConnections uint64
	// Attaching says how far the attaching to interfaces has come, 0 of 0 where it is
	// done.
	Attaching Progress
	Execs     Execs
	Drops     Drops
	Lost      Lost
	Self      Self
}

// Progress is how many of how many are done.
type Progress struct{ Done, All int }

// Interface is one network interface: what ebpftop counted on it, and what
// the kernel itself says of it. Packets are frames on the wire, bytes run from
// the Ethernet header on, without the frame check sequence.
type Interface struct {
	Name    string `json:"name"` // behind NetNS and a slash in another network namespace
	Ifindex int    `json:"ifindex"`
	// NetNS is what the network namespace is called, empty for the one that ebpftop is in.
	NetNS string `json:"netns"`
	// Namespace is the inode number of another network namespace, 0 for our own.
	Namespace uint32 `json:"-"`
	Hook      Hook   `json:"hook"`
	// HookReason says why that hook, or why none ("driver refused XDP: ...").
	HookReason string `json:"hook_reason"`

	Traffic
	Malformed uint64 `json:"malformed"`
	// InTotal tells that the interface is counted in the Totals.
	InTotal bool `json:"in_total"`

	State     string         `json:"state"` // up, down, unknown, ... (RFC 2863)
	Kind      string         `json:"kind"`  // veth, bridge, ...; device for hardware
	MTU       int            `json:"mtu"`   // bytes
	MAC       string         `json:"mac"`
	Addresses []netip.Prefix `json:"addresses"`
	AltNames  []string       `json:"altnames"` // by which ip(8) knows it, too
	Master    string         `json:"master"`   // the bridge, bond, ... that it is a port of
	Lower     []string       `json:"lower"`    // what it stands on: ports, the device below a VLAN
	Peer      *Peer          `json:"peer"`     // the other end of a veth
	Driver    DriverStats    `json:"driver"`
	// UnseenRX and UnseenTX are frames that took a way past the hook since ebpftop counts
	// on the interface, by the driver's word, at least: those of a native XDP program, for
	// one. Where the driver's statistics are of the frames that pass the hook, they are in
	// Traffic, as protocol "unseen".
	UnseenRX uint64 `json:"unseen_rx_packets"`
	UnseenTX uint64 `json:"unseen_tx_packets"`
	// Discrepancy says so in words, with the likely cause; empty if there are none.
	Discrepancy string `json:"discrepancy"`
	// Foreign names the packet programs of others on the interface, as
	// "xdp: name" or "tcx ingress: name".
	Foreign []string `json:"foreign_programs"`
}

// InterfaceKey identifies an interface as long as it is there, whatever its name is.
type InterfaceKey uint64

// Key is in the order of ifindex, our own network namespace first.
func (i *Interface) Key() InterfaceKey {
	return keyOf(i.Namespace, i.Ifindex)
}

func keyOf(namespace uint32, ifindex int) InterfaceKey {
	return InterfaceKey(namespace)<<32 | InterfaceKey(uint32(ifindex))
}

// Peer is the other end of a veth. What is not known is nil or empty, and the reason says
// why.
type Peer struct {
	Ifindex int `json:"ifindex"`
	// NetNSID is the number that this network namespace has for that of the peer, nil if
	// they are in the same.
	NetNSID *int   `json:"netnsid"`
	Name    string `json:"name"`
	// Hostname is the host name of the container that the peer is in: that of the process
	// there that has run for longest, unless it is the name of this host.
	Hostname       *string `json:"hostname"`
	HostnameReason string  `json:"hostname_reason,omitempty"`
	Namespace      string  `json:"namespace,omitempty"` // its name in /run/netns
	// Inode is that of the network namespace if its interfaces are watched, too, else 0.
	Inode uint32 `json:"-"`
	// Address is the first one that is not link-local, an IPv4 one if there is any. It can
	// be some seconds old.
	Address       *netip.Addr `json:"address"`
	AddressReason string      `json:"address_reason,omitempty"`
}

// Key is that of the peer, false if its namespace is not watched.
func (p *Peer) Key() (InterfaceKey, bool) { return keyOf(p.Inode, p.Ifindex), p.Inode != 0 }

// Owner names what the peer is in: by host name or by the name in /run/netns. It is empty if
// there is neither, and in this namespace.
func (p *Peer) Owner() string {
	switch {
	case p == nil || p.NetNSID == nil:
		return ""
	case p.Hostname != nil:
		return *p.Hostname
	}
	return p.Namespace
}

// Where is the Owner, or the number of the namespace if that is not known.
func (p *Peer) Where() string {
	if p == nil || p.NetNSID == nil {
		return ""
	}
	return cmp.Or(p.Owner(), "netns "+strconv.Itoa(*p.NetNSID))
}

// SetAddress chooses from the addresses of the peer.
func (p *Peer) SetAddress(addresses []netip.Prefix) {
	p.Address, p.AddressReason = nil, "it has none but link-local ones"
	for i := range addresses {
		address := addresses[i].Addr()
		if address.IsLinkLocalUnicast() || p.Address != nil && !(p.Address.Is6() && address.Is4()) {
			continue
		}
		p.Address, p.AddressReason = &address, ""
	}
	if len(addresses) == 0 {
		p.AddressReason = "it has none"
	}
}

// Traffic counts received (RX) and sent (TX) frames and bytes.
type Traffic struct {
	RXPackets uint64  `json:"rx_packets"`
	RXBytes   uint64  `json:"rx_bytes"`
	TXPackets uint64  `json:"tx_packets"`
	TXBytes   uint64  `json:"tx_bytes"`
	RXPPS     float64 `json:"rx_pps"` // packets per second
	RXBPS     float64 `json:"rx_bps"` // bits per second
	TXPPS     float64 `json:"tx_pps"`
	TXBPS     float64 `json:"tx_bps"`
}

// Add takes in the traffic of a protocol.
func (t *Traffic) Add(p *Protocol) {
	if p.Direction == RX {
		t.RXPackets += p.Packets
		t.RXBytes += p.Bytes
		t.RXPPS += p.PPS
		t.RXBPS += p.BPS
	} else {
		t.TXPackets += p.Packets
		t.TXBytes += p.Bytes
		t.TXPPS += p.PPS
		t.TXBPS += p.BPS
	}
}

// Totals are the traffic of all interfaces, each frame once in a direction: an interface
// that stands on others, a bridge on its ports or a VLAN on its device, carries the same
// frames again and is left out. What was counted on an interface that went stays.
type Totals struct {
	Since time.Time `json:"since"`
	Traffic
	Protocols []Protocol `json:"protocols"` // of no interface; ordered as those of one
}

// DriverStats are the interface's own statistics, since the interface was
// made (rtnl_link_stats64).
type DriverStats struct {
	RXPackets uint64 `json:"rx_packets"`
	RXBytes   uint64 `json:"rx_bytes"`
	RXDropped uint64 `json:"rx_dropped"`
	RXErrors  uint64 `json:"rx_errors"`
	TXPackets uint64 `json:"tx_packets"`
	TXBytes   uint64 `json:"tx_bytes"`
	TXDropped uint64 `json:"tx_dropped"`
	TXErrors  uint64 `json:"tx_errors"`
}

// Direction is rx for received frames, tx for sent ones.
type Direction string

// The two directions, as seen from the host.
const (
	RX Direction = "rx"
	TX Direction = "tx"
)

// Protocol is the traffic of one protocol on one interface in one direction.
// Number is set for IP traffic, Ethertype for the rest, never both; none for frames that
// the driver alone saw.
type Protocol struct {
	Interface string    `json:"interface,omitempty"`
	Direction Direction `json:"direction"`
	Name      string    `json:"protocol"`
	Number    *uint8    `json:"number"`    // IP protocol number
	Ethertype *uint16   `json:"ethertype"` // of a frame that is not IP
	Packets   uint64    `json:"packets"`
	Bytes     uint64    `json:"bytes"`
	PPS       float64   `json:"pps"` // packets per second
	BPS       float64   `json:"bps"` // bits per second
}

// Endpoint is one end of a connection. Port is 0 where the protocol has no
// ports, or the frame was a later fragment that carries none.
type Endpoint netip.AddrPort

// AppendTo appends "10.0.0.1:80" or "[fd00::1]:80", and the bare address without a port.
func (e Endpoint) AppendTo(b []byte) []byte {
	ap := netip.AddrPort(e)
	if ap.Port() == 0 {
		return ap.Addr().AppendTo(b)
	}
	return ap.AppendTo(b)
}

// String returns the text that AppendTo appends.
func (e Endpoint) String() string { return string(e.AppendTo(nil)) }

// MarshalText returns the text that AppendTo appends.
func (e Endpoint) MarshalText() ([]byte, error) { return e.AppendTo(nil), nil }

// TCPFlags is a set of TCP flag bits as in octet 13 of the header.
type TCPFlags uint8

// Connection is one 5-tuple, both directions in one row. The local end is the
// destination of received and the source of sent frames. Where the host forwards, it is the
// end in a container, and frames count once: where they came in, or where they left if
// that is more.
type Connection struct {
	Interface string `json:"interface"` // the first one of Path
	// Path is the interfaces that it passes, from the local end to the remote one. Nil:
	// this is what Interface alone counted of one that passes others, too.
	Path      []string  `json:"path"`
	Protocol  string    `json:"protocol"`
	Local     Endpoint  `json:"local"`
	Remote    Endpoint  `json:"remote"`
	RXPackets uint64    `json:"rx_packets"`
	RXBytes   uint64    `json:"rx_bytes"`
	TXPackets uint64    `json:"tx_packets"`
	TXBytes   uint64    `json:"tx_bytes"`
	RXBPS     float64   `json:"rx_bps"` // bits per second
	TXBPS     float64   `json:"tx_bps"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	RXFlags   TCPFlags  `json:"rx_tcp_flags"` // all flags seen so far
	TXFlags   TCPFlags  `json:"tx_tcp_flags"`

	State State `json:"state"` // of TCP: that of the socket, or else by the flags seen
	// Quality is what the socket knows of a TCP connection; nil where there is none, or it was
	// not asked yet. Connections may share what it points to with earlier samples.
	*Quality
	// Owner has the socket at the local end; nil if that is not known, ambiguous if
	// several may: see OwnerReason.
	// Connections share it.
	OwnerReason OwnerReason `json:"owner_reason"`
	Owner       *Owner      `json:"owner"`
	ClosedAt    time.Time   `json:"closed_at,omitzero"` // zero unless State is StateClosed
}

// Quality is how well a TCP connection does, as the end sees it that has the socket.
type Quality struct {
	RTT         uint32 `json:"rtt_us"`      // us, smoothed by the kernel; 0: not measured
	Retransmits uint32 `json:"retransmits"` // segments that were sent again, since the start
	Cwnd        uint32 `json:"cwnd"`        // segments that may be under way
	Unacked     uint32 `json:"unacked"`     // segments that are
}

// RoundTrip is the round-trip time, 0 if it was not measured.
func (q *Quality) RoundTrip() time.Duration { return time.Duration(q.RTT) * time.Microsecond }

// Passes tells whether an interface is on the path.
func (c *Connection) Passes(iface string) bool {
	return c.Interface == iface || slices.Contains(c.Path, iface)
}

// Execs are the programs executed on the host, in all its containers.
type Execs struct {
	// LeftOut says that nobody wants to know them: no program is attached, nothing else
	// is set.
	LeftOut bool `json:"-"`
	// ArgsLeftOut says that nobody wants to know their arguments: Args is nil in all.
	ArgsLeftOut bool `json:"-"`
	// Hook says how they are seen: "btf raw tracepoint", "syscall tracepoint",
	// "kprobe", or "" where the kernel offers none (HookReason says why).
	Hook       string `json:"hook"`
	HookReason string `json:"hook_reason,omitempty"`
	Total      uint64 `json:"total"`
	// Failed counts execve and execveat calls that failed; nil where the hook
	// cannot see them.
	Failed    *uint64 `json:"failed"`
	PerSecond float64 `json:"per_second"`
	// Events are the programs executed in this interval, oldest first.
	Events []Exec `json:"events"`
}

// Exec is one program executed. Strings are as the kernel has them: they can
// hold any byte, and must be escaped before they reach a terminal.
type Exec struct {
	Time     time.Time `json:"time"`
	PID      uint32    `json:"pid"`
	PPID     uint32    `json:"ppid"` // 0 where the hook cannot see it
	UID      uint32    `json:"uid"`
	Comm     string    `json:"comm"`
	Filename string    `json:"filename"`
	Args     []string  `json:"args"` // nil if they are left out
	// ArgsTruncated says that not all of the arguments are there: they were longer than
	// what is kept, or are left out.
	ArgsTruncated bool `json:"args_truncated"`

	// Where it runs, and its parent and those before; empty where the hook cannot see it.
	Cgroup    string     `json:"cgroup"`
	Unit      string     `json:"unit"`
	Container string     `json:"container"`
	Pod       string     `json:"pod_uid"`
	Hostname  string     `json:"hostname"`
	Ancestors []Ancestor `json:"ancestors"`
}

// Ancestor is a process that another one descends from.
type Ancestor struct {
	PID  uint32 `json:"pid"`
	Comm string `json:"comm"`
}

// Lost counts what could not be shown. Totals are exact all the same.
type Lost struct {
	ConnectionEvents   uint64 `json:"connection_events"`   // ring buffer was full
	ExecEvents         uint64 `json:"exec_events"`         // ring buffer was full
	ConnectionsEvicted uint64 `json:"connections_evicted"` // table was full
	ConnectionsEnded   uint64 `json:"connections_ended"`   // over, see Ageing
	OwnerChanges       uint64 `json:"owner_changes"`       // too many sockets at once
	// Drops are dropped packets that are in no row, because the table was full, and in no
	// total.
	Drops uint64 `json:"drops"`
}

// Self holds the CPU time and memory that ebpftop itself takes.
type Self struct {
	CPU float64 // share of one core over the interval, 0.01 is 1 %
	RSS uint64  // resident memory in bytes
}
