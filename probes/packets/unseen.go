package packets

import (
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
)

// unseen computes how many frames of an interface did not pass the hook: how many more
// its driver carried than were counted. It is a lower bound, because a driver may count
// an aggregate (GRO, GSO) as one frame.
type unseen struct {
	begun  bool
	rx, tx uint64 // what the driver's counts were ahead at the beginning, modulo 2^64
}

// begin takes what row counted and its driver's counts to be of the same moment. The
// driver's counts must have been read last, so that no frame in between is taken for
// unseen.
func (u *unseen) begin(row *probes.Interface, driver probes.DriverStats) {
	u.begun = true
	u.rx, u.tx = driver.RXPackets-row.RXPackets, driver.TXPackets-row.TXPackets
}

// tell sets what is unseen of a row. Its driver's counts were read before the others.
func (u *unseen) tell(row *probes.Interface) {
	if u.begun {
		row.UnseenRX = ahead(row.Driver.RXPackets-u.rx, row.RXPackets)
		row.UnseenTX = ahead(row.Driver.TXPackets-u.tx, row.TXPackets)
	}
}

// ahead is how much a count is larger than another one, 0 if it is not.
func ahead(driver, counted uint64) uint64 {
	if difference := int64(driver - counted); difference > 0 {
		return uint64(difference)
	}
	return 0
}

// beginUnseen begins with the interfaces among rows that are counted since this poll.
func (i *Interfaces) beginUnseen(rows []probes.Interface) error {
	var begin map[int]*probes.Interface // by ifindex; as a rule there are none
	for n := range rows {
		row := &rows[n]
		if w := i.byIndex[row.Ifindex]; row.Hook == probes.HookNone || w.unseen.begun {
			continue
		}
		if begin == nil {
			begin = make(map[int]*probes.Interface)
		}
		begin[row.Ifindex] = row
	}
	if begin == nil {
		return nil
	}
	links, err := i.RTNL.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		if row := begin[l.Attrs().Index]; row != nil {
			i.byIndex[row.Ifindex].unseen.begin(row, driverStats(l))
		}
	}
	return nil
}

// driverStats are zero for a device that has none.
func driverStats(l netlink.Link) probes.DriverStats {
	s := l.Attrs().Statistics
	if s == nil {
		return probes.DriverStats{}
	}
	return probes.DriverStats{
		RXPackets: s.RxPackets, RXBytes: s.RxBytes, RXDropped: s.RxDropped, RXErrors: s.RxErrors,
		TXPackets: s.TxPackets, TXBytes: s.TxBytes, TXDropped: s.TxDropped, TXErrors: s.TxErrors,
	}
}
