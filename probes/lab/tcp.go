package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// ioTimeout is how long any exchange in the lab may take.
const ioTimeout = 5 * time.Second

// web is HTTP over IPv4, a connection for each request.
func web(ctx context.Context, n *Network) error {
	return exchangeHTTP(ctx, n, netip.AddrPortFrom(n.Server.IPv4, 80), true)
}

// api is HTTP over IPv6 on connections that are kept.
func api(ctx context.Context, n *Network) error {
	return exchangeHTTP(ctx, n, netip.AddrPortFrom(n.Server.IPv6, 8080), false)
}

func exchangeHTTP(ctx context.Context, n *Network, address netip.AddrPort, closeEach bool) error {
	listener, err := n.Server.listen(address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: http.HandlerFunc(answer),
		// Standard error belongs to the dashboard; the client sees the errors too.
		ErrorLog:    log.New(io.Discard, "", 0),
		ReadTimeout: ioTimeout,
		IdleTimeout: time.Minute,
	}
	transport := &http.Transport{
		DisableKeepAlives: closeEach,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return n.Client.dial(ctx, network, address)
		},
	}
	client := &http.Client{Transport: transport, Timeout: ioTimeout}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(listener) })
	group.Go(func() error {
		<-ctx.Done()
		transport.CloseIdleConnections()
		return server.Close()
	})
	group.Go(func() error {
		return repeat(ctx, 150*time.Millisecond, 40*time.Second, func() error {
			return request(ctx, client, address)
		})
	})
	return group.Wait()
}

// answer replies with as many bytes as asked for.
func answer(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(r.FormValue("bytes"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// Fails when the client is gone, which is the client's to report.
	_, _ = w.Write(make([]byte, size))
}

// request posts some bytes and asks for some more: mostly little, at times
// tens of kilobytes.
func request(ctx context.Context, client *http.Client, address netip.AddrPort) error {
	url := fmt.Sprintf("http://%s/?bytes=%d", address, int(rand.ExpFloat64()*8_000))
	body := bytes.NewReader(make([]byte, int(rand.ExpFloat64()*500)))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return fmt.Errorf("read reply of %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("reply of %s: %s", url, response.Status)
	}
	return nil
}

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
