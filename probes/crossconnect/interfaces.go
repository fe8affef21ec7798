package crossconnect

import (
	"context"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
)

// links are the interfaces of the namespace by name.
type links map[string]netlink.Link

func listLinks() (links, error) {
	list, err := rtnl.ListLinks()
	if err != nil {
		return nil, err
	}
	return byName(list), nil
}

func byName(list []netlink.Link) links {
	byName := make(links, len(list))
	for _, l := range list {
		byName[l.Attrs().Name] = l
	}
	return byName
}

// Check returns a function that tells why an interface of the network namespace
// cannot be connected, as of now: ErrMissing, or that it is the loopback.
func Check() (func(iface string) error, error) {
	links, err := listLinks()
	return func(iface string) error {
		if links[iface] == nil {
			return ErrMissing
		}
		return errLoopback(describe(links[iface]))
	}, err
}

// Changes tells of interfaces that come, go or change, until ctx ends. It only
// says that something did: one message may stand for many changes.
func Changes(ctx context.Context) (<-chan struct{}, error) {
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default: // one is enough
		}
	}
	updates, unsubscribe, err := subscribe(ctx, notify)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			for range updates {
				notify()
			}
			unsubscribe()
			if updates, unsubscribe = subscribeAgain(ctx, notify); updates == nil {
				return
			}
			notify()
		}
	}()
	return changed, nil
}

// subscribe returns messages of interfaces until the kernel has no room for one, or
// unsubscribe is called, or ctx ends.
func subscribe(ctx context.Context, lost func()) (updates chan netlink.LinkUpdate, unsubscribe func(), err error) {
	ctx, unsubscribe = context.WithCancel(ctx)
	updates = make(chan netlink.LinkUpdate)
	err = netlink.LinkSubscribeWithOptions(updates, ctx.Done(), netlink.LinkSubscribeOptions{
		ErrorCallback: func(error) { lost() },
	})
	if err != nil {
		unsubscribe()
		return nil, nil, fmt.Errorf("subscribe to interface changes: %w", err)
	}
	return updates, unsubscribe, nil
}

// subscribeAgain subscribes as soon as that succeeds. It returns nil if ctx ends before.
func subscribeAgain(ctx context.Context, lost func()) (updates chan netlink.LinkUpdate, unsubscribe func()) {
	for ctx.Err() == nil {
		updates, unsubscribe, err := subscribe(ctx, lost)
		if err == nil {
			return updates, unsubscribe
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return nil, nil
}
