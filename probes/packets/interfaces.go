package packets

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
)

// lookAge is how old the list of programs on an interface may get. Because attaching
// sends no message, the list has to be asked for, which takes some system calls for each
// interface.
const lookAge = 2 * time.Second

// watched is an interface that matches the user's choice.
type watched struct {
	name    string
	probe   *packetProbe // nil if it could not be made
	pending bool         // yet to be attached
	refusal error        // why it is not attached; or not where it should be
	// beside is the id of the XDP program that was attached when we last failed, 0 if
	// there was none. When it changes, we try again.
	beside    uint32
	past      *tally
	inTotal   bool
	height    int  // as in Standing
	leadsAway bool // as in Standing

	lookTime time.Time
	foreign  []string
	// foreignNames caches the names of the programs that were there, because a
	// program keeps its name, and asking for it takes some hundred microseconds.
	foreignNames map[ebpf.ProgramID]string
}

// Interfaces follows the network interfaces of the namespace and counts on those
// that the user chose.
type Interfaces struct {
	packets *Program
	// RTNL is the socket to ask by. It is in the network namespace of the interfaces.
	RTNL rtnl.Socket
	// XDPIngresses asks for the interfaces that XDP cross-connects, by ifindex.
	XDPIngresses func() (map[int]crossconnect.XDPIngress, error)
	elsewhere    Elsewhere
	// LookAt says what programs of others are. It is crossconnect.LookAtProgram unless set.
	LookAt    crossconnect.LookAt
	requested probes.Hook
	chosen    choices

	byIndex map[int]*watched
	byID    map[uint32]*watched
	// gone holds the interfaces that went since the last poll: the next one still reads
	// what they counted.
	gone     []*watched
	topology topology
	totals   *totals
	// hostAddresses are those of all interfaces of the namespace, at the last poll.
	hostAddresses map[netip.Addr]struct{}
	// Queue holds the interfaces that are still to be attached to.
	Queue AttachQueue

	filtered     map[int]bool // those with a qdisc for filters, by ifindex
	filteredTime time.Time    // when that was asked for
}

// NewInterfaces watches no interface until Reconcile is called. chosen selects interfaces
// by names and shell patterns; if it is empty, all that are up, except loopback.
func NewInterfaces(p *Program, requested probes.Hook, chosen []string) *Interfaces {
	return &Interfaces{
		packets:      p,
		XDPIngresses: func() (map[int]crossconnect.XDPIngress, error) { return nil, nil },
		LookAt:       crossconnect.LookAtProgram,
		requested:    requested,
		chosen:       choicesOf(chosen),
		byIndex:      make(map[int]*watched),
		byID:         make(map[uint32]*watched),
		totals:       newTotals(),
	}
}

// Elsewhere is a network namespace other than our own. The zero value is our own.
type Elsewhere struct {
	Inode uint32
	Name  string
}

func (e Elsewhere) isSet() bool { return e.Inode != 0 }

// prefix is what names of interfaces there begin with.
func (e Elsewhere) prefix() string {
	if !e.isSet() {
		return ""
	}
	return e.Name + "/"
}

// NewInterfacesElsewhere is NewInterfaces for another network namespace: only the tracepoints
// count there, since nothing is attached to interfaces that are out of our reach. Of those
// there are, chosen says which by the names that they have there.
func NewInterfacesElsewhere(p *Program, e Elsewhere, chosen []string) *Interfaces {
	i := NewInterfaces(p, probes.HookAuto, chosen)
	i.elsewhere = e
	return i
}

// Standing is a Standings.
func (i *Interfaces) Standing(id uint32) (Standing, bool) {
	w := i.byID[id]
	if w == nil {
		return Standing{}, false
	}
	return Standing{Name: w.name, InTotal: w.inTotal, Height: w.height, LeadsAway: w.leadsAway, Elsewhere: i.elsewhere.isSet()}, true
}

// Check fails if the user chose an interface that is not there.
func (i *Interfaces) Check(links []netlink.Link) error {
	for _, one := range i.chosen {
		if err := one.check(links); err != nil {
			return err
		}
	}
	return nil
}

