// Package owners finds out which process a connection belongs to.
package owners

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/cgroup"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// Probe knows the owners of sockets, in all network namespaces.
type Probe struct {
	hooks   *hooks             // nil where the kernel offers none
	problem string             // why it knows nothing, or not all; empty if nothing is missing
	blind   probes.OwnerReason // why it knows nothing

	clock   *kernel.Clock
	names   *cgroup.Names
	users   map[uint32]string
	sockets *socketTable
	owners  ownerSet
	begun   uint64 // ns, CLOCK_MONOTONIC: what came to be before is known by surveys alone

	survey, listing, measuring pace
	surveys                    uint32
	changes                    changeReader
	reports                    []bpf.OwnersStreamReport // of the last time, to be used again
	tooMany                    bool                     // files or sockets, at the last look at all of them
	lostChanges                uint64                   // that the kernel had no room for

	joiner joiner
	places map[uint32]place // of network namespaces, by inode
	host   *Host            // of the poll under way
	now    time.Time        // of it
}

// pace keeps what takes long from being done all the time.
type pace struct {
	ended, took time.Duration // CLOCK_MONOTONIC
}

const (
	// shareOfTime is the most of it that an iterator over all files or sockets may take.
	shareOfTime = 400
	// mostPause is after how long it may run again all the same: where it takes long, whose a
	// connection is would not be known for minutes.
	mostPause = 10 * time.Second
)

// isDue tells whether it is time to do it again.
func (p *pace) isDue(now time.Duration) bool {
	return now >= p.ended+min(shareOfTime*p.took, mostPause)
}

// run does it, and remembers how long that took.
func (p *pace) run(fn func() error) error {
	begun := time.Duration(kernel.Monotonic())
	err := fn()
	p.ended = time.Duration(kernel.Monotonic())
	p.took = p.ended - begun
	return err
}

// LeaveOut makes a probe that looks for no owners, and tells what ends all the same.
func LeaveOut(clock *kernel.Clock) *Probe {
	return &Probe{clock: clock, sockets: newSocketTable(), joiner: newJoiner(), places: make(map[uint32]place), blind: probes.OwnersLeftOut}
}

// New attaches to what tells of sockets, and looks at those that there are. That the kernel
// offers less than all of it is no error: Problem then says what is missing.
func New(clock *kernel.Clock) (*Probe, error) { return newProbe(clock, attach) }

