package packets

import (
	"hash/maphash"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// rateMeter derives the rates of connections from the totals of consecutive
// samples. Only connections that saw a packet lately are looked up: of the
// tens of thousands in the table most are idle, and have not changed. The zero value
// has seen none.
type rateMeter struct {
	seed maphash.Seed
	seen map[uint64]byteTotal // by hash: the keys would take five times the memory
}

// connectionKey tells the rows of the connection table apart.
type connectionKey struct {
	iface, protocol string
	local, remote   probes.Endpoint
}

func (m *rateMeter) hash(c *probes.Connection) uint64 {
	return maphash.Comparable(m.seed, connectionKey{c.Interface, c.Protocol, c.Local, c.Remote})
}

type byteTotal struct{ rx, tx uint64 }

// slack covers that the kernel's clock for packets is coarse, and that it is
// translated to wall time.
const slack = 2 * time.Second

// measure sets the rates of rows, over the interval before now.
func (m *rateMeter) measure(rows []probes.Connection, now time.Time, interval time.Duration) {
	if m.seen == nil {
		m.seed = maphash.MakeSeed()
	}
	if m.seen == nil || len(m.seen) > 2*len(rows)+1024 {
		m.forget(rows)
	}
	seconds := interval.Seconds()
	// When the sample before was taken, by the wall clock of now, because the clock
	// may have been set.
	lately := now.Add(-interval - slack)
	for i := range rows {
		c := &rows[i]
		if c.LastSeen.Before(lately) {
			continue
		}
		key := m.hash(c)
		before, known := m.seen[key]
		total := byteTotal{rx: c.RXBytes, tx: c.TXBytes}
		if total != before || !known {
			m.seen[key] = total
		}
		if seconds > 0 && (known || c.FirstSeen.After(lately)) {
			c.RXBPS = float64(grown(before.rx, total.rx)) * 8 / seconds
			c.TXBPS = float64(grown(before.tx, total.tx)) * 8 / seconds
		}
	}
}

// forget drops what is no longer in the table.
func (m *rateMeter) forget(rows []probes.Connection) {
	kept := make(map[uint64]byteTotal, len(rows))
	if len(m.seen) > 0 {
		for i := range rows {
			key := m.hash(&rows[i])
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
