package crossconnect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Status describes all pairs of the set, and those that come back unless a
// trial is confirmed. Rates are over the time since it was asked last.
func (s *PairSet) Status() ([]Status, error) { return s.observe(listLinks) }

// StatusAmong is Status for a caller that has listed the interfaces already, because
// there may be many.
func (s *PairSet) StatusAmong(interfaces []netlink.Link) ([]Status, error) {
	return s.observe(func() (links, error) { return byName(interfaces), nil })
}

func (s *PairSet) observe(listLinks func() (links, error)) (list []Status, err error) {
	err = s.look(func(m moment) error {
		if len(s.inKernel.ingresses) == 0 {
			return nil
		}
		links, err := listLinks()
		if err != nil {
			return err
		}
		o, err := newObservation(&s.inKernel, m, links)
		if err != nil {
			return err
		}
		list, err = o.status()
		return err
	})
	return list, err
}

// observation holds what the status of a set of pairs is made from.
type observation struct {
	moment
	ingresses    ingresses
	byName       map[[unix.IFNAMSIZ]uint8]*ingress // there may be many to find
	isKept       bool
	owner        int
	links        links
	redirects    map[int]redirectCount // by ifindex of the ingress
	redirectsErr error                 // why they are not known, nil if they are
}

func newObservation(set *kernelSet, m moment, links links) (*observation, error) {
	redirects, err := set.redirects.count()
	if err != nil {
		return nil, err
	}
	o := &observation{
		moment: m, ingresses: set.ingresses, byName: make(map[[unix.IFNAMSIZ]uint8]*ingress, len(set.ingresses)),
		isKept: set.isKept(), owner: set.owner(), links: links, redirects: redirects, redirectsErr: set.redirectsErr,
	}
	for _, p := range set.ingresses {
		o.byName[p.record.Name] = p
	}
	return o, nil
}

