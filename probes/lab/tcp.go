package lab

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
)

// ioTimeout is how long any exchange in the lab may take.
const ioTimeout = 5 * time.Second

// stream is one long connection that carries about 3 Mbit/s.
func stream(ctx context.Context, n *Network) error {
	address := netip.AddrPortFrom(n.Server.IPv4, 5001)
	listener, err := n.Server.listen(address)
	if err != nil {
		return err
	}
	defer listener.Close()

	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	group.Go(func() error { return discard(ctx, listener) })
	group.Go(func() error {
		conn, err := n.Client.dial(ctx, "tcp", address.String())
		if err != nil {
			return err
		}
		defer conn.Close()
		chunk := make([]byte, 20_000)
		return repeat(ctx, 50*time.Millisecond, time.Minute, func() error {
			if err := conn.SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil {
				return err
			}
			_, err := conn.Write(chunk)
			return err
		})
	})
	return group.Wait()
}

// discard accepts one connection and reads it to its end, which is an error.
func discard(ctx context.Context, listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

func (h *Host) listen(address netip.AddrPort) (net.Listener, error) {
	var listener net.Listener
	err := h.Do(func() (err error) {
		listener, err = net.Listen("tcp", address.String())
		return err
	})
	return listener, err
}

// dial connects from inside the host. The address is numeric: package net
// looks up names on other threads, which are elsewhere.
func (h *Host) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		dialer := net.Dialer{Timeout: ioTimeout}
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}
