package ui

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// interfacesPane lists the network interfaces, the busiest first, and what passes through
// each.
type interfacesPane struct {
	keys    keyMap
	list    list[probes.InterfaceKey, snapshot.Interface]
	shown   snapshot.Interfaces
	folding *snapshot.Folding // nil: a plain list
	wide    interfaceWidths
}

// interfaceWidths are the cells of the longest texts that must not be cut.
type interfaceWidths struct{ name, where, either, master, peer, address int }

func newInterfacesPane(keys keyMap, ascii bool) *interfacesPane {
	return &interfacesPane{keys: keys, list: list[probes.InterfaceKey, snapshot.Interface]{
		key:         func(i *snapshot.Interface) probes.InterfaceKey { return i.Key() },
		describe:    describeInterface,
		detailsRoom: mostOf,
		orders:      snapshot.InterfaceOrders,
		filter:      newInput(ascii),
		language:    snapshot.InterfaceFilter,
	}}
}

func (p *interfacesPane) Name() string { return "Interfaces" }

func (p *interfacesPane) Keys() []key.Binding {
	switch {
	case p.typing():
		return p.list.keysNow(&p.keys)
	case p.folding != nil:
		return []key.Binding{p.keys.Open, p.keys.Fold}
	}
	return nil
}

// moreKeys are keys for a footer with more room.
func (p *interfacesPane) moreKeys() []key.Binding {
	more := p.list.keysNow(&p.keys)
	if p.folding == nil { // else Keys has it
		more = append(more, p.keys.Fold)
	}
	return more
}

func (p *interfacesPane) typing() bool { return p.list.typing() }

func (p *interfacesPane) back() bool { return p.list.back() }

// ask puts what this pane wants to see into q.
func (p *interfacesPane) ask(q *snapshot.Query) {
	q.Interfaces, q.Folding = p.list.wish(), p.folding
}

func (p *interfacesPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.shown = msg.InterfaceRows
		p.list.show(p.shown.Rows, len(p.shown.Rows))
		p.measure()
	case tea.PasteMsg:
		p.list.typed(msg)
	case tea.KeyPressMsg:
		p.press(msg)
	}
	return nil
}

func (p *interfacesPane) press(msg tea.KeyPressMsg) {
	row := p.list.selected()
	switch {
	case p.list.press(msg, &p.keys):
	case key.Matches(msg, p.keys.Fold) && p.folding != nil:
		p.folding = nil
	case key.Matches(msg, p.keys.Fold):
		p.folding = &snapshot.Folding{}
	case row == nil:
	case key.Matches(msg, p.keys.Open) && p.folding != nil && row.Members != nil:
		p.folding = p.folding.Toggle(row.Key())
	}
}

// measure finds out how wide names are.
func (p *interfacesPane) measure() {
	p.wide = interfaceWidths{}
	for n := range p.list.rows {
		i := &p.list.rows[n]
		p.wide.name = max(p.wide.name, cells(i.Name)+nameMarks(i))
		p.wide.where = max(p.wide.where, cells(i.Where))
		p.wide.master = max(p.wide.master, cells(i.Master))
		p.wide.peer = max(p.wide.peer, cells(peerName(i)))
		p.wide.address = max(p.wide.address, len(peerAddress(i)))
		p.wide.either = max(p.wide.either, cells(eitherName(i))+nameMarks(i))
	}
}

func (p *interfacesPane) View(a area) view {
	v := view{Title: titled(a, p.Name(), p.shown.Narrowed)}
	if !p.list.fresh {
		v.Lines = empty(a, "waiting for the first sample")
		return v
	}
	v.Info = p.info(a)
	v.Lines = p.list.filterLine(a)
	switch {
	case p.list.total > 0:
		v.Lines = p.list.lines(a, p.columns(a.Width), v.Lines, p.list.details(a, nil))
		v.Scroll = p.list.scroll()
	case p.shown.Total > 0:
		v.Lines = append(v.Lines, empty(a, "no interface of "+count(uint64(p.shown.Total))+" matches the filter: esc clears it")...)
	case p.shown.Narrowed != "":
		v.Lines = empty(a, "no interface has connections of "+a.styleSet.Escape(p.shown.Narrowed)+" now")
	default:
		v.Info = ""
		v.Lines = empty(a, "no interfaces here: one that appears is listed at once")
	}
	return v
}

func (p *interfacesPane) info(a area) string {
	s := a.styleSet
	text := count(uint64(p.shown.Total))
	if p.shown.Matching != p.shown.Total {
		text = count(uint64(p.shown.Matching)) + " of " + text
	}
	if p.shown.Query.IsFolded() {
		text += " folded"
	}
	return s.Faint.Paint(text+s.glyphs.Separator) + p.list.order()
}