func (o *observation) status() ([]Status, error) {
	var list []Status
	for _, p := range o.ingresses {
		if plan := p.plan(o.active()); isThere(plan) && plan.IsA != 0 {
			s, err := o.pairStatus(p)
			if err != nil {
				return nil, err
			}
			if o.isOnTrial() && p.isNew(o.active()) {
				onTrial(&s, o.word.deadline())
			}
			list = append(list, s)
		}
	}
	if o.isOnTrial() {
		list = append(list, o.removed()...)
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	return list, nil
}

// newStatus is what is the same for all pairs of the set.
func (o *observation) newStatus(a, b string) Status {
	origin := OriginScreen
	if o.isKept {
		origin = OriginKept
	}
	return Status{A: a, B: b, Kept: o.isKept, Origin: origin, Owner: o.owner}
}

// onTrial marks a pair as added on trial, until a deadline on CLOCK_MONOTONIC.
func onTrial(s *Status, deadline time.Duration) {
	if s.State == Active {
		s.State = Trial
	}
	ends := wallTime(deadline)
	s.TrialEnds = &ends
}

// removed are the pairs that are away on trial.
func (o *observation) removed() []Status {
	var list []Status
	for _, p := range o.ingresses {
		before, now := p.plan(1-o.active()), p.plan(o.active())
		if !isThere(before) || before.IsA == 0 || now.Peer == before.Peer {
			continue
		}
		ends := wallTime(o.word.deadline())
		s := o.newStatus(p.name(), text(before.Peer))
		s.State, s.Removed, s.TrialEnds = Trial, true, &ends
		s.Reason = "disconnected on trial: comes back unless confirmed"
		s.AToB, s.BToA = Leg{Requested: datapathOf(before.Requested)}, Leg{Requested: datapathOf(before.PeerRequested)}
		list = append(list, s)
	}
	return list
}

// pairStatus describes the pair of which p is the A.
func (o *observation) pairStatus(p *ingress) (s Status, err error) {
	plan := p.plan(o.active())
	peer := o.byName[plan.Peer]
	s = o.newStatus(p.name(), text(plan.Peer))
	s.State = Active
	reasons := missing(o.links, s.A, s.B)
	ends := []*ingress{p, peer}
	if peer == p {
		ends = ends[:1]
	}
	for _, end := range ends {
		leg := end.legs[o.active()]
		if leg.problem != nil {
			reasons = append(reasons, leg.problem.Error())
		}
		if leg.datapath == "" {
			s.State = Waiting
		}
	}
	if len(reasons) > 0 {
		s.State = Waiting
	}
	legs := make([]Leg, len(ends))
	var notes []string
	for i, end := range ends {
		var problem string
		if legs[i], problem, err = o.legStatus(end); err != nil {
			return s, err
		}
		reasons = appendNew(reasons, problem)
		if legs[i].Datapath == TC && end.front.deprived != "" {
			notes = append(notes, fmt.Sprintf("the cross-connect on %s comes before %s, which sees none of its frames", end.name(), end.front.deprived))
		}
	}
	s.AToB, s.BToA = legs[0], legs[len(legs)-1]
	s.Harmless = len(reasons) == 0
	s.Reason = strings.Join(append(reasons, notes...), "; ")
	return s, nil
}

// missing says which of the interfaces of a pair are.
func missing(links links, a, b string) (reasons []string) {
	for _, name := range []string{a, b} {
		if links[name] == nil {
			reasons = appendNew(reasons, name+" is missing")
		}
	}
	return reasons
}

func appendNew(reasons []string, reason string) []string {
	if reason == "" || slices.Contains(reasons, reason) {
		return reasons
	}
	return append(reasons, reason)
}

// legStatus describes one direction of a pair, and says what is wrong with it, if
// anything.
func (o *observation) legStatus(p *ingress) (s Leg, problem string, err error) {
	plan, leg := p.plan(o.active()), p.legs[o.active()]
	s = Leg{Datapath: leg.datapath, Requested: datapathOf(plan.Requested), DatapathReason: leg.reason}
	traffic, err := p.readTraffic()
	if err != nil {
		return s, "", err
	}
	counted, sum := traffic.ofPair(&p.record, o.active()), traffic.sum()
	s.Packets, s.Bytes = counted.Packets, counted.Bytes
	past := p.past
	p.past = pastTraffic{traffic: sum, time: o.now}
	if seconds := (o.now - past.time).Seconds(); past.time != 0 && seconds > 0 {
		s.PPS = float64(sum.Packets-past.traffic.Packets) / seconds
		s.BPS = float64(sum.Bytes-past.traffic.Bytes) * 8 / seconds
	}
	ingress, egress := o.links[p.name()], o.links[text(plan.Peer)]
	if leg.datapath == "" || ingress == nil || egress == nil {
		return s, "", nil
	}
	count := o.redirects[p.ifindex()]
	dropped := droppedBy(leg.datapath, count, egress)
	s.Dropped = dropped - min(dropped, plan.DroppedBefore)
	p.past.dropped = dropped
	fresh := dropped - min(dropped, max(past.dropped, plan.DroppedBefore))
	problem = diagnoseLeg(leg.datapath, ingress, egress, count, fresh)
	if problem == "" && leg.datapath == TC && p.front.obstacle != "" {
		problem = fmt.Sprintf("%s runs before the cross-connect on %s, and may keep frames from it", p.front.obstacle, p.name())
	}
	if s.DropsKnown = leg.datapath == TC || o.redirectsErr == nil; leg.datapath != TC {
		s.Errors = count.byCause()
	}
	switch {
	case s.Dropped > 0:
		s.DropReason = dropText(leg.datapath, count)
	case leg.datapath != TC && o.redirectsErr != nil:
		s.DropReason = inOneLine(o.redirectsErr).Error()
	}
	return s, problem, nil
}

// droppedBy returns how many frames a datapath has ever dropped.
func droppedBy(d Datapath, count redirectCount, egress netlink.Link) uint64 {
	if d != TC {
		return count.dropped
	}
	if statistics := egress.Attrs().Statistics; statistics != nil {
		return statistics.TxDropped
	}
	return 0
}

// diagnoseLeg says what is wrong with a direction that has dropped fresh frames since the
// last status.
func diagnoseLeg(d Datapath, ingress, egress netlink.Link, count redirectCount, fresh uint64) string {
	s := symptoms{ingress: describe(ingress), egress: describe(egress), datapath: d, onePage: !redirectsPages()}
	s.losesNotes = d == XDP && s.ingress.kind == veth && !showsNotes()
	switch {
	case d == TC:
		s.txDropped = fresh
	case fresh > 0:
		s.errors = count.errors
	}
	return diagnose(s)
}

// dropText is why frames were dropped, most frames first.
func dropText(d Datapath, count redirectCount) string {
	if d == TC {
		return "tx_dropped of the interface they leave by"
	}
	var reasons []string
	for _, r := range count.errors {
		reasons = append(reasons, fmt.Sprintf("%d %v", r.frames, r))
	}
	return strings.Join(reasons, "; ")
}
