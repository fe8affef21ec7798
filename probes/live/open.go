package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/doctor"
	"github.com/ebpftop/ebpftop/probes/drops"
	"github.com/ebpftop/ebpftop/probes/execs"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
	"github.com/ebpftop/ebpftop/probes/owners"
	"github.com/ebpftop/ebpftop/probes/packets"
	"github.com/ebpftop/ebpftop/probes/peers"
)

// explain adds to an error of the kernel what the user can do about it.
func (o Options) explain(err error) error {
	if limit := o.explainLimit(err); limit != nil {
		return limit
	}
	_, isLinks := errors.AsType[linksError](err)
	_, isFile := errors.AsType[*fs.PathError](err)
	switch {
	case isFile || isLinks && errors.Is(err, unix.EACCES):
		return err // it is about the mode of a file
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: %s, see `ebpftop doctor`", err, doctor.WhyForbidden())
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%w: `ebpftop doctor` says what this kernel lacks", err)
	}
	return err
}

// linksError is about the file of links.
type linksError struct{ error }

func (e linksError) Unwrap() error { return e.error }

// events are what the probes follow at once, without waiting for a sample.
type events struct {
	interfaces <-chan rtnl.Message      // came, went or changed
	links      <-chan linksfile.Version // of the file of cross-connects
}

// open makes the probes, attaches to the interfaces there are, and connects
// what the file of links says.
func (l *Live) open(ctx context.Context, opts Options) (e events, err error) {
	defer kernel.KeepTypes()()
	// Subscribed before the list is taken, so that no interface falls between.
	if e.interfaces, err = rtnl.Messages(ctx); err != nil {
		return e, err
	}
	var socket rtnl.Socket
	links, err := socket.Links()
	if err != nil {
		return e, err
	}
	if l.namespace, err = kernel.NetworkNamespace(); err != nil {
		return e, err
	}
	l.name = peers.NameOf(l.namespace) // before it is confined: of the first process, root alone sees it
	if err := l.openPrograms(opts, len(links)); err != nil {
		return e, err
	}
	if opts.Confine != nil {
		if err := opts.Confine(); err != nil {
			return e, err
		}
	}
	if e.links, err = l.attachAll(ctx, opts, socket, links); err != nil {
		return e, err
	}
	_, err = l.self.poll(0) // what the start cost is no part of an interval
	return e, err
}

// attachAll has interfaces watched, unless that is for later, and the pairs of the file connected,
// whose versions it returns.
func (l *Live) attachAll(ctx context.Context, opts Options, socket rtnl.Socket, links []netlink.Link) (versions <-chan linksfile.Version, err error) {
	yield := func(ifindex int) bool { return l.interfaces.YieldXDP(ifindex) }
	if l.pairs, err = newPairManager(yield, l.inspector, opts.Expedite); err != nil {
		return nil, err
	}
	l.pairs.allowLinks = opts.AllowLinks
	l.namespaces.packets = l.packets
	if err := l.namespaces.check(); err != nil {
		return nil, err
	}
	if err := l.watch(opts, socket, links); err != nil {
		return nil, err
	}
	if versions, err = l.pairs.followFile(ctx, opts.Links); err != nil {
		return nil, linksError{err}
	}
	if err := l.follow(); err != nil {
		return nil, err
	}
	if l.begun = !opts.AtOnce; l.begun {
		l.interfaces.Queue.All()
	}
	return versions, nil
}

// watch begins to watch the interfaces that there are.
func (l *Live) watch(opts Options, socket rtnl.Socket, links []netlink.Link) error {
	l.interfaces = packets.NewInterfaces(l.packets, opts.Hook, opts.Interfaces)
	l.interfaces.RTNL = socket
	l.interfaces.LookAt = l.inspector.LookAt
	l.interfaces.XDPIngresses = l.pairs.xdpIngresses
	l.interfaces.Queue.Expedite = opts.Expedite
	if len(opts.Namespaces) == 0 { // else one can be in another namespace
		if err := l.interfaces.Check(links); err != nil {
			return err
		}
	}
	if err := attach.RemoveStaleFilters(links); err != nil {
		return err
	}
	if err := l.interfaces.Reconcile(links); err != nil {
		return err
	}
	if err := l.namespaces.reconcile(time.Now()); err != nil {
		return err
	}
	if !opts.AtOnce {
		l.interfaces.Queue.All()
	}
	return l.interfaces.Refused()
}

// openPrograms loads the programs, side by side, because the kernel takes tens of
// milliseconds to verify them.
func (l *Live) openPrograms(opts Options, interfaces int) error {
	var group errgroup.Group
	peersOpen := make(chan struct{})
	group.Go(func() error {
		defer close(peersOpen)
		l.peers = peers.New(l.namespace)
		return nil
	})
	group.Go(func() error {
		if len(opts.Namespaces) > 0 {
			<-peersOpen
			l.namespaces.finder = l.peers
			interfaces += l.namespaces.count()
		}
		return l.openPackets(opts, interfaces)
	})
	if l.owners = owners.LeaveOut(l.clock); opts.hasOwners() {
		group.Go(func() (err error) {
			l.owners, err = owners.New(l.clock)
			return err
		})
	}
	if !opts.NoExecs {
		group.Go(func() (err error) {
			l.execs, err = execs.New(l.clock, execs.Options{NoArgs: opts.NoArgs})
			return err
		})
	}
	if !opts.NoDrops {
		group.Go(func() (err error) {
			l.drops, err = drops.New(l.clock, l.namespace)
			return err
		})
	}
	return group.Wait()
}

// openPackets makes what counts packets, on no interface yet.
func (l *Live) openPackets(opts Options, interfaces int) (err error) {
	l.packets, err = packets.New(packets.Options{
		Interfaces:     interfaces,
		Namespace:      l.namespace,
		MaxConnections: opts.MaxConnections,
		Ports:          opts.Ports,
		ProtocolsOnly:  opts.ProtocolsOnly,
	})
	if err != nil {
		return err
	}
	if opts.Hook == probes.HookAuto || opts.Hook == probes.HookTracepoint {
		l.packets.BeginTracing()
	}
	l.connections, err = packets.NewConnections(l.packets, l.clock, opts.Ageing)
	return err
}
