package main

import (
	"context"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// changer changes an interface again and again. For each change the kernel takes a
// lock (RTNL) that all namespaces share, and whoever holds it lets the changer wait.
type changer struct {
	cancel context.CancelFunc
	done   chan error
	waits  []float64 // ms, how long each change took
}

// changePause is between changes: a process that always waits for the lock would
// take one of the processors.
const changePause = time.Millisecond

// startChanging changes the loopback interface of a namespace until it is stopped.
func startChanging(ctx context.Context, in *lab.Namespace) *changer {
	ctx, cancel := context.WithCancel(ctx)
	c := &changer{cancel: cancel, done: make(chan error, 1)}
	go func() {
		c.done <- in.Do(func() error { return c.change(ctx) }) // on a thread of its own
	}()
	return c
}

// change changes the interface once at least.
func (c *changer) change(ctx context.Context) error {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer handle.Close()
	lo, err := handle.LinkByName("lo")
	if err != nil {
		return err
	}
	turn := time.NewTicker(changePause)
	defer turn.Stop()
	for {
		start := time.Now()
		if err := handle.LinkSetAlias(lo, "changed"); err != nil {
			return fmt.Errorf("change %s: %w", lo.Attrs().Name, err)
		}
		c.waits = append(c.waits, time.Since(start).Seconds()*1e3)
		select {
		case <-turn.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// stop returns how long each change took, ms.
func (c *changer) stop() ([]float64, error) {
	c.cancel()
	err := <-c.done
	return c.waits, err
}
