package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
)

// Requests and replies, as a web server has them. Of HTTP they have the amounts alone,
// because package net/http would be a quarter of the program.

// web is over IPv4, a connection for each request.
func web(ctx context.Context, n *Network) error {
	address := netip.AddrPortFrom(n.Server.IPv4, 80)
	return exchange(ctx, n, address, func() error {
		conn, err := n.Client.dial(ctx, "tcp", address.String())
		if err != nil {
			return err
		}
		defer conn.Close()
		return request(conn)
	})
}

// api is over IPv6, on a connection that is kept.
func api(ctx context.Context, n *Network) error {
	address := netip.AddrPortFrom(n.Server.IPv6, 8080)
	var kept net.Conn
	defer func() {
		if kept != nil {
			kept.Close()
		}
	}()
	return exchange(ctx, n, address, func() (err error) {
		if kept == nil {
			if kept, err = n.Client.dial(ctx, "tcp", address.String()); err != nil {
				return err
			}
		}
		return request(kept)
	})
}

// exchange serves requests at an address, and makes them, until ctx ends or one fails.
func exchange(ctx context.Context, n *Network, address netip.AddrPort, request func() error) error {
	listener, err := n.Server.listen(address)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx, group, listener) })
	group.Go(func() error {
		defer listener.Close()
		return repeat(ctx, 150*time.Millisecond, 40*time.Second, request)
	})
	return group.Wait()
}

// serve answers on all connections until the listener is closed.
func serve(ctx context.Context, group *errgroup.Group, listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		group.Go(func() error {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			for answer(conn) == nil { // what goes wrong is the client's to report
			}
			return nil
		})
	}
}

// sizes are the first bytes of a request: how many more it has, and how many the reply
// is to have.
type sizes struct{ Request, Reply uint32 }

// answer reads a request, and replies with as many bytes as it asks for.
func answer(conn net.Conn) error {
	var asked sizes
	if err := binary.Read(conn, binary.BigEndian, &asked); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, conn, int64(asked.Request)); err != nil {
		return err
	}
	_, err := conn.Write(make([]byte, asked.Reply))
	return err
}

// request sends some bytes and asks for some more: mostly few, at times tens of
// kilobytes.
func request(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(ioTimeout)); err != nil {
		return err
	}
	ask := sizes{Request: uint32(rand.ExpFloat64() * 500), Reply: uint32(rand.ExpFloat64() * 8_000)}
	message := binary.BigEndian.AppendUint32(nil, ask.Request)
	message = binary.BigEndian.AppendUint32(message, ask.Reply)
	if _, err := conn.Write(append(message, make([]byte, ask.Request)...)); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, conn, int64(ask.Reply)); err != nil {
		return fmt.Errorf("read reply of %s: %w", conn.RemoteAddr(), err)
	}
	return nil
}
