package snapshot

import (
	"hash/maphash"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// ByteRate is what a connection carried in the last interval, in bit/s.
type ByteRate struct{ RX, TX float64 }

// rateMeter derives the rates of connections from the totals of consecutive
// samples. Only connections that saw a packet lately are looked up: of the
// tens of thousands in the table most are idle, and have not changed.
type rateMeter struct {
	seed maphash.Seed
	seen map[uint64]byteTotal // by hash: the keys would take five times the memory
	at   time.Time            // of the sample before
}

func newRateMeter() rateMeter { return rateMeter{seed: maphash.MakeSeed()} }

func (m *rateMeter) hash(c *probes.Connection) uint64 { return maphash.Comparable(m.seed, keyOf(c)) }

type byteTotal struct{ rx, tx uint64 }

// slack covers that the kernel's clock for packets is coarse, and that it is
// translated to wall time.
const slack = 2 * time.Second

// measure returns the rates of s.Connections, in their order.
func (m *rateMeter) measure(s *probes.Sample) []ByteRate {
	elapsed := s.Time.Sub(m.at)
	if m.at.IsZero() || elapsed <= 0 {
		elapsed = s.Interval
	}
	if m.seen == nil || len(m.seen) > 2*len(s.Connections)+1024 {
		m.forget(s)
	}
	seconds := elapsed.Seconds()
	// The sample before by the wall clock of this one, which may have been set.
	lately := s.Time.Add(-elapsed - slack)
	rates := make([]ByteRate, len(s.Connections))
	for i := range s.Connections {
		c := &s.Connections[i]
		if c.LastSeen.Before(lately) {
			continue
		}
		key := m.hash(c)
		before, known := m.seen[key]
		now := byteTotal{rx: c.RXBytes, tx: c.TXBytes}
		if now != before || !known {
			m.seen[key] = now
		}
		if seconds > 0 && (known || c.FirstSeen.After(lately)) {
			rates[i] = ByteRate{
				RX: float64(grown(before.rx, now.rx)) * 8 / seconds,
				TX: float64(grown(before.tx, now.tx)) * 8 / seconds,
			}
		}
	}
	m.at = s.Time
	return rates
}

// forget drops what is no longer in the table.
func (m *rateMeter) forget(s *probes.Sample) {
	kept := make(map[uint64]byteTotal, len(s.Connections))
	if len(m.seen) > 0 {
		for i := range s.Connections {
			key := m.hash(&s.Connections[i])
			if t, ok := m.seen[key]; ok {
				kept[key] = t
			}
		}
	}
	m.seen = kept
}

// grown is the growth of a total; one that shrank was evicted and began anew.
func grown(before, now uint64) uint64 {
	if now < before {
		return now
	}
	return now - before
}
