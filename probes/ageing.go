package probes

import "time"

// Ageing is after how long without a packet a connection is over and leaves the list. 0 is
// never.
type Ageing struct {
	Closed time.Duration // TCP that was reset, or closed from both ends
	TCP    time.Duration // other TCP that was answered
	Other  time.Duration // what is not TCP, and TCP that was never answered
}

// Bits of octet 13 of the TCP header (RFC 9293, 3.1).
const (
	fin TCPFlags = 1 << 0
	rst TCPFlags = 1 << 2
	ack TCPFlags = 1 << 4
)

// IsOver tells whether a connection is over at a moment.
func (a Ageing) IsOver(c *Connection, now time.Time) bool {
	limit := a.limit(c)
	return limit > 0 && now.Sub(c.LastSeen) > limit
}

func (a Ageing) limit(c *Connection) time.Duration {
	switch {
	case c.Protocol != "tcp":
		return a.Other
	case (c.RXFlags|c.TXFlags)&rst != 0, c.RXFlags&c.TXFlags&fin != 0:
		return a.Closed
	case (c.RXFlags|c.TXFlags)&ack == 0:
		return a.Other
	}
	return a.TCP
}