// newProbe makes a probe of what attach attaches: no hooks if there are none, and an error
// that says what is missing.
func newProbe(clock *kernel.Clock, attach func(*ebpf.CollectionSpec) (*hooks, error)) (*Probe, error) {
	p := LeaveOut(clock)
	p.blind = probes.OwnersUnavailable
	p.users, p.owners, p.begun = readUsers(), newOwnerSet(clock), uint64(kernel.Monotonic())
	spec, err := bpf.LoadOwners()
	if err != nil {
		return nil, fmt.Errorf("read the owner programs: %w", err)
	}
	p.hooks, err = attach(spec)
	if p.hooks == nil {
		p.problem = probes.OneLine(err)
		return p, nil
	}
	if !procfs.InFirstPIDNamespace() {
		err = errors.Join(err, errOutOfSight)
	}
	if err != nil {
		p.problem = probes.OneLine(err)
	}
	p.names = cgroup.NewNames(p.hooks.maps[bpf.OwnersMapCgroupPaths], p.hooks.maps[bpf.OwnersMapHostNames])
	p.changes = newChangeReader(p.hooks.maps[bpf.OwnersMapOwnerChanges])
	if err := p.look(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Problem says why owners are not known, or not all of them; empty if nothing is missing.
func (p *Probe) Problem() string {
	if p.tooMany {
		return strings.TrimPrefix(p.problem+"; ", "; ") + "so many files are open that not all were looked at: what was opened before the start, or passed on, may have no owner"
	}
	return p.problem
}

// look finds out who has which sockets.
func (p *Probe) look() error {
	return p.survey.run(func() error {
		p.surveys++
		if err := p.hooks.variables[bpf.OwnersVarSurvey].Set(p.surveys + 1); err != nil {
			return fmt.Errorf("number the survey of sockets: %w", err)
		}
		return p.runIterator(p.hooks.survey)
	})
}

// list finds the open sockets that are not TCP.
func (p *Probe) list() error {
	err := p.listing.run(func() error {
		// Without storage, those from before our start are known by surveys alone; and all,
		// where nothing tells of their opening.
		if !p.hooks.hasStorage || !p.hooks.seesClosing {
			if err := p.look(); err != nil {
				return err
			}
		}
		if p.hooks.datagrams == nil {
			return nil
		}
		return p.runIterator(p.hooks.datagrams)
	})
	if err == nil {
		err = p.read()
	}
	// Where only files are looked through, a socket that is not among them may be open all the
	// same, and its closing is told.
	if err == nil && !p.tooMany && !(p.hooks.listsFiles && p.hooks.seesClosing) {
		p.sockets.endUnseen(uint64(kernel.Monotonic()))
	}
	return err
}

// runIterator has a program look at all files or sockets. That there are too many is no error.
func (p *Probe) runIterator(iterator *link.Iter) error {
	reader, err := kernel.OpenIterator(iterator)
	if err != nil {
		return fmt.Errorf("look at sockets: %w", err)
	}
	_, err = io.Copy(io.Discard, reader)
	if p.tooMany = errors.Is(err, kernel.ErrTooMany); p.tooMany {
		err = nil
	}
	if err := errors.Join(err, reader.Close()); err != nil {
		return fmt.Errorf("look at sockets: %w", err)
	}
	return nil
}

// read takes the changes that came.
func (p *Probe) read() error {
	if err := p.hooks.variables[bpf.OwnersVarChangesLost].Get(&p.lostChanges); err != nil {
		return fmt.Errorf("read how many changes of sockets were lost: %w", err)
	}
	return p.changes.drain(func(tuple *bpf.OwnersSocketTuple, change *bpf.OwnersOwnerChange) error {
		owner, reason, err := p.ownerOf(tuple, &change.Owned)
		if err == nil {
			p.sockets.apply(tuple, change, owner, reason)
		}
		return err
	})
}

// ownerOf describes the process that has a socket.
func (p *Probe) ownerOf(tuple *bpf.OwnersSocketTuple, o *bpf.OwnersOwned) (*probes.Owner, probes.OwnerReason, error) {
	switch {
	case o.Process.Pid == 0:
		return nil, probes.OwnerBeforeStart, nil
	case o.Process.IsKernel != 0:
		return nil, probes.OwnerIsKernel, nil
	}
	key := ownerKey{o.Process.Pid, o.Process.Start, o.Process.Host, tuple.NetworkNamespace, o.Certainty, o.Process.Comm}
	if owner := p.owners.known[key]; owner != nil {
		return owner, probes.NoReason, nil
	}
	place, err := p.names.Place(o.Process.Cgroup)
	if err != nil {
		return nil, 0, err
	}
	host, err := p.names.Host(o.Process.Host)
	if err != nil {
		return nil, 0, err
	}
	return p.owners.add(key, &o.Process, place, host, p.users[o.Process.Uid]), probes.NoReason, nil
}

// Lost is how many changes of sockets the kernel had no room for, up to the last Join.
func (p *Probe) Lost() uint64 { return p.lostChanges }

// Close detaches the probe.
func (p *Probe) Close() error {
	if p == nil || p.hooks == nil {
		return nil
	}
	return p.hooks.Close()
}

// changeReader takes changes out of the kernel's queue.
type changeReader struct {
	queue  *ebpf.Map
	keys   []bpf.OwnersSocketTuple
	values []bpf.OwnersOwnerChange
}

func newChangeReader(queue *ebpf.Map) changeReader {
	const batch = 2048 // larger than any hash bucket, small enough to reuse
	return changeReader{queue, make([]bpf.OwnersSocketTuple, batch), make([]bpf.OwnersOwnerChange, batch)}
}

// drain calls take for each change, in no order.
func (r *changeReader) drain(take func(*bpf.OwnersSocketTuple, *bpf.OwnersOwnerChange) error) error {
	var cursor ebpf.MapBatchCursor
	for {
		n, err := r.queue.BatchLookupAndDelete(&cursor, r.keys, r.values, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("read changes of sockets: %w", err)
		}
		for i := range n {
			if err := take(&r.keys[i], &r.values[i]); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}
