package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// ping is echo requests in both IP versions, from the client to the server and
// from the server to the switch.
func ping(ctx context.Context, n *Network) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, way := range []struct{ from, to *Host }{{n.Client, n.Server}, {n.Server, n.Switch}} {
		group.Go(func() error { return echoes(ctx, way.from, way.to.IPv4) })
		group.Go(func() error { return echoes(ctx, way.from, way.to.IPv6) })
	}
	return group.Wait()
}

// knock is echo requests in both IP versions between left and right, which
// reach each other only while somebody connects them in the switch.
func knock(ctx context.Context, n *Network) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, way := range []struct{ from, to *Host }{{n.Left, n.Right}, {n.Right, n.Left}} {
		group.Go(func() error { return knocks(ctx, way.from, way.to.IPv4) })
		group.Go(func() error { return knocks(ctx, way.from, way.to.IPv6) })
	}
	return group.Wait()
}

// echoes sends echo requests to the address, one after the other, and waits
// for the reply to each.
func echoes(ctx context.Context, from *Host, to netip.Addr) error {
	p, err := newPinger(ctx, from.Namespace, to)
	if err != nil {
		return err
	}
	defer p.Close()
	return repeat(ctx, 500*time.Millisecond, 30*time.Second, func() error { return p.echo(ioTimeout) })
}

// knocks is echoes to an address that may not answer.
func knocks(ctx context.Context, from *Host, to netip.Addr) error {
	p, err := newPinger(ctx, from.Namespace, to)
	if err != nil {
		return err
	}
	defer p.Close()
	return repeat(ctx, 500*time.Millisecond, 30*time.Second, func() error {
		_ = p.echo(500 * time.Millisecond) // nobody may be there
		return ctx.Err()
	})
}

// Ping sends count echo requests to the address, each as soon as the one before
// was answered. The error is of the first that was not.
func (n *Namespace) Ping(ctx context.Context, to netip.Addr, count int) error {
	p, err := newPinger(ctx, n, to)
	if err != nil {
		return err
	}
	defer p.Close()
	for i := range count {
		if err := p.echo(ioTimeout); err != nil {
			return fmt.Errorf("echo request %d of %d to %s: %w", i+1, count, to, err)
		}
	}
	return nil
}

// pinger sends echo requests to one address.
type pinger struct {
	*icmp.PacketConn
	to             net.Addr
	protocol       int
	request, reply icmp.Type
	body           icmp.Echo
	stopWatching   func() bool
}

// newPinger opens a pinger, which fails when ctx ends.
func newPinger(ctx context.Context, from *Namespace, to netip.Addr) (*pinger, error) {
	p := &pinger{
		to:       &net.IPAddr{IP: to.AsSlice()},
		protocol: unix.IPPROTO_ICMP,
		request:  ipv4.ICMPTypeEcho,
		reply:    ipv4.ICMPTypeEchoReply,
		body:     icmp.Echo{ID: rand.IntN(1 << 16), Data: make([]byte, 56)},
	}
	network, local := "ip4:icmp", "0.0.0.0"
	if to.Is6() {
		network, local, p.protocol = "ip6:ipv6-icmp", "::", unix.IPPROTO_ICMPV6
		p.request, p.reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	err := from.Do(func() (err error) {
		p.PacketConn, err = icmp.ListenPacket(network, local)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.stopWatching = context.AfterFunc(ctx, func() { p.PacketConn.Close() })
	return p, nil
}

func (p *pinger) Close() {
	p.stopWatching()
	p.PacketConn.Close()
}

// echo sends a request and waits for the reply.
func (p *pinger) echo(timeout time.Duration) error {
	p.body.Seq = (p.body.Seq + 1) % (1 << 16)
	message := icmp.Message{Type: p.request, Body: &p.body}
	packet, err := message.Marshal(nil)
	if err != nil {
		return fmt.Errorf("echo request: %w", err)
	}
	if err := p.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := p.WriteTo(packet, p.to); err != nil {
		return err
	}
	return p.awaitReply()
}

// awaitReply reads until the reply comes: a raw socket gets the ICMP messages
// of the whole host.
func (p *pinger) awaitReply() error {
	buffer := make([]byte, 2048)
	for {
		length, _, err := p.ReadFrom(buffer)
		if err != nil {
			return err
		}
		message, err := icmp.ParseMessage(p.protocol, buffer[:length])
		if err != nil {
			return fmt.Errorf("echo reply: %w", err)
		}
		got, isEcho := message.Body.(*icmp.Echo)
		if isEcho && message.Type == p.reply && got.ID == p.body.ID && got.Seq == p.body.Seq {
			return nil
		}
	}
}
