package packets

import (
	"time"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
)

// totals sums up the interfaces in the total, by protocol. It adds what each one counted
// since the last poll, and so keeps the frames of an interface that went, or that is no
// longer in the total.
type totals struct {
	since time.Time
	rows  map[bpf.PacketsOtherKey]*totalRow // of interface 0
}

type totalRow struct {
	total  bpf.PacketsTraffic
	growth bpf.PacketsTraffic // since the last take
}

func newTotals() *totals {
	return &totals{since: time.Now(), rows: make(map[bpf.PacketsOtherKey]*totalRow)}
}

// maxTotalRows bounds the rows, whatever ethertypes interfaces that come and go bring.
const maxTotalRows = 2048

// add takes in what an interface has counted of a protocol since the last poll. Nil
// totals take nothing: those of an interface that is not in the total.
func (t *totals) add(key bpf.PacketsOtherKey, growth bpf.PacketsTraffic) {
	if t == nil || growth.Packets == 0 {
		return
	}
	key.Interface = 0
	row := t.rows[key]
	if row == nil && len(t.rows) >= maxTotalRows && key.Kind == otherEthertype {
		key.Kind, key.Number = otherRest, 0
		row = t.rows[key]
	}
	if row == nil {
		row = &totalRow{}
		t.rows[key] = row
	}
	row.total = more(row.total, growth)
	row.growth = more(row.growth, growth)
}

// take returns the totals, with rates over interval.
func (t *totals) take(interval time.Duration) probes.Totals {
	out := probes.Totals{Since: t.since, Protocols: make([]probes.Protocol, 0, len(t.rows))}
	for key, row := range t.rows {
		protocol := protocolOf(key)
		countProtocol(&protocol, row.total, row.growth, interval)
		row.growth = bpf.PacketsTraffic{}
		out.Protocols = append(out.Protocols, protocol)
	}
	sortProtocols(out.Protocols)
	for i := range out.Protocols {
		out.Traffic.Add(&out.Protocols[i])
	}
	return out
}
