package past

import (
	"net/netip"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// sample codes all of a sample but the events in it: programs, and connections that ended.
func (c *codec) sample(now, was *probes.Sample) {
	c.moment(&now.Time, was.Time)
	number(c, &now.Interval, was.Interval)
	rows(c, &now.Interfaces, was.Interfaces, (*probes.Interface).Key, c.networkInterface)
	c.moment(&now.Totals.Since, was.Totals.Since)
	c.traffic(&now.Totals.Traffic, &was.Totals.Traffic)
	rows(c, &now.Totals.Protocols, was.Totals.Protocols, protocolKeyOf, c.protocol)
	rows(c, &now.Protocols, was.Protocols, protocolKeyOf, c.protocol)
	rows(c, &now.Connections, was.Connections, connectionKeyOf, c.connection)
	rows(c, &now.Passages, was.Passages, connectionKeyOf, c.connection)
	text(c, &now.OwnersProblem, was.OwnersProblem)
	rows(c, &now.CrossConnects, was.CrossConnects, pairKeyOf, c.pair)
	text(c, &now.LinksProblem, was.LinksProblem)
	text(c, &now.OthersUnknown, was.OthersUnknown)
	c.flag(&now.KeptUnknown, was.KeptUnknown)
	text(c, &now.InspectorNews, was.InspectorNews)
	number(c, &now.NewConnections, was.NewConnections)
	number(c, &now.Attaching.Done, was.Attaching.Done)
	number(c, &now.Attaching.All, was.Attaching.All)
	c.execs(&now.Execs, &was.Execs)
	c.drops(&now.Drops, &was.Drops)
	c.lost(&now.Lost, &was.Lost)
	c.rate(&now.Self.CPU, was.Self.CPU)
	number(c, &now.Self.RSS, was.Self.RSS)
}

func (c *codec) traffic(now, was *probes.Traffic) {
	number(c, &now.RXPackets, was.RXPackets)
	number(c, &now.RXBytes, was.RXBytes)
	number(c, &now.TXPackets, was.TXPackets)
	number(c, &now.TXBytes, was.TXBytes)
	c.rate(&now.RXPPS, was.RXPPS)
	c.rate(&now.RXBPS, was.RXBPS)
	c.rate(&now.TXPPS, was.TXPPS)
	c.rate(&now.TXBPS, was.TXBPS)
}

func (c *codec) networkInterface(now, was *probes.Interface) {
	text(c, &now.Name, was.Name)
	number(c, &now.Ifindex, was.Ifindex)
	text(c, &now.NetNS, was.NetNS)
	number(c, &now.Namespace, was.Namespace)
	text(c, &now.Hook, was.Hook)
	text(c, &now.HookReason, was.HookReason)
	c.traffic(&now.Traffic, &was.Traffic)
	number(c, &now.Malformed, was.Malformed)
	c.flag(&now.InTotal, was.InTotal)
	text(c, &now.State, was.State)
	text(c, &now.Kind, was.Kind)
	number(c, &now.MTU, was.MTU)
	text(c, &now.MAC, was.MAC)
	rows(c, &now.Addresses, was.Addresses, func(p *netip.Prefix) netip.Prefix { return *p }, c.prefix)
	c.list(&now.AltNames, was.AltNames)
	text(c, &now.Master, was.Master)
	c.list(&now.Lower, was.Lower)
	optional(c, &now.Peer, was.Peer, c.peer)
	c.driver(&now.Driver, &was.Driver)
	number(c, &now.UnseenRX, was.UnseenRX)
	number(c, &now.UnseenTX, was.UnseenTX)
	text(c, &now.Discrepancy, was.Discrepancy)
	c.list(&now.Foreign, was.Foreign)
}

func (c *codec) peer(now, was *probes.Peer) {
	number(c, &now.Ifindex, was.Ifindex)
	optional(c, &now.NetNSID, was.NetNSID, func(now, was *int) { number(c, now, *was) })
	text(c, &now.Name, was.Name)
	optional(c, &now.Hostname, was.Hostname, func(now, was *string) { text(c, now, *was) })
	text(c, &now.HostnameReason, was.HostnameReason)
	text(c, &now.Namespace, was.Namespace)
	number(c, &now.Inode, was.Inode)
	optional(c, &now.Address, was.Address, func(now, was *netip.Addr) { c.address(now, *was) })
	text(c, &now.AddressReason, was.AddressReason)
}

func (c *codec) driver(now, was *probes.DriverStats) {
	number(c, &now.RXPackets, was.RXPackets)
	number(c, &now.RXBytes, was.RXBytes)
	number(c, &now.RXDropped, was.RXDropped)
	number(c, &now.RXErrors, was.RXErrors)
	number(c, &now.TXPackets, was.TXPackets)
	number(c, &now.TXBytes, was.TXBytes)
	number(c, &now.TXDropped, was.TXDropped)
	number(c, &now.TXErrors, was.TXErrors)
}

type protocolKey struct {
	iface, name string
	direction   probes.Direction
}

func protocolKeyOf(p *probes.Protocol) protocolKey {
	return protocolKey{p.Interface, p.Name, p.Direction}
}

func (c *codec) protocol(now, was *probes.Protocol) {
	text(c, &now.Interface, was.Interface)
	text(c, &now.Direction, was.Direction)
	text(c, &now.Name, was.Name)
	optional(c, &now.Number, was.Number, func(now, was *uint8) { number(c, now, *was) })
	optional(c, &now.Ethertype, was.Ethertype, func(now, was *uint16) { number(c, now, *was) })
	number(c, &now.Packets, was.Packets)
	number(c, &now.Bytes, was.Bytes)
	c.rate(&now.PPS, was.PPS)
	c.rate(&now.BPS, was.BPS)
}

type connectionKey struct {
	local, remote   probes.Endpoint
	iface, protocol string
}

func connectionKeyOf(c *probes.Connection) connectionKey {
	return connectionKey{c.Local, c.Remote, c.Interface, c.Protocol}
}

func (c *codec) connection(now, was *probes.Connection) {
	text(c, &now.Interface, was.Interface)
	c.list(&now.Path, was.Path)
	text(c, &now.Protocol, was.Protocol)
	c.endpoint(&now.Local, was.Local)
	c.endpoint(&now.Remote, was.Remote)
	c.moment(&now.FirstSeen, was.FirstSeen)
	c.moment(&now.LastSeen, was.LastSeen)
	number(c, &now.RXPackets, was.RXPackets)
	number(c, &now.RXBytes, was.RXBytes)
	number(c, &now.TXPackets, was.TXPackets)
	number(c, &now.TXBytes, was.TXBytes)
	c.rate(&now.RXBPS, was.RXBPS)
	c.rate(&now.TXBPS, was.TXBPS)
	number(c, &now.RXFlags, was.RXFlags)
	number(c, &now.TXFlags, was.TXFlags)
	number(c, &now.State, was.State)
	optional(c, &now.Quality, was.Quality, c.quality)
	number(c, &now.OwnerReason, was.OwnerReason)
	c.owner(&now.Owner, was.Owner)
	c.moment(&now.ClosedAt, was.ClosedAt)
}

func (c *codec) quality(now, was *probes.Quality) {
	number(c, &now.RTT, was.RTT)
	number(c, &now.Retransmits, was.Retransmits)
	number(c, &now.Cwnd, was.Cwnd)
	number(c, &now.Unacked, was.Unacked)
}

type pairKey struct {
	a, b    string
	removed bool
}

func pairKeyOf(p *probes.CrossConnect) pairKey { return pairKey{p.A, p.B, p.Removed} }

func (c *codec) pair(now, was *probes.CrossConnect) {
	text(c, &now.A, was.A)
	text(c, &now.B, was.B)
	text(c, &now.State, was.State)
	text(c, &now.Reason, was.Reason)
	c.flag(&now.Harmless, was.Harmless)
	c.flag(&now.Removed, was.Removed)
	c.flag(&now.Kept, was.Kept)
	text(c, &now.Origin, was.Origin)
	number(c, &now.Owner, was.Owner)
	optional(c, &now.TrialEnds, was.TrialEnds, func(now, was *time.Time) { c.moment(now, *was) })
	c.leg(&now.AToB, &was.AToB)
	c.leg(&now.BToA, &was.BToA)
}

func (c *codec) leg(now, was *probes.Leg) {
	text(c, &now.Datapath, was.Datapath)
	text(c, &now.Requested, was.Requested)
	text(c, &now.DatapathReason, was.DatapathReason)
	number(c, &now.Packets, was.Packets)
	number(c, &now.Bytes, was.Bytes)
	number(c, &now.Dropped, was.Dropped)
	text(c, &now.DropReason, was.DropReason)
	c.flag(&now.DropsKnown, was.DropsKnown)
	rows(c, &now.Errors, was.Errors, func(e *probes.RedirectError) string { return e.Cause }, c.redirectError)
	c.rate(&now.PPS, was.PPS)
	c.rate(&now.BPS, was.BPS)
}

func (c *codec) redirectError(now, was *probes.RedirectError) {
	text(c, &now.Cause, was.Cause)
	number(c, &now.Packets, was.Packets)
}

func (c *codec) execs(now, was *probes.Execs) {
	c.flag(&now.LeftOut, was.LeftOut)
	c.flag(&now.ArgsLeftOut, was.ArgsLeftOut)
	text(c, &now.Hook, was.Hook)
	text(c, &now.HookReason, was.HookReason)
	number(c, &now.Total, was.Total)
	optional(c, &now.Failed, was.Failed, func(now, was *uint64) { number(c, now, *was) })
	c.rate(&now.PerSecond, was.PerSecond)
}

func (c *codec) drops(now, was *probes.Drops) {
	c.flag(&now.LeftOut, was.LeftOut)
	text(c, &now.Unknown, was.Unknown)
	number(c, &now.Total, was.Total)
	c.rate(&now.PerSecond, was.PerSecond)
	number(c, &now.Unplaced, was.Unplaced)
	rows(c, &now.Rows, was.Rows, func(d *probes.Drop) uint64 { return d.ID }, c.drop)
}

func (c *codec) drop(now, was *probes.Drop) {
	number(c, &now.ID, was.ID)
	text(c, &now.Reason, was.Reason)
	text(c, &now.Source, was.Source)
	text(c, &now.Function, was.Function)
	text(c, &now.Program, was.Program)
	text(c, &now.Interface, was.Interface)
	text(c, &now.Protocol, was.Protocol)
	number(c, &now.Packets, was.Packets)
	number(c, &now.TakenOver, was.TakenOver)
	c.rate(&now.PerSecond, was.PerSecond)
	rows(c, &now.Latest, was.Latest, func(p *probes.DroppedPacket) int64 { return p.Time.UnixNano() }, c.droppedPacket)
	if c.isReading {
		if now.Last = nil; len(now.Latest) > 0 {
			now.Last = &now.Latest[0]
		}
	}
}

func (c *codec) droppedPacket(now, was *probes.DroppedPacket) {
	c.moment(&now.Time, was.Time)
	text(c, &now.Protocol, was.Protocol)
	optional(c, &now.Local, was.Local, func(now, was *probes.Endpoint) { c.endpoint(now, *was) })
	optional(c, &now.Remote, was.Remote, func(now, was *probes.Endpoint) { c.endpoint(now, *was) })
	c.owner(&now.Owner, was.Owner)
	number(c, &now.OwnerReason, was.OwnerReason)
}

func (c *codec) lost(now, was *probes.Lost) {
	number(c, &now.ConnectionEvents, was.ConnectionEvents)
	number(c, &now.ExecEvents, was.ExecEvents)
	number(c, &now.ConnectionsEvicted, was.ConnectionsEvicted)
	number(c, &now.ConnectionsEnded, was.ConnectionsEnded)
	number(c, &now.OwnerChanges, was.OwnerChanges)
	number(c, &now.Drops, was.Drops)
}
