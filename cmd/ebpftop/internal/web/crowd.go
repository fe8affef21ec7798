package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// crowd are the clients that are connected, at most so many. Where one more comes, another one
// is cut off: of the network that most are from, the one that has been there for longest, whatever
// it does. So nobody keeps others out by connections that he holds open, or keeps busy.
type crowd struct {
	most int

	lock    sync.Mutex
	clients map[net.Conn]client
}

type client struct {
	network netip.Prefix
	since   time.Time
}

// note is http.Server.ConnState.
func (c *crowd) note(conn net.Conn, state http.ConnState) {
	c.lock.Lock()
	defer c.lock.Unlock()
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(c.clients, conn)
	case http.StateNew:
		if c.clients == nil {
			c.clients = make(map[net.Conn]client)
		}
		c.clients[conn] = client{networkOf(conn.RemoteAddr().String()), time.Now()}
		if len(c.clients) > c.most {
			c.cutOff()
		}
	case http.StateActive, http.StateIdle:
	}
}

// cutOff closes the connection of one. It does not wait.
func (c *crowd) cutOff() {
	counts := make(map[netip.Prefix]int)
	for _, one := range c.clients {
		counts[one.network]++
	}
	var last net.Conn
	for conn, one := range c.clients {
		before := c.clients[last]
		more := counts[one.network] - counts[before.network]
		if last == nil || more > 0 || more == 0 && one.since.Before(before.since) {
			last = conn
		}
	}
	delete(c.clients, last)
	if encrypted, isTLS := last.(*tls.Conn); isTLS {
		last = encrypted.NetConn() // because it would send a farewell first
	}
	_ = last.Close() // it may have gone by itself
}

// networkOf is what one client can be taken to have, who has an address: a network of IPv6, this
// host, one address of IPv4, or for a Unix socket none.
func networkOf(address string) netip.Prefix {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	bits, ip := 32, at.Addr().Unmap()
	switch {
	case ip.IsLoopback():
		ip = netip.IPv6Loopback()
		bits = 128
	case ip.Is6():
		bits = 64
	}
	network, _ := ip.WithZone("").Prefix(bits) // as many as there are
	return network
}
