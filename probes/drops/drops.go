// Package drops counts the packets that the kernel drops, by reason, interface and
// protocol, and has some of the latest.
package drops

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// Probe counts what is dropped in one network namespace.
type Probe struct {
	hook    *hook  // nil where the kernel offers none
	unknown string // why it does not
	symbols *symbols
	clock   *kernel.Clock
	table   *table
	ring    *kernel.Ring[eventBatch]
	rows    map[rowKey]*row
	lastID  uint64 // of a row
	drivers driverDrops
	names   map[uint32]string // of the interfaces that there are, by ifindex
}

// New attaches to the kernel's tracepoints, and has counted what is dropped in the network
// namespace of that inode number. That the kernel has none is no error: polls then tell why.
func New(clock *kernel.Clock, namespace uint32) (*Probe, error) {
	return newProbe(clock, namespace, 0)
}

func newProbe(clock *kernel.Clock, namespace, rows uint32) (p *Probe, err error) {
	p = &Probe{
		clock: clock, rows: make(map[rowKey]*row),
		drivers: make(driverDrops), names: make(map[uint32]string),
	}
	if p.hook, err = attachHook(namespace, rows); err != nil {
		p.unknown = probes.OneLine(err)
		return p, nil
	}
	p.symbols = openSymbols()
	if err := p.open(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Probe) open() (err error) {
	if p.table, err = newTable(p.hook.collection); err != nil {
		return err
	}
	p.ring, err = kernel.NewRing(p.hook.collection.Maps[bpf.DropsMapDropEvents], (*eventBatch).add)
	if err != nil {
		return fmt.Errorf("read drop events: %w", err)
	}
	return nil
}

// Close detaches.
func (p *Probe) Close() error {
	var errs []error
	if p.ring != nil {
		errs = append(errs, p.ring.Close())
	}
	if p.symbols != nil {
		errs = append(errs, p.symbols.Close())
	}
	if p.hook != nil {
		errs = append(errs, p.hook.Close())
	}
	return errors.Join(errs...)
}

// Poll returns what was dropped, and how many packets more were that have no row: the
// table was full, or the kernel would have had to run a program within itself. Links are all
// interfaces, as they are now; the interval is the time since the last poll.
func (p *Probe) Poll(links []netlink.Link, interval time.Duration, whose Whose) (drops probes.Drops, uncounted uint64, err error) {
	p.nameInterfaces(links)
	p.addDriverDrops(links)
	if p.hook != nil {
		if err := p.readKernel(whose); err != nil {
			return drops, 0, err
		}
	}
	if err := p.leaveGone(); err != nil {
		return drops, 0, err
	}
	drops = p.list(interval)
	if p.hook != nil {
		drops.Unplaced, uncounted, err = p.withoutRow()
	}
	return drops, uncounted, err
}

func (p *Probe) nameInterfaces(links []netlink.Link) {
	clear(p.names)
	for _, l := range links {
		p.names[uint32(l.Attrs().Index)] = l.Attrs().Name
	}
}

// readKernel reads the events first, so that none is ahead of the counts.
func (p *Probe) readKernel(whose Whose) error {
	batch, err := p.ring.Drain()
	if err != nil {
		return fmt.Errorf("read drop events: %w", err)
	}
	keys, packets, err := p.table.read()
	if err != nil {
		return fmt.Errorf("read drop counts: %w", err)
	}
	for i, key := range keys {
		p.row(rowKey{DropsDropKey: key}).setKernel(packets[i])
	}
	for i := range batch.events {
		if err := p.addEvent(&batch.events[i], whose); err != nil {
			return err
		}
	}
	return p.nameFunctions()
}

// withoutRow adds up what has no row.
func (p *Probe) withoutRow() (unplaced, uncounted uint64, err error) {
	noRoom, unplaced, err := p.table.withoutRow()
	if err != nil {
		return 0, 0, fmt.Errorf("read what has no row: %w", err)
	}
	missed, err := p.hook.missed()
	return unplaced, noRoom + missed, err
}

// list returns all rows, with what was dropped since the last time.
func (p *Probe) list(interval time.Duration) probes.Drops {
	drops := probes.Drops{Unknown: p.unknown, Rows: make([]probes.Drop, 0, len(p.rows))}
	for key, row := range p.rows {
		if row.packets() == 0 || isNoDropIn[row.drop.Function] {
			continue
		}
		drop := row.poll(interval)
		drop.Interface = cmp.Or(p.names[key.Ifindex], probes.NoInterface)
		drops.Total += drop.Packets
		drops.PerSecond += drop.PerSecond
		drops.Rows = append(drops.Rows, drop)
	}
	slices.SortFunc(drops.Rows, func(a, b probes.Drop) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.Interface, b.Interface),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Function, b.Function),
			cmp.Compare(a.Program, b.Program), cmp.Compare(a.Protocol, b.Protocol))
	})
	return drops
}