func stateGlyph(s *styleSet, state string) (string, ink) {
	switch state {
	case "up":
		return s.glyphs.Up, s.Good
	case "down", "lowerlayerdown", "notpresent":
		return s.glyphs.Down, s.Bad
	default: // loopback and tunnels are "unknown" all their life
		return s.glyphs.Unknown, s.Faint
	}
}

// describeInterface is all that is known of one interface.
func describeInterface(a area, i *snapshot.Interface) []fact {
	s := a.styleSet
	addresses := make([]string, len(i.Addresses))
	for n, address := range i.Addresses {
		addresses[n] = address.String()
	}
	hook := string(i.Hook)
	if i.Hook == probes.HookNone {
		hook = "none"
	}
	if i.HookReason != "" {
		hook += ": " + i.HookReason
	}
	d := &i.Driver
	lines := []fact{
		{name: "interface", value: s.Escape(fmt.Sprintf("%s (index %d), %s, %s, MTU %d, %s",
			i.Name, i.Ifindex, orNone(i.Kind), i.State, i.MTU, orNone(i.MAC)))},
		{name: "hook", value: s.Escape(hook)},
		{name: "addresses", value: s.Escape(orNone(strings.Join(addresses, "  ")))},
		{name: "counted", value: totals(s, "received", i.RXPackets, i.RXBytes) + "; " + totals(s, "sent", i.TXPackets, i.TXBytes)},
	}
	if i.Folded {
		t := &i.Traffic
		lines = append(lines, fact{name: "group", value: totals(s, "received", t.RXPackets, t.RXBytes) + "; " +
			totals(s, "sent", t.TXPackets, t.TXBytes) + s.Escape(", with "+strings.Join(i.Members, " "))})
	}
	if i.Master != "" {
		lines = append(lines, fact{"master", s.Escape(i.Master), snapshot.NamedInterface(i.Master)})
	}
	if i.Peer != nil {
		lines = append(lines, fact{"peer", s.Escape(describePeer(i.Peer)), peerSubject(i)})
	}
	lines = append(lines, []fact{
		{name: "driver rx", value: totals(s, "", d.RXPackets, d.RXBytes) + ", " + failures(d.RXDropped, d.RXErrors)},
		{name: "driver tx", value: totals(s, "", d.TXPackets, d.TXBytes) + ", " + failures(d.TXDropped, d.TXErrors)},
		{name: "others", value: s.Escape(orNone(strings.Join(i.Foreign, ", ")))},
	}...)
	if i.Discrepancy != "" {
		lines = append(lines, fact{name: "unseen", value: s.Escape(i.Discrepancy)})
	}
	return lines
}

// peerSubject is the peer of an interface, if it is watched.
func peerSubject(i *snapshot.Interface) (subject snapshot.Subject) {
	switch key, isWatched := i.Peer.Key(); {
	case isWatched:
		subject = snapshot.Subject{Kind: snapshot.OfInterface, Interface: key, Name: i.Peer.Name}
	case i.Peer.NetNSID == nil && i.NetNS == "":
		subject = snapshot.NamedInterface(i.Peer.Name)
	}
	return subject
}

// describePeer is all that is known of the other end of a veth.
func describePeer(p *probes.Peer) string {
	text := fmt.Sprintf("%s (index %d)", orUnknown(p.Name), p.Ifindex)
	if p.Address != nil {
		text += ", " + p.Address.String()
	} else {
		text += ", no address known: " + p.AddressReason
	}
	if p.NetNSID == nil {
		return text + ", in this namespace"
	}
	text += fmt.Sprintf(", in namespace %d", *p.NetNSID)
	if p.Namespace != "" {
		text += " (" + p.Namespace + ")"
	}
	if p.Hostname != nil {
		return text + " of host " + *p.Hostname
	}
	return text + ", no host name known: " + p.HostnameReason
}

func orUnknown(s string) string {
	if s == "" {
		return "name not known"
	}
	return s
}

func totals(s *styleSet, what string, packets, bytes uint64) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s packets, %s", what, count(packets), s.units.size(bytes)))
}

func failures(dropped, errors uint64) string {
	return count(dropped) + " dropped, " + count(errors) + " errors"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (p *interfacesPane) copy(s *styleSet) copied {
	return p.list.copy(s, p.columns(copyWidth), func(i *snapshot.Interface) any { return i.Interface })
}

func (p *interfacesPane) Subject() (subject snapshot.Subject) {
	if i := p.list.selected(); i != nil {
		subject = snapshot.InterfaceSubject(i.Interface)
	}
	return subject
}

func (p *interfacesPane) Selected() *snapshot.Detail {
	if row := p.list.selected(); row != nil {
		return &snapshot.Detail{Interface: row}
	}
	return nil
}

func (p *interfacesPane) filtered() bool { return p.list.filtered() }

func (p *interfacesPane) rows() clickable { return &p.list }
