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

// echoes sends echo requests to the address, one after the other, and waits
// for the reply to each.
func echoes(ctx context.Context, from *Host, to netip.Addr) error {
	network, local, protocol := "ip4:icmp", "0.0.0.0", unix.IPPROTO_ICMP
	var request, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if to.Is6() {
		network, local, protocol = "ip6:ipv6-icmp", "::", unix.IPPROTO_ICMPV6
		request, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	var conn *icmp.PacketConn
	err := from.Do(func() (err error) {
		conn, err = icmp.ListenPacket(network, local)
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	echo := icmp.Echo{ID: rand.IntN(1 << 16), Data: make([]byte, 56)}
	return repeat(ctx, 500*time.Millisecond, 30*time.Second, func() error {
		echo.Seq = (echo.Seq + 1) % (1 << 16)
		message := icmp.Message{Type: request, Body: &echo}
		packet, err := message.Marshal(nil)
		if err != nil {
			return fmt.Errorf("echo request: %w", err)
		}
		if err := conn.SetDeadline(time.Now().Add(ioTimeout)); err != nil {
			return err
		}
		if _, err := conn.WriteTo(packet, &net.IPAddr{IP: to.AsSlice()}); err != nil {
			return err
		}
		return awaitEcho(conn, protocol, reply, &echo)
	})
}

// awaitEcho reads until the reply comes: a raw socket gets the ICMP messages
// of the whole host.
func awaitEcho(conn *icmp.PacketConn, protocol int, reply icmp.Type, want *icmp.Echo) error {
	buffer := make([]byte, 2048)
	for {
		length, _, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		message, err := icmp.ParseMessage(protocol, buffer[:length])
		if err != nil {
			return fmt.Errorf("echo reply: %w", err)
		}
		got, isEcho := message.Body.(*icmp.Echo)
		if isEcho && message.Type == reply && got.ID == want.ID && got.Seq == want.Seq {
			return nil
		}
	}
}