// Reconcile begins to count on interfaces that came, ends it on those that went, and
// changes the hook where XDP began or ceased to cross-connect. What takes the kernel long
// is put into the Queue. An interface that cannot be watched is shown with the reason,
// and does not keep the others from being watched.
func (i *Interfaces) Reconcile(links []netlink.Link) error {
	ingresses, err := i.ingressesToCount()
	if err != nil {
		return err
	}
	present := make(map[int]bool, len(links))
	for _, l := range links {
		attrs := l.Attrs()
		present[attrs.Index] = true
		w := i.byIndex[attrs.Index]
		if w != nil {
			w.name = i.elsewhere.prefix() + attrs.Name
		}
		if w == nil && i.chosen.mean(attrs) || w != nil && w.wantsAnew(attrs, ingresses[attrs.Index]) {
			i.watch(l, ingresses[attrs.Index])
		}
	}
	var errs []error
	for ifindex, w := range i.byIndex {
		if !present[ifindex] {
			errs = append(errs, i.unwatch(ifindex, w))
		}
	}
	i.chooseTotal(links)
	return errors.Join(errs...)
}

// ingressesToCount are the interfaces that XDP cross-connects, by ifindex, where only the
// program that redirects can count. The tracepoint comes before generic XDP.
func (i *Interfaces) ingressesToCount() (map[int]crossconnect.XDPIngress, error) {
	ingresses, err := i.XDPIngresses()
	if len(ingresses) > 0 && i.packets.traces() {
		maps.DeleteFunc(ingresses, func(_ int, ingress crossconnect.XDPIngress) bool { return ingress.Hook == probes.HookXDPGeneric })
	}
	return ingresses, err
}

// wantsAnew tells whether the interface has to be attached again. After a refusal, it is
// tried again when the XDP program changed, because that may have been in the way.
func (w *watched) wantsAnew(attrs *netlink.LinkAttrs, ingress crossconnect.XDPIngress) bool {
	if w.pending {
		return false
	}
	if w.refusal != nil {
		return xdpProgram(attrs) != w.beside
	}
	return w.probe.isStale(ingress)
}

// xdpProgram is the number of the XDP program on an interface, 0 if there is
// none.
func xdpProgram(attrs *netlink.LinkAttrs) uint32 {
	if attrs.Xdp == nil {
		return 0
	}
	return attrs.Xdp.ProgId
}

// YieldXDP makes room for another XDP program of ours, until reconcile. It says
// whether there was one of ours that could give way.
func (i *Interfaces) YieldXDP(ifindex int) bool {
	w := i.byIndex[ifindex]
	return w != nil && w.probe != nil && w.probe.yieldXDP()
}

// Refused returns an error if there are interfaces to watch and all of them were refused:
// then the reason is the kernel or a lack of permission, not an interface.
func (i *Interfaces) Refused() error {
	var refusal error
	for _, w := range i.byIndex {
		if w.refusal == nil {
			return nil
		}
		refusal = fmt.Errorf("cannot watch any interface: %s: %w", w.name, w.refusal)
	}
	return refusal
}

// watch begins to count on an interface, or to count elsewhere on it. Where XDP
// cross-connects, its program is to count as well.
func (i *Interfaces) watch(l netlink.Link, ingress crossconnect.XDPIngress) {
	attrs := l.Attrs()
	w := i.byIndex[attrs.Index]
	if w == nil {
		w = &watched{name: i.elsewhere.prefix() + attrs.Name}
		i.byIndex[attrs.Index] = w
	}
	w.refusal, w.beside = nil, xdpProgram(attrs)
	if w.probe == nil {
		if w.probe, w.refusal = i.packets.newProbe(l, i.elsewhere.Inode); w.refusal != nil {
			return
		}
		w.past = i.packets.counters.newTally(w.probe.block)
		i.byID[w.probe.id] = w
	}
	hooks, why := hooksToTry(i.requested, factsOf(l))
	if i.elsewhere.isSet() {
		if hooks[0] != probes.HookTracepoint {
			w.refusal = fmt.Errorf("%s, and nothing is attached in another network namespace", why)
			return
		}
		hooks = hooks[:1]
	}
	w.pending = true
	i.Queue.add(attachJob{w: w, hooks: hooks, why: why, ingress: ingress})
}

