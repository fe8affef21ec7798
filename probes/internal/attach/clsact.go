package attach

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// A clsact filter has no bpf_link: it outlives the process that made it. So each names
// its process, and the next start removes the filters of processes that have ended.
const filterPrefix = "ebpftop:"

// KeptFilter is the name of a filter that is to stay without a process.
const KeptFilter = filterPrefix + "kept"

// countFilter returns the name of a filter of this process that counts.
func countFilter() (string, error) {
	self, err := procfs.Self()
	return filterPrefix + self.String(), err
}

// addCountFilter adds a filter that counts, before all that are there.
func addCountFilter(program *ebpf.Program, ifindex int, parent Parent) (io.Closer, error) {
	name, err := countFilter()
	if err != nil {
		return nil, err
	}
	return AddFilter(program, ifindex, parent, 0, name)
}

// ConnectFilter returns the name of a filter of this process that redirects.
func ConnectFilter() (string, error) {
	name, err := countFilter()
	return name + "/connect", err
}

// isStale tells whether a filter is of a process that has ended.
func isStale(name string) bool {
	text, ours := strings.CutPrefix(name, filterPrefix)
	text, _, _ = strings.Cut(text, "/")
	process, ok := procfs.ParseProcess(text)
	return ours && ok && process.HasEnded()
}

// LastPriority is the priority that the kernel asks last.
const LastPriority = 0xffff

// Filter is a filter of ours on an interface's clsact qdisc.
type Filter struct {
	ifindex int
	parent  Parent
	Name    string
}

// Parent is a side of a clsact qdisc.
type Parent uint32

// The two sides.
const (
	Ingress Parent = netlink.HANDLE_MIN_INGRESS
	Egress  Parent = netlink.HANDLE_MIN_EGRESS
)

// AddFilter adds a filter to one side of an interface's clsact qdisc, which it
// makes if need be. Priority 0 lets the kernel choose one before all that are
// there, so it never displaces a filter; LastPriority puts it behind them all.
func AddFilter(program *ebpf.Program, ifindex int, parent Parent, priority uint16, name string) (io.Closer, error) {
	if err := addClsact(ifindex); err != nil {
		return nil, err
	}
	filter := &Filter{
		ifindex: ifindex,
		parent:  parent,
		Name:    name,
	}
	err := netlink.FilterAdd(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: ifindex,
			Parent:    uint32(filter.parent),
			Priority:  priority,
			Protocol:  unix.ETH_P_ALL,
		},
		Fd:           program.FD(),
		Name:         filter.Name,
		DirectAction: true,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("add clsact filter: %w", err), removeIfEmpty(ifindex))
	}
	return filter, nil
}

// addClsact makes sure that the interface has a clsact qdisc.
func addClsact(ifindex int) error {
	err := netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: ifindex,
		Handle:    netlink.MakeHandle(0xffff, 0),
		Parent:    netlink.HANDLE_CLSACT,
	}})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add clsact qdisc: %w", err)
	}
	return nil
}

// Close removes the filter, and the qdisc with the last filter on it.
func (f *Filter) Close() error {
	own := func(name string) bool { return name == f.Name }
	if err := removeFilters(f.ifindex, f.parent, own); err != nil {
		return err
	}
	return removeIfEmpty(f.ifindex)
}

// removeFilters deletes the bpf filters whose name matches. An interface that
// is gone has none.
func removeFilters(ifindex int, parent Parent, match func(name string) bool) error {
	filters, err := ListFilters(ifindex, parent)
	if err != nil {
		return err
	}
	for _, filter := range filters {
		bpf, ok := filter.(*netlink.BpfFilter)
		if !ok || !match(bpf.Name) {
			continue
		}
		if err := deleteFilter(bpf); err != nil {
			return err
		}
	}
	return nil
}

func deleteFilter(filter *netlink.BpfFilter) error {
	if err := netlink.FilterDel(filter); err != nil && !isGone(err) {
		return fmt.Errorf("remove clsact filter %s: %w", filter.Name, err)
	}
	return nil
}

// RemoveFilter removes a filter that ListFilters found, and the qdisc with the
// last filter on it.
func RemoveFilter(filter *netlink.BpfFilter) error {
	if err := deleteFilter(filter); err != nil {
		return err
	}
	return removeIfEmpty(filter.LinkIndex)
}

// ListFilters lists the filters on one side. An interface without the qdisc has
// none.
func ListFilters(ifindex int, parent Parent) ([]netlink.Filter, error) {
	return ListFiltersOver(new(netlink.Handle), ifindex, parent) // a socket for once
}

// ListFiltersOver is ListFilters over a socket that lasts.
func ListFiltersOver(h *netlink.Handle, ifindex int, parent Parent) ([]netlink.Filter, error) {
	device := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
	filters, err := h.FilterList(device, uint32(parent))
	if err != nil && !isGone(err) {
		return nil, fmt.Errorf("list clsact filters: %w", err)
	}
	return filters, nil
}

// removeIfEmpty deletes a clsact qdisc without filters: it does nothing, and
// was most likely ours.
func removeIfEmpty(ifindex int) error {
	for _, parent := range []Parent{Ingress, Egress} {
		filters, err := ListFilters(ifindex, parent)
		if err != nil || len(filters) > 0 {
			return err
		}
	}
	err := netlink.QdiscDel(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: ifindex,
		Handle:    netlink.MakeHandle(0xffff, 0),
		Parent:    netlink.HANDLE_CLSACT,
	}})
	if err != nil && !isGone(err) {
		return fmt.Errorf("remove clsact qdisc: %w", err)
	}
	return nil
}

// isGone tells that the interface, its qdisc or the filter no longer exists.
func isGone(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL)
}

// RemoveStaleFilters removes what processes that were killed left behind on
// the interfaces of this network namespace.
func RemoveStaleFilters(links []netlink.Link) error {
	filtered, err := WithFilters()
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range links {
		ifindex, removed := l.Attrs().Index, false
		if !filtered[ifindex] {
			continue
		}
		stale := func(name string) bool {
			found := isStale(name)
			removed = removed || found
			return found
		}
		for _, parent := range []Parent{Ingress, Egress} {
			errs = append(errs, removeFilters(ifindex, parent, stale))
		}
		if removed {
			errs = append(errs, removeIfEmpty(ifindex))
		}
	}
	return errors.Join(errs...)
}

// FindFilter finds a filter by name, nil if there is none.
func FindFilter(ifindex int, parent Parent, name string) (*Filter, error) {
	filters, err := ListFilters(ifindex, parent)
	if err != nil {
		return nil, err
	}
	for _, filter := range filters {
		if bpf, ok := filter.(*netlink.BpfFilter); ok && bpf.Name == name {
			return &Filter{ifindex: ifindex, parent: parent, Name: name}, nil
		}
	}
	return nil, nil
}

// WithFilters lists the interfaces that have a qdisc with filters for received
// frames, clsact or ingress, by ifindex. It asks once for all of them.
func WithFilters() (map[int]bool, error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETQDISC, unix.NLM_F_DUMP)
	request.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL})
	messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWQDISC)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list qdiscs: %w", err)
	}
	filtered := make(map[int]bool)
	for _, m := range messages {
		if qdisc := nl.DeserializeTcMsg(m); qdisc.Parent == netlink.HANDLE_CLSACT {
			filtered[int(qdisc.Ifindex)] = true
		}
	}
	return filtered, nil
}
