package owners

import (
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Bits of octet 13 of the TCP header (RFC 9293, 3.1).
const (
	fin probes.TCPFlags = 1 << 0
	syn probes.TCPFlags = 1 << 1
	rst probes.TCPFlags = 1 << 2
	ack probes.TCPFlags = 1 << 4
)

// timeWait is how long the kernel keeps a connection in TIME-WAIT: TCP_TIMEWAIT_LEN in
// include/net/tcp.h.
const timeWait = 60 * time.Second

// streamState is the state of a socket's connection. Because the kernel's own ends where the
// socket is replaced by a small one that waits, what that waits for is told by what was
// received: FIN, then it is TIME-WAIT, else FIN-WAIT-2 (tcp_time_wait() in
// net/ipv4/tcp_minisocks.c).
func streamState(s *socket, received probes.TCPFlags, sinceEnd time.Duration) probes.State {
	if s.state != probes.StateClosed || received&rst != 0 || sinceEnd >= timeWait {
		return s.state
	}
	switch s.before {
	case probes.StateFinWait2, probes.StateClosing:
		if received&fin == 0 {
			return probes.StateFinWait2
		}
		return probes.StateTimeWait
	}
	return s.state
}

// flagState is the state of a connection whose socket is not here, by the flags seen: as it
// is at the local end.
func flagState(c *probes.Connection) probes.State {
	received, sent := c.RXFlags, c.TXFlags
	switch {
	case (received|sent)&rst != 0:
		return probes.StateClosed
	case received&sent&fin != 0:
		return probes.StateClosed
	case sent&fin != 0:
		return probes.StateFinWait1
	case received&fin != 0:
		return probes.StateCloseWait
	case received&ack != 0 && sent&ack != 0:
		return probes.StateEstablished
	case sent&syn != 0 && received == 0:
		return probes.StateSynSent
	case (received|sent)&syn != 0:
		return probes.StateSynRecv
	}
	return probes.StateEstablished // from before our start
}