func (i *Interfaces) unwatch(ifindex int, w *watched) error {
	delete(i.byIndex, ifindex)
	i.Queue.drop(w)
	if w.probe == nil {
		return nil
	}
	delete(i.byID, w.probe.id)
	i.gone = append(i.gone, w)
	if err := w.probe.leave(); err != nil {
		return fmt.Errorf("detach from %s: %w", w.name, err)
	}
	return nil
}

// Close detaches from all interfaces. It tells detaching, if that is not nil, how many
// are left, since to leave one by tc takes the kernel some ten milliseconds, unless expedited.
func (i *Interfaces) Close(detaching func(left int)) error {
	i.RTNL.Close()
	i.Queue.clear()
	i.Queue.expedite(i.attached())
	defer i.Queue.expedited()
	var errs []error
	var pause rtnlPause
	for ifindex, w := range i.byIndex {
		if w.probe == nil || len(w.probe.links) == 0 {
			errs = append(errs, i.unwatch(ifindex, w))
			continue
		}
		if detaching != nil {
			detaching(len(i.byIndex))
		}
		time.Sleep(pause.after(func() { errs = append(errs, i.unwatch(ifindex, w)) }))
	}
	return errors.Join(errs...)
}

// attached is how many interfaces have programs of ours.
func (i *Interfaces) attached() (count int) {
	for _, w := range i.byIndex {
		if w.probe != nil && len(w.probe.links) > 0 {
			count++
		}
	}
	return count
}

// Poll describes every watched interface, and what was counted on it; Totals what was
// counted on all of them.
func (i *Interfaces) Poll(links []netlink.Link, interval time.Duration) ([]probes.Interface, []probes.Protocol, error) {
	addresses, err := i.RTNL.Addresses()
	if err != nil {
		return nil, nil, err
	}
	i.noteAddresses(addresses)
	if err := i.packets.counters.others.read(); err != nil {
		return nil, nil, err
	}
	return i.poll(links, addresses, interval)
}

// PollElsewhere is Poll for another network namespace, whose addresses those are. It is to be
// called after Poll, which reads for both.
func (i *Interfaces) PollElsewhere(links []netlink.Link, addresses map[int][]netip.Prefix, interval time.Duration) ([]probes.Interface, []probes.Protocol, error) {
	return i.poll(links, addresses, interval)
}

func (i *Interfaces) poll(links []netlink.Link, addresses map[int][]netip.Prefix, interval time.Duration) ([]probes.Interface, []probes.Protocol, error) {
	rows := make([]probes.Interface, 0, len(i.byIndex))
	var traffic []probes.Protocol
	for _, l := range links {
		w := i.byIndex[l.Attrs().Index]
		if w == nil {
			continue
		}
		row := describe(l, addresses[l.Attrs().Index])
		row.Name, row.NetNS, row.Namespace = w.name, i.elsewhere.Name, i.elsewhere.Inode
		row.InTotal = w.inTotal
		i.topology.describe(&row, l, addresses)
		if i.elsewhere.isSet() {
			w.foreign = []string{} // they are asked for by ifindex, which is here of others
		} else {
			i.look(w, l)
		}
		row.Foreign = w.foreign
		if w.probe != nil {
			row.Hook, row.HookReason = w.probe.hook, w.probe.reason
			traffic = i.packets.counters.poll(w.probe, w.past, interval, &row, traffic, i.growing(w))
		}
		switch {
		case w.pending:
			row.HookReason = "waits to be attached"
		case w.refusal != nil:
			row.HookReason = probes.OneLine(w.refusal)
		default:
			row.HookReason += pastHook(&row, l)
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b probes.Interface) int { return cmp.Compare(a.Ifindex, b.Ifindex) })
	i.pollGone(interval)
	return rows, traffic, i.beginUnseen(rows)
}

func (i *Interfaces) noteAddresses(addresses map[int][]netip.Prefix) {
	i.hostAddresses = make(map[netip.Addr]struct{})
	for _, prefixes := range addresses {
		for _, prefix := range prefixes {
			i.hostAddresses[prefix.Addr()] = struct{}{}
		}
	}
}

// HasAddress tells whether an interface of the namespace, watched or not, had the address at
// the last Poll.
func (i *Interfaces) HasAddress(address netip.Addr) bool {
	_, has := i.hostAddresses[address]
	return has || address.IsLoopback()
}

