package drops

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/names"
)

// rowKey says what a row counts: a row of the kernel's table, or, if driver is not "", an
// interface's own count of that name.
type rowKey struct {
	bpf.DropsDropKey
	driver string
}

// hasFunction tells whether the place is an address in the function that dropped.
func (k *rowKey) hasFunction() bool {
	return k.driver == "" && k.Source == bpf.DropsDropSourceDROP_SKB && k.Place != 0
}

// row is what was dropped for one reason, on one interface, of one protocol.
type row struct {
	drop   probes.Drop
	kernel uint64 // packets, as last read
	gone   uint64 // packets of rows that this one took in
	before uint64 // packets at the last poll
	left   bool   // its interface was gone at the last poll, too
}

func (r *row) packets() uint64 { return r.kernel + r.gone }

func (r *row) setKernel(packets uint64) {
	r.left = r.left && packets == r.kernel
	r.kernel = packets
}

// poll returns the row as it is to be shown.
func (r *row) poll(interval time.Duration) probes.Drop {
	drop := r.drop
	drop.Packets, drop.TakenOver = r.packets(), r.gone
	if interval > 0 {
		drop.PerSecond = float64(drop.Packets-r.before) / interval.Seconds()
	}
	if len(drop.Latest) > 0 {
		drop.Last = &drop.Latest[0]
	}
	drop.Reason = cmp.Or(drop.Reason, drop.Function, "UNKNOWN")
	r.before = drop.Packets
	return drop
}

// latestKept is how many dropped packets a row has at most.
const latestKept = 8

// remember adds one to the latest, in a list of its own, because the old one is shown.
func (r *row) remember(packet probes.DroppedPacket) {
	latest := append(make([]probes.DroppedPacket, 0, latestKept), packet)
	r.drop.Latest = append(latest, r.drop.Latest[:min(len(r.drop.Latest), latestKept-1)]...)
}

// row returns the row of a key. It makes it if there is none.
func (p *Probe) row(key rowKey) *row {
	r := p.rows[key]
	if r == nil {
		p.lastID++
		r = &row{drop: p.describe(key)}
		r.drop.ID = p.lastID
		p.rows[key] = r
	}
	return r
}

// describe returns what a key says. The function and the program are named later.
func (p *Probe) describe(key rowKey) probes.Drop {
	drop := probes.Drop{Protocol: protocolName(key.Protocol, key.Number), Source: probes.DropXDP}
	switch key.Source {
	case bpf.DropsDropSourceDROP_SKB:
		drop.Source = probes.DropSKB
		if key.driver != "" {
			drop.Source, drop.Reason = probes.DropInterface, key.driver
		} else {
			drop.Reason = p.hook.reasons.name(key.Reason)
		}
	case bpf.DropsDropSourceDROP_XDP_EXCEPTION:
		drop.Reason = actionName(key.Reason)
	case bpf.DropsDropSourceDROP_XDP_REDIRECT:
		drop.Reason = "XDP_REDIRECT_" + errnoName(key.Reason)
	case bpf.DropsDropSourceDROP_XDP_XMIT:
		drop.Reason = "XDP_XMIT_" + errnoName(key.Reason)
	case bpf.DropsDropSourceDROP_XDP_TX:
		drop.Reason = "XDP_TX_" + errnoName(key.Reason)
	}
	return drop
}

func protocolName(kind bpf.DropsDropProtocol, number uint32) string {
	switch kind {
	case bpf.DropsDropProtocolDROP_PROTOCOL_IP:
		return names.IPProtocol(uint8(number))
	case bpf.DropsDropProtocolDROP_PROTOCOL_ETHERTYPE:
		return names.Ethertype(uint16(number))
	case bpf.DropsDropProtocolDROP_PROTOCOL_OTHER:
		return names.Ethertype(names.EthertypeOther)
	}
	return "-"
}

// leaveGone takes the rows of interfaces that are gone into those of no interface, and
// makes room in the kernel's table. It does so at the second poll without the interface,
// if nothing was counted meanwhile, so that no packet on its way is lost.
func (p *Probe) leaveGone() error {
	for key, r := range p.rows {
		if key.Ifindex == 0 || p.names[key.Ifindex] != "" {
			r.left = false
			continue
		}
		if !r.left {
			r.left = true
			continue
		}
		if key.driver == "" {
			if err := p.table.forget(&key.DropsDropKey); err != nil {
				return fmt.Errorf("forget an interface that is gone: %w", err)
			}
		}
		delete(p.rows, key)
		key.Ifindex = 0
		to := p.row(key)
		to.gone += r.packets()
		to.before += r.before
		to.drop.Function, to.drop.Program = r.drop.Function, r.drop.Program
		if to.drop.Latest == nil {
			to.drop.Latest = r.drop.Latest
		}
	}
	return nil
}
