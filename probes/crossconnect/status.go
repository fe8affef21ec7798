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
func (w *PairSet) Status() ([]Status, error) { return w.observe(listLinks) }

// StatusAmong is Status for who has just listed the interfaces: there may be
// many.
func (w *PairSet) StatusAmong(interfaces []netlink.Link) ([]Status, error) {
	return w.observe(func() (links, error) { return byName(interfaces), nil })
}

func (w *PairSet) observe(listLinks func() (links, error)) (list []Status, err error) {
	err = w.look(func(current controlWord, now time.Duration) error {
		if len(w.ingresses) == 0 {
			return nil
		}
		links, err := listLinks()
		if err != nil {
			return err
		}
		drops, err := w.drops.count()
		if err != nil {
			return err
		}
		ports := make(map[[unix.IFNAMSIZ]uint8]*ingress, len(w.ingresses))
		for _, p := range w.ingresses {
			ports[p.record.Name] = p
		}
		list, err = w.status(current, now, observation{links: links, ports: ports, drops: drops, time: now})
		return err
	})
	return list, err
}

// observation is what status is told by.
type observation struct {
	links links
	ports map[[unix.IFNAMSIZ]uint8]*ingress // by name: there may be many to find
	drops map[int]dropCount                 // by ifindex of the ingress
	time  time.Duration                     // CLOCK_MONOTONIC
}

func (w *PairSet) status(current controlWord, now time.Duration, o observation) ([]Status, error) {
	active := current.activeGeneration(now)
	var list []Status
	for _, p := range w.ingresses {
		if plan := p.plan(active); isThere(plan) && plan.IsA != 0 {
			s, err := w.pairStatus(p, active, o)
			if err != nil {
				return nil, err
			}
			if current.onTrial(now) && p.isNew(active) {
				onTrial(&s, current.deadline()-now)
			}
			list = append(list, s)
		}
	}
	if current.onTrial(now) {
		list = append(list, w.removed(active, current.deadline()-now)...)
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	return list, nil
}

// onTrial marks a pair as added on trial.
func onTrial(s *Status, left time.Duration) {
	if s.State == Active {
		s.State = Trial
	}
	ends := time.Now().Add(left)
	s.TrialEnds = &ends
}

// removed are the pairs that are away on trial.
func (w *PairSet) removed(active int, left time.Duration) []Status {
	var list []Status
	for _, p := range w.ingresses {
		before, now := p.plan(1-active), p.plan(active)
		if !isThere(before) || before.IsA == 0 || now.Peer == before.Peer {
			continue
		}
		ends := time.Now().Add(left)
		list = append(list, Status{
			A: p.name(), B: text(before.Peer), State: Trial, Removed: true, TrialEnds: &ends,
			Reason: "disconnected on trial: comes back unless confirmed",
			Kept:   w.pins != "", Origin: w.origin(), Owner: w.owner(),
			AToB: Leg{Requested: wish(before.Wish)}, BToA: Leg{Requested: wish(before.PeerWish)},
		})
	}
	return list
}

func (w *PairSet) origin() Origin {
	if w.pins != "" {
		return OriginKept
	}
	return OriginScreen
}

// pairStatus describes the pair of which p is the A.
func (w *PairSet) pairStatus(p *ingress, generation int, o observation) (s Status, err error) {
	plan := p.plan(generation)
	peer := o.ports[plan.Peer]
	s = Status{
		A: p.name(), B: text(plan.Peer), State: Active,
		Kept: w.pins != "", Origin: w.origin(), Owner: w.owner(),
	}
	reasons := missing(o.links, s.A, s.B)
	ends := []*ingress{p, peer}
	if peer == p {
		ends = ends[:1]
	}
	for _, end := range ends {
		if problem := end.ways[generation].problem; problem != nil {
			reasons = append(reasons, problem.Error())
		}
	}
	if len(reasons) > 0 || p.ways[generation].datapath == "" || peer.ways[generation].datapath == "" {
		s.State = Waiting
	}
	var ailment string
	if s.AToB, ailment, err = w.wayStatus(p, generation, o); err != nil {
		return s, err
	}
	reasons = appendNew(reasons, ailment)
	if peer == p {
		s.BToA = s.AToB
	} else if s.BToA, ailment, err = w.wayStatus(peer, generation, o); err != nil {
		return s, err
	} else {
		reasons = appendNew(reasons, ailment)
	}
	s.Reason = strings.Join(reasons, "; ")
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

// wayStatus describes one direction of a pair, and says what ails it.
func (w *PairSet) wayStatus(p *ingress, generation int, o observation) (s Leg, ailment string, err error) {
	plan, now := p.plan(generation), p.ways[generation]
	s = Leg{Datapath: now.datapath, Requested: wish(plan.Wish), DatapathReason: now.reason}
	traffic, err := p.readTraffic()
	if err != nil {
		return s, "", err
	}
	counted, sum := traffic.ofPair(&p.record, generation), traffic.sum()
	s.Packets, s.Bytes = counted.Packets, counted.Bytes
	past := p.past
	p.past = pastTraffic{traffic: sum, time: o.time}
	if seconds := (o.time - past.time).Seconds(); past.time != 0 && seconds > 0 {
		s.PPS = float64(sum.Packets-past.traffic.Packets) / seconds
		s.BPS = float64(sum.Bytes-past.traffic.Bytes) * 8 / seconds
	}
	ingress, egress := o.links[p.name()], o.links[text(plan.Peer)]
	if now.datapath == "" || ingress == nil || egress == nil {
		return s, "", nil
	}
	count := o.drops[p.ifindex()]
	dropped := droppedBy(now.datapath, count, egress)
	s.Dropped = dropped - min(dropped, plan.DroppedBefore)
	p.past.dropped = dropped
	ailment = diagnoseWay(now.datapath, ingress, egress, count, dropped-min(dropped, max(past.dropped, plan.DroppedBefore)))
	switch {
	case s.Dropped > 0:
		s.DropReason = dropText(now.datapath, count)
	case now.datapath != TC && w.drops == nil:
		s.DropReason = inOneLine(w.dropsErr).Error()
	}
	return s, ailment, nil
}

// droppedBy is how many frames did not come out, since ever.
func droppedBy(d Datapath, count dropCount, egress netlink.Link) uint64 {
	if d != TC {
		return count.dropped
	}
	if statistics := egress.Attrs().Statistics; statistics != nil {
		return statistics.TxDropped
	}
	return 0
}

// droppedSoFar is what a new connection is not to be blamed for.
func (w *PairSet) droppedSoFar(p *ingress, d Datapath, egress netlink.Link) (uint64, error) {
	drops, err := w.drops.count()
	if err != nil {
		return 0, err
	}
	return droppedBy(d, drops[p.ifindex()], egress), nil
}

func diagnoseWay(d Datapath, ingress, egress netlink.Link, count dropCount, fresh uint64) string {
	s := symptoms{ingress: describe(ingress), egress: describe(egress), datapath: d, onePage: !redirectsPages()}
	switch {
	case d == TC:
		s.txDropped = fresh
	case fresh > 0:
		s.drops = count.reasons
	}
	return diagnose(s)
}

// dropText is why frames were dropped, most frames first.
func dropText(d Datapath, count dropCount) string {
	if d == TC {
		return "tx_dropped of the interface they leave by"
	}
	var reasons []string
	for _, r := range count.reasons {
		reasons = append(reasons, fmt.Sprintf("%d %v", r.frames, r))
	}
	return strings.Join(reasons, "; ")
}