// growing is the totals if an interface is in them, else nil.
func (i *Interfaces) growing(w *watched) *totals {
	if !w.inTotal {
		return nil
	}
	return i.totals
}

// pollGone adds to the totals what interfaces that went had counted since the last poll.
func (i *Interfaces) pollGone(interval time.Duration) {
	for _, w := range i.gone {
		i.packets.counters.poll(w.probe, w.past, interval, &probes.Interface{}, nil, i.growing(w))
		w.probe.forget()
	}
	i.gone = nil
}

// Totals are those up to the last Poll, with rates over interval. It is to be called
// once after each.
func (i *Interfaces) Totals(interval time.Duration) probes.Totals { return i.totals.take(interval) }

// describe fills in what the kernel says of an interface.
func describe(l netlink.Link, addresses []netip.Prefix) probes.Interface {
	attrs := l.Attrs()
	return probes.Interface{
		Name:      attrs.Name,
		Ifindex:   attrs.Index,
		State:     attrs.OperState.String(),
		Kind:      l.Type(),
		MTU:       attrs.MTU,
		MAC:       attrs.HardwareAddr.String(),
		Addresses: append([]netip.Prefix{}, addresses...), // [] in JSON, not null
		Driver:    driverStats(l),
	}
}

// look takes a look at what is attached to the interface, if it is time to.
func (i *Interfaces) look(w *watched, l netlink.Link) {
	now := time.Now()
	if now.Sub(w.lookTime) <= lookAge {
		return
	}
	if now.Sub(i.filteredTime) > lookAge {
		i.filteredTime = now
		// What cannot be asked has no filters.
		i.filtered, _ = attach.WithFilters()
	}
	w.lookTime = now
	w.foreign = i.listForeign(w, l)
	if w.probe != nil {
		w.probe.lost = w.probe.isLost()
	}
}

// listForeign lists the programs on the interface, without our own. Where the kernel
// cannot be asked (no tcx before Linux 6.6), there are none.
func (i *Interfaces) listForeign(w *watched, l netlink.Link) []string {
	var own []ebpf.ProgramID
	if w.probe != nil {
		own = w.probe.programs
	}
	foreign, names := []string{}, make(map[ebpf.ProgramID]string)
	add := func(where string, id ebpf.ProgramID) {
		if slices.Contains(own, id) {
			return
		}
		name, isKnown := w.foreignNames[id]
		if !isKnown {
			name, isKnown = programName(id, i.LookAt)
		}
		if isKnown {
			names[id] = name
		}
		foreign = append(foreign, where+": "+name)
	}
	if xdp := l.Attrs().Xdp; xdp != nil && xdp.Attached {
		add("xdp", ebpf.ProgramID(xdp.ProgId))
	}
	for direction, parent := range map[probes.Direction]attach.Parent{probes.RX: attach.Ingress, probes.TX: attach.Egress} {
		if !i.filtered[l.Attrs().Index] {
			continue // to ask costs more than to know that there is no qdisc for them
		}
		filters, err := i.RTNL.Filters(l.Attrs().Index, parent)
		if err != nil {
			continue
		}
		for _, filter := range filters {
			if bpf, ok := filter.(*netlink.BpfFilter); ok {
				add("clsact "+string(direction), ebpf.ProgramID(bpf.Id))
			}
		}
	}
	for where, attach := range map[string]ebpf.AttachType{
		"tcx ingress": ebpf.AttachTCXIngress,
		"tcx egress":  ebpf.AttachTCXEgress,
	} {
		result, err := link.QueryPrograms(link.QueryOptions{Target: l.Attrs().Index, Attach: attach})
		if err != nil {
			continue
		}
		for _, program := range result.Programs {
			add(where, program.ID)
		}
	}
	slices.Sort(foreign)
	w.foreignNames = names
	return foreign
}

// programName returns the name of a program, or its id and false if the name is not
// known.
func programName(id ebpf.ProgramID, lookAt crossconnect.LookAt) (string, bool) {
	program, err := lookAt(id)
	if err != nil || program.Name == "" {
		return fmt.Sprintf("#%d (name not known)", id), false
	}
	return program.Name, true
}
