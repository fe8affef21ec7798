package crossconnect

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// drops counts what becomes of the frames that XDP redirects in one network
// namespace, whoever's program redirects them. A nil *drops knows of none.
type drops struct {
	counts *ebpf.Map
	links  []link.Link // as dropPrograms
}

// dropPrograms are the programs, and the names of their pinned links.
var dropPrograms = []string{bpf.DropsProgDropsXmit, bpf.DropsProgDropsErr}

// dropCount is what became of the frames that entered one interface.
type dropCount struct {
	// sent were given to the driver, by native XDP: what generic XDP sends is
	// not counted.
	sent    uint64
	dropped uint64
	reasons []dropReason // most frames first
}

// dropReason is why frames were dropped.
type dropReason struct {
	// errno is 0 where the driver took some of several frames only, as it does
	// when its queue is full.
	errno  unix.Errno
	frames uint64
}

// openDrops starts counting in the network namespace that the caller's thread
// is in. It needs kernel BTF; without it the error says so, and cross-connects
// work all the same.
//
// With a folder, in a bpffs, it goes on with the counts pinned there, or begins
// and pins them. Then the kernel counts until the files are removed.
func openDrops(folder string) (*drops, error) {
	if folder != "" {
		d, err := reopenDrops(folder)
		if !errors.Is(err, os.ErrNotExist) {
			return d, err
		}
	}
	d, err := startDrops()
	if err != nil {
		return nil, fmt.Errorf("count dropped frames: %w", err)
	}
	if folder == "" {
		return d, nil
	}
	if err := d.pin(folder); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func startDrops() (*drops, error) {
	spec, err := bpf.LoadDrops()
	if err != nil {
		return nil, err
	}
	namespace, err := kernel.NetworkNamespace()
	if err != nil {
		return nil, err
	}
	if err := spec.Variables[bpf.DropsVarNetworkNamespace].Set(namespace); err != nil {
		return nil, err
	}
	collection, err := kernel.Load(spec, nil, ebpf.ProgramOptions{})
	if err != nil {
		return nil, err
	}
	defer collection.Close()
	d := &drops{counts: collection.DetachMap(bpf.DropsMapDrops)}
	for _, name := range dropPrograms {
		l, err := link.AttachTracing(link.TracingOptions{Program: collection.Programs[name]})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach %s: %w", name, err), d.Close())
		}
		d.links = append(d.links, l)
	}
	return d, nil
}

// reopenDrops fails with os.ErrNotExist if not everything is pinned there.
func reopenDrops(folder string) (*drops, error) {
	counts, err := ebpf.LoadPinnedMap(filepath.Join(folder, bpf.DropsMapDrops), nil)
	if err != nil {
		return nil, fmt.Errorf("open pinned drop counts: %w", err)
	}
	d := &drops{counts: counts}
	spec, err := bpf.LoadDrops()
	if err == nil {
		err = spec.Maps[bpf.DropsMapDrops].Compatible(counts)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pinned drop counts: %w", err), d.Close())
	}
	for _, name := range dropPrograms {
		l, err := link.LoadPinnedLink(filepath.Join(folder, name), nil)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open pinned link %s: %w", name, err), d.Close())
		}
		d.links = append(d.links, l)
	}
	return d, nil
}

// pin replaces what another process left that did not come to pin it all.
func (d *drops) pin(folder string) error {
	pins := map[string]interface{ Pin(string) error }{bpf.DropsMapDrops: d.counts}
	for i, name := range dropPrograms {
		pins[name] = d.links[i]
	}
	for name, object := range pins {
		path := filepath.Join(folder, name)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("replace pinned %s: %w", name, err)
		}
		if err := object.Pin(path); err != nil {
			return fmt.Errorf("pin %s: %w", name, err)
		}
	}
	return nil
}

// count tells what became of the frames since counting began, by the ifindex
// they entered.
func (d *drops) count() (map[int]dropCount, error) {
	if d == nil {
		return nil, nil
	}
	all := make(map[int]dropCount)
	var row bpf.DropsRow
	var ofCPUs []bpf.DropsFrames
	rows := d.counts.Iterate()
	for rows.Next(&row, &ofCPUs) {
		total := all[int(row.Ingress)]
		total.add(unix.Errno(row.Error), ofCPUs)
		all[int(row.Ingress)] = total
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read drop counts: %w", err)
	}
	for _, total := range all {
		slices.SortFunc(total.reasons, func(a, b dropReason) int { return cmp.Compare(b.frames, a.frames) })
	}
	return all, nil
}

// add adds a row of the table.
func (c *dropCount) add(errno unix.Errno, ofCPUs []bpf.DropsFrames) {
	var dropped uint64
	for _, frames := range ofCPUs {
		c.sent += frames.Sent
		dropped += frames.Dropped
	}
	if dropped == 0 {
		return
	}
	c.dropped += dropped
	i := slices.IndexFunc(c.reasons, func(r dropReason) bool { return r.errno == errno })
	if i < 0 {
		c.reasons = append(c.reasons, dropReason{errno, dropped})
		return
	}
	c.reasons[i].frames += dropped
}

// forget makes room for others. The table has 1024 rows, about two for each
// direction; a frame that finds no room for one is not counted.
func (d *drops) forget(ingress int) error {
	if d == nil {
		return nil
	}
	var row bpf.DropsRow
	var ofCPUs []bpf.DropsFrames
	var old []bpf.DropsRow
	rows := d.counts.Iterate()
	for rows.Next(&row, &ofCPUs) {
		if int(row.Ingress) == ingress {
			old = append(old, row)
		}
	}
	errs := []error{rows.Err()}
	for _, row := range old {
		errs = append(errs, d.counts.Delete(row))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("forget drop counts: %w", err)
	}
	return nil
}

// Close stops counting, unless the counts are pinned.
func (d *drops) Close() error {
	if d == nil {
		return nil
	}
	errs := []error{d.counts.Close()}
	for _, l := range d.links {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
