package exporter

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui"
)

// traffic counts what connections carry, by their owners. Because the owner of a connection
// may become known, or another one, while it lasts, what each carried since the last sample
// counts for the owner of that time.
type traffic struct {
	owners     *bounded // by ownerKey
	containers *bounded // by containerKey
	roundTrips histogram

	// seen are connections that are listed, by the hash of their tuple: the tuples would take
	// five times the memory.
	seen   map[uint64]seen
	seed   maphash.Seed
	sample uint32
}

// seen is what was counted of a connection, at the last sample that listed it.
type seen struct {
	amounts
	sample uint32
}

func newTraffic(most int) *traffic {
	return &traffic{
		owners: newBounded(most), containers: newBounded(most),
		seen: make(map[uint64]seen), seed: maphash.MakeSeed(),
	}
}

// take counts what connections carried since the last sample.
func (t *traffic) take(s *probes.Sample, now time.Time) {
	t.sample++
	for i := range s.Ended {
		c := &s.Ended[i]
		hash := t.hash(c)
		before := t.seen[hash].amounts
		t.count(c, carried(c, before).since(before), now)
		delete(t.seen, hash)
	}
	for i := range s.Connections {
		c := &s.Connections[i]
		hash := t.hash(c)
		before := t.seen[hash].amounts
		if c.RXPackets+c.TXPackets < before.rxPackets+before.txPackets {
			before = amounts{} // of an earlier one of the same tuple
		}
		all := carried(c, before)
		if c.OwnerReason == probes.OwnerPending {
			t.seen[hash] = seen{before, t.sample} // counts once the owner is known, or never will be
			continue
		}
		fresh := all.since(before)
		if c.Quality != nil && c.RTT > 0 && fresh.weight() > 0 {
			t.roundTrips.observe(c.RoundTrip().Seconds())
		}
		t.count(c, fresh, now)
		t.seen[hash] = seen{all, t.sample}
	}
	if len(t.seen) > len(s.Connections) {
		for hash, row := range t.seen {
			if row.sample != t.sample {
				delete(t.seen, hash)
			}
		}
	}
	t.owners.choose(now)
	t.containers.choose(now)
}

// carried is what a connection carried since its start. How much of it was sent again is not
// known of every sample: else it is what it was before.
func carried(c *probes.Connection, before amounts) amounts {
	a := amounts{c.RXPackets, c.RXBytes, c.TXPackets, c.TXBytes, before.retransmits}
	if c.Quality != nil {
		a.retransmits = uint64(c.Retransmits)
	}
	return a
}

func (t *traffic) hash(c *probes.Connection) uint64 {
	type ends struct {
		protocol string
		a, b     probes.Endpoint
	}
	key := ends{c.Protocol, c.Local, c.Remote}
	if netip.AddrPort(key.a).Compare(netip.AddrPort(key.b)) > 0 {
		key.a, key.b = key.b, key.a
	}
	return maphash.Comparable(t.seed, key)
}

func (t *traffic) count(c *probes.Connection, a amounts, now time.Time) {
	if a == (amounts{}) {
		return
	}
	t.owners.count(ownerKey(c), a, now)
	if c.Owner != nil && c.Owner.Container != "" {
		t.containers.count(containerKey(c.Owner), a, now)
	}
}

// ownerLabels and containerLabels are of the parts of these keys.
var (
	ownerLabels     = []string{"command", "unit", "reason"}
	containerLabels = []string{"container", "pod_uid", "hostname"}
)

// ownerKey is the command and unit of the owner, or why there is none.
func ownerKey(c *probes.Connection) string {
	if c.Owner == nil {
		return join(none, "", c.OwnerReason.String())
	}
	return join(cmp.Or(c.Owner.Comm, string(c.Owner.Certainty)), c.Owner.Unit, "")
}

func containerKey(o *probes.Owner) string { return join(o.Container, o.Pod, o.Hostname) }

const (
	none  = "-"     // stands for what is not known, or not there
	other = "other" // is what all share that have no counter of their own
)

// join makes a key of parts, in which nothing is left that a terminal would obey or hide.
func join(parts ...string) string {
	for i, part := range parts {
		parts[i] = ui.Escape(part)
	}
	return strings.Join(parts, separator)
}
