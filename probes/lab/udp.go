package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sync/errgroup"
)

// dns is queries over IPv4 and IPv6, each from a port of its own, as resolvers
// send them.
func dns(ctx context.Context, n *Network) error {
	var server net.PacketConn
	err := n.Server.Do(func() (err error) {
		server, err = net.ListenPacket("udp", ":53")
		return err
	})
	if err != nil {
		return err
	}
	defer server.Close()

	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, func() { server.Close() })()
	group.Go(func() error { return answerQueries(server, n.Server) })
	group.Go(func() error {
		return repeat(ctx, 250*time.Millisecond, 25*time.Second, func() error {
			address := n.Server.IPv4
			if rand.IntN(3) == 0 {
				address = n.Server.IPv6
			}
			return query(ctx, n.Client, netip.AddrPortFrom(address, 53))
		})
	})
	return group.Wait()
}

// answerQueries answers every query with the host's address.
func answerQueries(conn net.PacketConn, host *Host) error {
	buffer := make([]byte, 512)
	for {
		length, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		var message dnsmessage.Message
		if err := message.Unpack(buffer[:length]); err != nil {
			return fmt.Errorf("DNS query: %w", err)
		}
		message.Response, message.Authoritative = true, true
		for _, question := range message.Questions {
			message.Answers = append(message.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: host.IPv4.As4()},
			})
		}
		reply, err := message.Pack()
		if err != nil {
			return fmt.Errorf("DNS reply: %w", err)
		}
		if _, err := conn.WriteTo(reply, from); err != nil {
			return err
		}
	}
}

// query asks for a random name and waits for the reply.
func query(ctx context.Context, from *Host, server netip.AddrPort) error {
	name, err := dnsmessage.NewName(fmt.Sprintf("host-%d.example.", rand.IntN(1000)))
	if err != nil {
		return err
	}
	message := dnsmessage.Message{
		Header: dnsmessage.Header{ID: uint16(rand.Uint32()), RecursionDesired: true},
		Questions: []dnsmessage.Question{
			{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
		},
	}
	packed, err := message.Pack()
	if err != nil {
		return fmt.Errorf("DNS query: %w", err)
	}
	conn, err := from.dial(ctx, "udp", server.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(ioTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(packed); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 512))
	return err
}

// closed is packets from the client to a port of the switch where nobody listens, which
// drops them.
func closed(ctx context.Context, n *Network) error {
	conn, err := n.Client.dial(ctx, "udp", netip.AddrPortFrom(n.Switch.IPv4, 162).String())
	if err != nil {
		return err
	}
	defer conn.Close()
	return repeat(ctx, 700*time.Millisecond, 20*time.Second, func() error {
		_, _ = conn.Write([]byte("trap")) // the answer to the one before is an error of this one
		return ctx.Err()
	})
}
