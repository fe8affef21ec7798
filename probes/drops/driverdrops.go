package drops

import (
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
)

// driverCounts are the counts of an interface for frames that its hardware or driver lost
// before there was a packet, or could not send, as `ip -s -s link` names them
// (rtnl_link_stats64 in linux/if_link.h). Not among them: rx_dropped, tx_dropped and
// rx_nohandler, for most of which the kernel says the reason, and what is the sum of
// others.
var driverCounts = []struct {
	name string
	of   func(*netlink.LinkStatistics) uint64
}{
	{"RX_LENGTH", func(s *netlink.LinkStatistics) uint64 { return s.RxLengthErrors }},
	{"RX_OVER", func(s *netlink.LinkStatistics) uint64 { return s.RxOverErrors }},
	{"RX_CRC", func(s *netlink.LinkStatistics) uint64 { return s.RxCrcErrors }},
	{"RX_FRAME", func(s *netlink.LinkStatistics) uint64 { return s.RxFrameErrors }},
	{"RX_FIFO", func(s *netlink.LinkStatistics) uint64 { return s.RxFifoErrors }},
	{"RX_MISSED", func(s *netlink.LinkStatistics) uint64 { return s.RxMissedErrors }},
	{"TX_ABORTED", func(s *netlink.LinkStatistics) uint64 { return s.TxAbortedErrors }},
	{"TX_CARRIER", func(s *netlink.LinkStatistics) uint64 { return s.TxCarrierErrors }},
	{"TX_FIFO", func(s *netlink.LinkStatistics) uint64 { return s.TxFifoErrors }},
	{"TX_WINDOW", func(s *netlink.LinkStatistics) uint64 { return s.TxWindowErrors }},
}

// driverDrops has what interfaces counted at the last poll, in the order of driverCounts,
// by ifindex.
type driverDrops map[uint32][]uint64

// addDriverDrops adds what interfaces counted since the last poll. What they counted before
// the first one with them was not dropped since the start.
func (p *Probe) addDriverDrops(links []netlink.Link) {
	for index := range p.drivers {
		if p.names[index] == "" {
			delete(p.drivers, index)
		}
	}
	for _, l := range links {
		index, statistics := uint32(l.Attrs().Index), l.Attrs().Statistics
		if statistics == nil {
			continue
		}
		last, isKnown := p.drivers[index]
		if !isKnown {
			last = make([]uint64, len(driverCounts))
			p.drivers[index] = last
		}
		for i, count := range driverCounts {
			now := count.of(statistics)
			if isKnown && now > last[i] {
				r := p.row(rowKey{DropsDropKey: bpf.DropsDropKey{Ifindex: index}, driver: count.name})
				r.setKernel(r.kernel + now - last[i])
			}
			last[i] = now
		}
	}
}
