package rtnl

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Message tells of an interface that came, went or changed. The zero value tells that
// messages were lost: list the interfaces anew.
type Message struct {
	link netlink.Link
	gone bool
}

// Messages tells of interfaces until ctx ends. It is not closed.
func Messages(ctx context.Context) (<-chan Message, error) {
	messages := make(chan Message)
	updates, unsubscribe, err := subscribe(ctx)
	if err != nil {
		return nil, err
	}
	send := func(m Message) {
		select {
		case messages <- m:
		case <-ctx.Done():
		}
	}
	go func() {
		for {
			for update := range updates {
				send(messageOf(&update))
			}
			unsubscribe()
			if updates, unsubscribe = subscribeAgain(ctx); updates == nil {
				return
			}
			send(Message{}) // the kernel had no room for one
		}
	}()
	return messages, nil
}

// messageOf is the zero Message for an update that does not describe the interface: that
// of a bridge of its port (AF_BRIDGE), and that of a wireless device of its radio, which
// lacks the name.
func messageOf(update *netlink.LinkUpdate) Message {
	if update.Family != unix.AF_UNSPEC || update.Link.Attrs().Name == "" {
		return Message{}
	}
	return Message{link: update.Link, gone: update.Header.Type == unix.RTM_DELLINK}
}

// subscribe returns updates until the kernel has no room for one, or unsubscribe is
// called, or ctx ends.
func subscribe(ctx context.Context) (updates chan netlink.LinkUpdate, unsubscribe func(), err error) {
	ctx, unsubscribe = context.WithCancel(ctx)
	updates = make(chan netlink.LinkUpdate)
	if err := netlink.LinkSubscribe(updates, ctx.Done()); err != nil {
		unsubscribe()
		return nil, nil, fmt.Errorf("subscribe to interface changes: %w", err)
	}
	return updates, unsubscribe, nil
}

// subscribeAgain subscribes as soon as that succeeds. It returns nil if ctx ends before.
func subscribeAgain(ctx context.Context) (updates chan netlink.LinkUpdate, unsubscribe func()) {
	for ctx.Err() == nil {
		updates, unsubscribe, err := subscribe(ctx)
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

// Known are the interfaces by a list and the messages since. To list all takes the kernel
// 9 µs for each, under its lock. The zero value knows none.
type Known struct {
	links []netlink.Link
	exact bool
}

// Set takes a list of all.
func (k *Known) Set(links []netlink.Link) { k.links, k.exact = slices.Clone(links), true }

// Apply takes a message. Because one may be older than the list, what is known can be wrong
// until those that were on their way with it are applied, too.
func (k *Known) Apply(m Message) {
	if m.link == nil {
		k.exact = false
		return
	}
	at := slices.IndexFunc(k.links, func(l netlink.Link) bool { return l.Attrs().Index == m.link.Attrs().Index })
	switch {
	case at < 0 && !m.gone:
		k.links = append(k.links, m.link)
	case at >= 0 && m.gone:
		k.links = slices.Delete(k.links, at, at+1)
	case at >= 0:
		k.links[at] = m.link
	}
}

// Links are the interfaces. It returns false if they must be listed anew.
func (k *Known) Links() ([]netlink.Link, bool) { return k.links, k.exact }
