package crossconnect

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// redirects counts what becomes of the frames that XDP redirects in one network
// namespace, whoever's program redirects them. A nil *redirects knows of none.
type redirects struct {
	counts *ebpf.Map
	links  []link.Link // as redirectPrograms
}

// redirectPrograms are the programs, and the names of their pinned links.
var redirectPrograms = []string{bpf.RedirectsProgRedirectsXmit, bpf.RedirectsProgRedirectsErr}

// redirectCount is what became of the frames that entered one interface.
type redirectCount struct {
	// sent were given to the driver, by native XDP: what generic XDP sends is
	// not counted.
	sent    uint64
	dropped uint64
	errors  []redirectError // most frames first
}

// redirectError is why frames were dropped.
type redirectError struct {
	// errno is 0 where the driver took some of several frames only, as it does
	// when its queue is full.
	errno  unix.Errno
	frames uint64
}

// openRedirects starts counting in the network namespace that the caller's thread
// is in. It needs kernel BTF; without it the error says so, and cross-connects
// work all the same.
//
// With a folder, in a bpffs, it goes on with the counts pinned there, or begins
// and pins them. Then the kernel counts until the files are removed.
func openRedirects(folder pins) (*redirects, error) {
	if folder != "" {
		r, err := reopenRedirects(folder)
		if !errors.Is(err, os.ErrNotExist) {
			return r, err
		}
	}
	r, err := startRedirects()
	if err != nil {
		return nil, fmt.Errorf("count dropped frames: %w", err)
	}
	if folder == "" {
		return r, nil
	}
	if err := r.pin(folder); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func startRedirects() (*redirects, error) {
	spec, err := bpf.LoadRedirects()
	if err != nil {
		return nil, err
	}
	namespace, err := kernel.NetworkNamespace()
	if err != nil {
		return nil, err
	}
	if err := spec.Variables[bpf.RedirectsVarNetworkNamespace].Set(namespace); err != nil {
		return nil, err
	}
	collection, err := kernel.Load(spec, nil, ebpf.ProgramOptions{})
	if err != nil {
		return nil, err
	}
	defer collection.Close()
	r := &redirects{counts: collection.DetachMap(bpf.RedirectsMapRedirects)}
	for _, name := range redirectPrograms {
		l, err := link.AttachTracing(link.TracingOptions{Program: collection.Programs[name]})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach %s: %w", name, err), r.Close())
		}
		r.links = append(r.links, l)
	}
	return r, nil
}

// reopenRedirects fails with os.ErrNotExist if not everything is pinned there.
func reopenRedirects(folder pins) (*redirects, error) {
	counts, err := folder.openAnyMap(bpf.RedirectsMapRedirects, pinOpen)
	if err != nil {
		return nil, fmt.Errorf("open pinned redirect counts: %w", err)
	}
	r := &redirects{counts: counts}
	spec, err := bpf.LoadRedirects()
	if err == nil {
		err = spec.Maps[bpf.RedirectsMapRedirects].Compatible(counts)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pinned redirect counts: %w", err), r.Close())
	}
	for _, name := range redirectPrograms {
		l, err := folder.openLink(name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open pinned link %s: %w", name, err), r.Close())
		}
		r.links = append(r.links, l)
	}
	return r, nil
}

// pin replaces what another process left that did not come to pin it all.
func (r *redirects) pin(folder pins) error {
	objects := map[string]interface{ FD() int }{bpf.RedirectsMapRedirects: r.counts}
	for i, name := range redirectPrograms {
		objects[name] = r.links[i].(interface{ FD() int })
	}
	for name, object := range objects {
		if err := folder.drop(name); err != nil {
			return fmt.Errorf("replace pinned %s: %w", name, err)
		}
		if err := folder.pinObject(name, object); err != nil {
			return fmt.Errorf("pin %s: %w", name, err)
		}
	}
	return nil
}

// count tells what became of the frames since counting began, by the ifindex
// they entered.
func (r *redirects) count() (map[int]redirectCount, error) {
	if r == nil {
		return nil, nil
	}
	all := make(map[int]redirectCount)
	var row bpf.RedirectsRow
	var ofCPUs []bpf.RedirectsFrames
	rows := r.counts.Iterate()
	for rows.Next(&row, &ofCPUs) {
		total := all[int(row.Ingress)]
		total.add(unix.Errno(row.Error), ofCPUs)
		all[int(row.Ingress)] = total
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read redirect counts: %w", err)
	}
	for _, total := range all {
		slices.SortFunc(total.errors, func(a, b redirectError) int { return cmp.Compare(b.frames, a.frames) })
	}
	return all, nil
}

// add adds a row of the table.
func (c *redirectCount) add(errno unix.Errno, ofCPUs []bpf.RedirectsFrames) {
	var dropped uint64
	for _, frames := range ofCPUs {
		c.sent += frames.Sent
		dropped += frames.Dropped
	}
	if dropped == 0 {
		return
	}
	c.dropped += dropped
	i := slices.IndexFunc(c.errors, func(e redirectError) bool { return e.errno == errno })
	if i < 0 {
		c.errors = append(c.errors, redirectError{errno, dropped})
		return
	}
	c.errors[i].frames += dropped
}

// forget makes room for others. The table has 1024 rows, about two for each
// direction; a frame that finds no room for one is not counted.
func (r *redirects) forget(ingress int) error {
	if r == nil {
		return nil
	}
	var row bpf.RedirectsRow
	var ofCPUs []bpf.RedirectsFrames
	var old []bpf.RedirectsRow
	rows := r.counts.Iterate()
	for rows.Next(&row, &ofCPUs) {
		if int(row.Ingress) == ingress {
			old = append(old, row)
		}
	}
	errs := []error{rows.Err()}
	for _, row := range old {
		errs = append(errs, r.counts.Delete(row))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("forget redirect counts: %w", err)
	}
	return nil
}

// Close stops counting, unless the counts are pinned.
func (r *redirects) Close() error {
	if r == nil {
		return nil
	}
	errs := []error{r.counts.Close()}
	for _, l := range r.links {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
