package crossconnect

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
)

// plan is what a generation wants of one ingress, as its record in the kernel has
// it. Of each pair, both ingresses have one.
type plan = bpf.CrossConnectsCrossConnectPlan

// datapathsByNumber are the datapaths by their number in a plan.
var datapathsByNumber = []Datapath{Auto, XDP, XDPGeneric, TC}

// makePlans turns pairs into plans by the name of the ingress interface. The
// set must make sense by itself: no interface in two pairs.
func makePlans(pairs []Pair) (map[string]plan, error) {
	plans := make(map[string]plan, 2*len(pairs))
	add := func(name, peer string, requested, peerRequested Datapath, isA, wait bool) error {
		if other, taken := plans[name]; taken && text(other.Peer) == peer {
			return refuse(ErrTaken, "%s is connected to %s already", name, peer)
		} else if taken {
			return refuse(ErrTaken, "%s is to be connected to %s and to %s: an interface can be in one pair only", name, text(other.Peer), peer)
		}
		p := plan{Peer: interfaceName(peer), Requested: number(requested), PeerRequested: number(peerRequested)}
		if isA {
			p.IsA = 1
		}
		if wait {
			p.MayWait = 1
		}
		plans[name] = p
		return nil
	}
	for _, pair := range pairs {
		if err := errInvalid(pair); err != nil {
			return nil, err
		}
		if err := add(pair.A, pair.B, pair.AToB, pair.BToA, true, pair.Wait); err != nil {
			return nil, err
		}
		if pair.A == pair.B {
			continue
		}
		if err := add(pair.B, pair.A, pair.BToA, pair.AToB, false, pair.Wait); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

func errInvalid(pair Pair) error {
	for _, name := range []string{pair.A, pair.B} {
		if err := probes.CheckInterfaceName(name); err != nil {
			return err
		}
	}
	for _, requested := range []Datapath{pair.AToB, pair.BToA} {
		if requested != "" && !slices.Contains(datapathsByNumber, requested) {
			_, err := ParseDatapath(string(requested))
			return err
		}
	}
	return nil
}

// pairOf is the pair of which ingress name has the plan p, its A being here.
func pairOf(name string, p *plan) Pair {
	return Pair{A: name, B: text(p.Peer), AToB: datapathOf(p.Requested), BToA: datapathOf(p.PeerRequested), Wait: p.MayWait != 0}
}

// isThere tells whether the plan wants anything.
func isThere(p *plan) bool { return p.Peer[0] != 0 }

// isSame tells whether two plans want the same pair by the same datapaths.
func isSame(a, b *plan) bool {
	return isThere(a) && a.Peer == b.Peer && a.Requested == b.Requested && a.PeerRequested == b.PeerRequested
}

func number(d Datapath) uint8 {
	return uint8(max(0, slices.Index(datapathsByNumber, d))) // empty is Auto
}

func datapathOf(number uint8) Datapath {
	if int(number) >= len(datapathsByNumber) {
		return Auto
	}
	return datapathsByNumber[number]
}

// interfaceName and text convert names as the kernel has them.
func interfaceName(s string) (name [unix.IFNAMSIZ]uint8) {
	copy(name[:], s)
	return name
}

func text(name [unix.IFNAMSIZ]uint8) string { return unix.ByteSliceToString(name[:]) }

func sortPairs(pairs []Pair) []Pair {
	slices.SortFunc(pairs, func(a, b Pair) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	return pairs
}
