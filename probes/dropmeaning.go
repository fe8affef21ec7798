package probes

// dropMeanings says what a reason usually means, and what to look at. The reasons are the
// kernel's (include/net/dropreason-core.h), and those of package drops.
var dropMeanings = map[string]string{
	"NOT_SPECIFIED": "The kernel does not say. The function that dropped it is the best hint.",

	// For nobody here.
	"NO_SOCKET":       "Nobody listens there. Look at the port, and at `ss -lntu`; scans look like this, too.",
	"OTHERHOST":       "Not addressed to this host: normal if the interface is promiscuous or a switch floods. Else look at the neighbour's MAC table.",
	"UNHANDLED_PROTO": "No protocol in the kernel takes such frames: LLDP, STP and the like, normally harmless.",
	"IP_NOPROTO":      "Nobody takes this IP protocol. Is a module for a tunnel missing?",
	"SOCKET_CLOSE":    "The socket was closed while packets waited for it.",
	"QUEUE_PURGE":     "A queue was emptied with packets in it: its socket was closed, or its neighbour or device went.",
	"TCP_CLOSE":       "The connection is closed already.",

	// Not taken in time.
	"SOCKET_RCVBUFF":      "The program reads more slowly than packets come. Look at its CPU; raise SO_RCVBUF or net.core.rmem_max.",
	"SOCKET_BACKLOG":      "The socket was busy, and its backlog full. Look at the CPU of the program; raise its receive buffer.",
	"PROTO_MEM":           "The protocol's memory is used up. Look at net.ipv4.tcp_mem or udp_mem, and at who keeps data unread.",
	"TCP_LISTEN_OVERFLOW": "The program accepts too slowly. Look at its CPU, its listen() backlog and net.core.somaxconn.",
	"CPU_BACKLOG":         "A CPU could not keep up. Look at /proc/net/softnet_stat, net.core.netdev_max_backlog, and how packets spread over CPUs (RSS, RPS).",
	"FULL_RING":           "The ring of the receiving device was full: the guest, or the far end of a veth, does not keep up.",
	"NOMEM":               "There was no memory for it. Look at free memory and vm.min_free_kbytes.",
	"PFMEMALLOC":          "Memory was so short that only swapping may receive. Look at free memory.",

	// Somebody decided so.
	"NETFILTER_DROP":    "A firewall rule drops it. Look at the counters of `nft list ruleset` or `iptables -nvL`.",
	"SOCKET_FILTER":     "A filter of the socket (SO_ATTACH_FILTER, SO_ATTACH_BPF) refuses it.",
	"BPF_CGROUP_EGRESS": "A BPF program of the cgroup refuses it. Look at `bpftool cgroup tree`.",
	"TC_INGRESS":        "A tc filter or BPF program on ingress drops it. Look at `tc -s filter show dev X ingress`, `bpftool net`.",
	"TC_EGRESS":         "A tc filter or BPF program on egress drops it. Look at `tc -s filter show dev X egress`, `bpftool net`.",
	"XDP":               "An XDP program behind the driver (generic) drops it. Look at `ip link show`, `bpftool net`.",
	"SECURITY_HOOK":     "A security module (SELinux, AppArmor) refuses it. Look at the audit log.",
	"XFRM_POLICY":       "An IPsec policy wants it encrypted, or refuses it. Look at `ip xfrm policy`.",

	// Broken.
	"TCP_CSUM":      "TCP's checksum is wrong: broken on the way, or offloading that nobody did. Look at `ethtool -k` of both ends.",
	"UDP_CSUM":      "UDP's checksum is wrong: broken on the way, or offloading that nobody did. Look at `ethtool -k` of both ends.",
	"ICMP_CSUM":     "ICMP's checksum is wrong: broken on the way.",
	"IP_CSUM":       "The checksum of the IP header is wrong: broken on the way.",
	"SKB_CSUM":      "The checksum could not be filled in or checked. Look at `ethtool -k`.",
	"IP_INHDR":      "The IP header is broken.",
	"PKT_TOO_SMALL": "Shorter than it claims: cut on the way, or made up.",
	"HDR_TRUNC":     "Its headers end too early: cut on the way, or made up.",
	"TCP_FLAGS":     "TCP flags that do not go together: a scan, or an end that lost its state.",

	// Routes and neighbours.
	"IP_RPFILTER":        "The answer would leave by another interface (reverse path). Look at `ip route get SOURCE`, net.ipv4.conf.*.rp_filter.",
	"IP_OUTNOROUTES":     "There is no route for what is to be sent. Look at `ip route get DESTINATION`.",
	"IP_INNOROUTES":      "There is no route for what came in to be forwarded. Look at `ip route get DESTINATION`.",
	"IP_INADDRERRORS":    "The destination cannot be used, or is unreachable by a route of that kind. Look at `ip route get DESTINATION`.",
	"IP_LOCAL_SOURCE":    "It claims to come from an address of this host: a loop, or spoofed.",
	"IP_INVALID_SOURCE":  "A source address that nobody may have: spoofed, or misconfigured.",
	"IP_INVALID_DEST":    "A destination address that nobody may have.",
	"IPV6DISABLED":       "IPv6 is switched off on the interface (disable_ipv6).",
	"NEIGH_FAILED":       "The next hop does not answer (ARP, neighbour discovery). Look at `ip neigh`, the cable, the VLAN.",
	"NEIGH_QUEUEFULL":    "Too many packets waited for the next hop to answer. Look at `ip neigh`.",
	"NEIGH_CREATEFAIL":   "No room for another neighbour. Look at net.ipv4.neigh.default.gc_thresh3.",
	"NEIGH_DEAD":         "The neighbour was removed while packets waited for it.",
	"PKT_TOO_BIG":        "Longer than the MTU of where it goes, and not to be fragmented. Look at MTUs, and whether ICMP gets back (path MTU).",
	"FRAG_REASM_TIMEOUT": "Fragments are missing: lost or filtered on the way.",

	// Devices and queues.
	"QDISC_DROP":      "The queueing discipline is full, or shapes it off. Look at `tc -s qdisc show dev X`.",
	"QDISC_OVERLIMIT": "The queueing discipline is full, or shapes it off. Look at `tc -s qdisc show dev X`.",
	"QDISC_CONGESTED": "The queueing discipline signals congestion (AQM). Look at `tc -s qdisc show dev X`.",
	"DEV_READY":       "The device is down, or goes. Look at `ip link`.",
	"NO_TX_TARGET":    "The device has no way on: no port, no neighbour entry, no tunnel end.",
	"SKB_GSO_SEG":     "It could not be cut into segments. Look at `ethtool -k`.",
	"TAP_FILTER":      "A filter of the tap device refuses it.",

	// TCP.
	"TCP_OLD_DATA":             "It repeats what was received: sent again although it had arrived. Some is normal; much of it means lost or late acknowledgements.",
	"TCP_OFOMERGE":             "It repeats what waits for a gap before it.",
	"TCP_OVERWINDOW":           "Beyond the receive window: a middlebox, or an end that ignores it.",
	"TCP_ZEROWINDOW":           "The receiver has no room. Look at the CPU of the program that reads.",
	"TCP_RFC7323_PAWS":         "Its timestamp is too old: a late duplicate, or hosts behind one NAT.",
	"TCP_OLD_SEQUENCE":         "Before the window: a late duplicate.",
	"TCP_INVALID_SEQUENCE":     "Not within the window: an end that lost its state, or made up.",
	"TCP_INVALID_SYN":          "A SYN in the middle of a connection: an end that restarted, or made up.",
	"TCP_INVALID_ACK_SEQUENCE": "It acknowledges what was never sent.",
	"TCP_RESET":                "A reset, which ended the connection.",
	"TCP_ABORT_ON_DATA":        "Data for a connection that the program has closed: it was reset.",
	"TCP_OFO_QUEUE_PRUNE":      "Memory was short, so what waited for a gap was given up.",

	// XDP.
	"XDP_ABORTED": "The XDP program failed (XDP_ABORTED). Ask whoever wrote it.",
	"XDP_TX":      "The driver could not send back what the XDP program answered.",

	// Interfaces.
	"RX_MISSED":  "The hardware had no buffer free: the CPU does not keep up. Look at `ethtool -g` (ring), `ethtool -l` (queues).",
	"RX_FIFO":    "The hardware's queue was full. Look at `ethtool -S`, flow control (`ethtool -a`).",
	"RX_OVER":    "Frames longer than the hardware's buffer. Look at the MTU of both ends.",
	"RX_LENGTH":  "Frames of a wrong length. Look at the MTU of both ends.",
	"RX_CRC":     "Broken on the wire. Look at cable, transceiver, the port at the other end.",
	"RX_FRAME":   "Broken on the wire: no whole number of bytes. Look at cable and duplex.",
	"TX_CARRIER": "No carrier while sending. Look at cable, transceiver, the port at the other end.",
	"TX_ABORTED": "Given up while sending: collisions, or the hardware stopped.",
	"TX_FIFO":    "The hardware ran out of data while sending.",
	"TX_WINDOW":  "Late collisions: the duplex of the ends differs.",
}

// Meaning says what the reason usually means, and what to look at: "" if we know no more
// than its name.
func (d *Drop) Meaning() string { return dropMeanings[d.Reason] }
