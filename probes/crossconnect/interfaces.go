package crossconnect

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// links are the interfaces of the namespace by name.
type links map[string]netlink.Link

// listLinks lists the interfaces. A dump that a change interrupted is repeated;
// the last one counts, since a message of the change is on its way.
func listLinks() (links, error) {
	var list []netlink.Link
	var err error
	for range 5 {
		list, err = netlink.LinkList()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	byName := make(links, len(list))
	for _, l := range list {
		byName[l.Attrs().Name] = l
	}
	return byName, nil
}
