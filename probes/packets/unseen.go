package packets

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
)

// unseen tells how many frames of an interface took a way past the hook: those that its
// driver says it carried beyond those counted. It is the least that there can be.
type unseen struct {
	begun   bool
	settled time.Time // from when on the beginning holds
	ways    [directionCount]wayPast
}

// wayPast is what took a way past the hook in one direction.
type wayPast struct {
	begin bpf.PacketsTraffic // what the driver had counted
	ahead uint64             // what the driver was ahead then, modulo 2^64
	last  int64              // what it was ahead, beyond that, at the last poll
	total bpf.PacketsTraffic
	// behind is how many frames were counted that the driver did not carry.
	behind uint64
}

// hardwareSettles is how long counts of hardware may be old: some firmware is asked once a
// second. Until then, what is ahead counts as the beginning.
const hardwareSettles = 3 * time.Second

// seen is what was counted in one direction.
type seen struct {
	frames     uint64
	aggregated uint64 // those of them that were in an aggregate, but for one of each
}

// carriesFrames tells whether a driver's packets are those that pass the hook, one by one.
// A tunnel's are not: those it makes itself are among them; nor an ifb's, which counts each
// twice, or a bond's, which counts what it does not take from its ports.
func carriesFrames(kind string) bool {
	return slices.Contains([]string{
		"device", "veth", "netkit", "tun", "bridge", "vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "vrf",
	}, kind)
}

// carried is what the driver counts of that: an aggregate as one, unless it is hardware,
// which may count its frames.
func (s seen) carried(kind string) uint64 {
	if kind == "device" {
		return s.frames
	}
	return s.frames - s.aggregated
}

// driverCounts are those of the directions.
func driverCounts(d *probes.DriverStats) [directionCount]bpf.PacketsTraffic {
	return [directionCount]bpf.PacketsTraffic{
		directionRX: {Packets: d.RXPackets, Bytes: d.RXBytes},
		directionTX: {Packets: d.TXPackets, Bytes: d.TXBytes},
	}
}

// begin takes the driver's counts for those that belong to what was seen. They must have
// been read after that, so that no frame in between is taken for unseen.
func (u *unseen) begin(kind string, all [directionCount]seen, driver *probes.DriverStats) {
	u.begun = true
	if kind == "device" {
		u.settled = time.Now().Add(hardwareSettles)
	}
	for direction, counts := range driverCounts(driver) {
		u.ways[direction] = wayPast{begin: counts, ahead: counts.Packets - all[direction].carried(kind)}
	}
}

// tell finds out what is unseen. The driver's counts were read before the others.
func (u *unseen) tell(kind string, all [directionCount]seen, driver *probes.DriverStats) {
	if !u.begun {
		return
	}
	settles := time.Now().Before(u.settled)
	for direction, counts := range driverCounts(driver) {
		w := &u.ways[direction]
		ahead := int64(counts.Packets - w.ahead - all[direction].carried(kind))
		if settles && ahead > 0 {
			w.ahead += uint64(ahead)
			ahead = 0
		}
		// A frame may still be on its way to the hook. It will not be at the next poll.
		w.grow(max(0, min(w.last, ahead)), less(counts, w.begin))
		w.behind = uint64(max(0, min(-w.last, -ahead)))
		w.last = ahead
	}
}

// grow sets how many frames are unseen. Their bytes are guessed from the mean of all that
// the driver carried.
func (w *wayPast) grow(frames int64, driver bpf.PacketsTraffic) {
	switch more := frames - int64(w.total.Packets); {
	case more > 0 && driver.Packets > 0:
		w.total.Bytes += driver.Bytes / driver.Packets * uint64(more)
	case more < 0:
		w.total.Bytes = w.total.Bytes / w.total.Packets * uint64(frames)
	}
	w.total.Packets = uint64(frames)
}

// beginUnseen begins with the interfaces among rows that are counted since this poll.
func (i *Interfaces) beginUnseen(rows []probes.Interface) error {
	var begin map[int]*watched // by ifindex; as a rule there are none
	for n := range rows {
		row := &rows[n]
		w := i.byIndex[row.Ifindex]
		if row.Hook == probes.HookNone || w.past.unseen.begun {
			continue
		}
		if begin == nil {
			begin = make(map[int]*watched)
		}
		begin[row.Ifindex] = w
	}
	if begin == nil {
		return nil
	}
	links, err := i.RTNL.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		if w := begin[l.Attrs().Index]; w != nil {
			driver := driverStats(l)
			w.past.unseen.begin(l.Type(), w.past.seen, &driver)
		}
	}
	return nil
}

// discrepancy says how far counts and the driver's are apart, and the likely cause. It is
// empty if they are not. NotSent is how many frames were counted that the driver did not
// send.
func discrepancy(row *probes.Interface, notSent uint64) string {
	var parts []string
	if row.UnseenRX > 0 {
		parts = append(parts, fmt.Sprintf("the driver received %d frames more: %s", row.UnseenRX, whyUnseenRX(row)))
	}
	if row.UnseenTX > 0 {
		parts = append(parts, fmt.Sprintf("the driver sent %d frames more: %s", row.UnseenTX, whyUnseenTX(row)))
	}
	// At the tracepoint the driver has the frame already, and may be about to count it.
	if notSent > 0 && row.Hook != probes.HookTracepoint && carriesFrames(row.Kind) && row.Kind != "device" {
		parts = append(parts, fmt.Sprintf("the driver sent %d frames fewer: the queueing discipline has or dropped them, there is no carrier, or the driver dropped them", notSent))
	}
	return strings.Join(parts, "; ")
}

// pastHook says which native XDP program of somebody else comes before the hook.
func pastHook(row *probes.Interface, l netlink.Link) string {
	if xdp := l.Attrs().Xdp; xdp == nil || xdp.AttachMode == nl.XDP_ATTACHED_SKB {
		return ""
	}
	names := programsAt(row, "xdp: ")
	if names == "" {
		return ""
	}
	return "; what " + names + " drops, sends back or elsewhere passes it by, and is counted by the driver alone"
}

// whyUnseenRX names a program that takes frames before the hook, if there is one.
func whyUnseenRX(row *probes.Interface) string {
	before := []string{"xdp: "}
	if row.Hook != probes.HookTracepoint {
		before = append(before, "tcx ingress: ", "clsact rx: ")
	}
	if names := programsAt(row, before...); names != "" {
		return names + " drops them, sends them back or elsewhere, or hides them"
	}
	switch row.Kind {
	case "vrf", "ipvlan", "ipvtap":
		return "what a " + row.Kind + " receives passes the hook on the device below only"
	}
	return "they went to AF_XDP or another network namespace, or the kernel kept programs from running"
}

// whyUnseenTX names a program that hides frames from the hook, if there is one.
func whyUnseenTX(row *probes.Interface) string {
	if names := programsAt(row, "tcx egress: ", "clsact tx: "); names != "" && row.Hook != probes.HookTracepoint {
		return names + " may hide them"
	}
	return "a socket sent them past the queueing discipline (PACKET_QDISC_BYPASS, AF_XDP), XDP did, or the kernel kept programs from running"
}

// programsAt names the programs of others at hooks, as Foreign does.
func programsAt(row *probes.Interface, hooks ...string) string {
	var names []string
	for _, foreign := range row.Foreign {
		if slices.ContainsFunc(hooks, func(hook string) bool { return strings.HasPrefix(foreign, hook) }) {
			names = append(names, foreign)
		}
	}
	return strings.Join(names, ", ")
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
