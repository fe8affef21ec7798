package crossconnect

import (
	"context"

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
	messages, err := rtnl.Messages(ctx)
	if err != nil {
		return nil, err
	}
	changed := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-messages:
			}
			select {
			case changed <- struct{}{}:
			default: // one is enough
			}
		}
	}()
	return changed, nil
}
