package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// conversations are UDP frames of one connection after the other.
type conversations struct {
	connections uint32  // then the first again
	perSecond   float64 // frames; 0 is as many as possible
}

// endless is more than can be had.
const endless = math.MaxUint32

// sender sends until it is stopped.
type sender struct {
	sent   atomic.Uint64
	cancel context.CancelFunc
	done   chan error
}

// start sends them out of an interface, to the station of that address.
func (c conversations) start(ctx context.Context, from *lab.Namespace, iface string, to netlink.Link) (*sender, error) {
	link, err := from.Link(iface)
	if err != nil {
		return nil, err
	}
	wire, err := from.Open(iface)
	if err != nil {
		return nil, err
	}
	frame := udpFrame(64)
	copy(frame, to.Attrs().HardwareAddr)
	copy(frame[6:], link.Attrs().HardwareAddr)
	ctx, cancel := context.WithCancel(ctx)
	s := &sender{cancel: cancel, done: make(chan error, 1)}
	go func() {
		defer wire.Close()
		s.done <- c.send(ctx, wire, frame, &s.sent)
	}()
	return s, nil
}

func (c conversations) send(ctx context.Context, wire *lab.Wire, frame []byte, sent *atomic.Uint64) error {
	start := time.Now()
	for n := uint64(0); ctx.Err() == nil; n++ {
		connection := uint32(n % uint64(c.connections))
		binary.BigEndian.PutUint32(frame[26:], 0x0a000000|connection&0xffffff) // source address
		binary.BigEndian.PutUint16(frame[34:], 1024+uint16(connection>>24))    // and port
		if err := wire.Send(frame); err != nil {
			return err
		}
		sent.Store(n + 1)
		// A system sleeps a millisecond at least: a few frames go at a time.
		if c.perSecond > 0 {
			due := start.Add(time.Duration(float64(n) / c.perSecond * float64(time.Second)))
			if ahead := time.Until(due); ahead > 2*time.Millisecond {
				time.Sleep(ahead)
			}
		}
	}
	return nil
}

// stop returns how many frames were sent.
func (s *sender) stop() (uint64, error) {
	s.cancel()
	if err := <-s.done; err != nil {
		return 0, fmt.Errorf("send: %w", err)
	}
	return s.sent.Load(), nil
}
