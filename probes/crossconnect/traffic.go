package crossconnect

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

// Traffic is what an ingress redirected so far, in each generation.
type Traffic [generations]bpf.CrossConnectsTraffic

// readTraffic adds up what all CPUs counted.
func readTraffic(m *ebpf.Map) (t Traffic, err error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return t, err
	}
	ofCPUs := make([]bpf.CrossConnectsTraffic, cpus)
	for generation := range t {
		if err := m.Lookup(uint32(generation), ofCPUs); err != nil {
			return t, err
		}
		for _, more := range ofCPUs {
			t[generation] = plus(t[generation], more)
		}
	}
	return t, nil
}

// sum is of both generations.
func (t *Traffic) sum() bpf.CrossConnectsTraffic { return plus(t[0], t[1]) }

// ofPair is what was redirected for the pair of a generation. If the other one
// has the same pair, what that counted belongs to it, too.
func (t *Traffic) ofPair(record *bpf.CrossConnectsCrossConnect, generation int) bpf.CrossConnectsTraffic {
	counted := t[generation]
	if record.Plans[0].Peer == record.Plans[1].Peer {
		counted = t.sum()
	}
	return minus(counted, record.Plans[generation].TrafficBefore)
}

// setPlan replaces the plan of the idle generation. What that counted stands
// still, so it can be taken from one pair and given to another exactly, while
// frames flow in the active one.
func (t *Traffic) setPlan(record *bpf.CrossConnectsCrossConnect, idle int, next plan) {
	active := &record.Plans[1-idle]
	if record.Plans[idle].Peer == active.Peer {
		active.TrafficBefore = minus(active.TrafficBefore, t[idle])
	}
	next.TrafficBefore = t[idle]
	if next.Peer == active.Peer {
		active.TrafficBefore = plus(active.TrafficBefore, t[idle])
		next.TrafficBefore, next.DroppedBefore = active.TrafficBefore, active.DroppedBefore
	}
	record.Plans[idle] = next
}

func plus(a, b bpf.CrossConnectsTraffic) bpf.CrossConnectsTraffic {
	return bpf.CrossConnectsTraffic{Packets: a.Packets + b.Packets, Bytes: a.Bytes + b.Bytes}
}

func minus(a, b bpf.CrossConnectsTraffic) bpf.CrossConnectsTraffic {
	return bpf.CrossConnectsTraffic{Packets: a.Packets - b.Packets, Bytes: a.Bytes - b.Bytes}
}

// readTraffic is what the ingress redirected so far.
func (p *ingress) readTraffic() (Traffic, error) {
	t, err := readTraffic(p.maps.traffic)
	if err != nil {
		return t, fmt.Errorf("read the counters of %s: %w", p.name(), err)
	}
	return t, nil
}
