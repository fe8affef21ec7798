// Package live runs all probes of the running kernel, and delivers what they find as
// samples.
package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cilium/ebpf/rlimit"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/doctor"
	"github.com/ebpftop/ebpftop/probes/drops"
	"github.com/ebpftop/ebpftop/probes/execs"
	"github.com/ebpftop/ebpftop/probes/inspect"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
	"github.com/ebpftop/ebpftop/probes/latest"
	"github.com/ebpftop/ebpftop/probes/owners"
	"github.com/ebpftop/ebpftop/probes/packets"
	"github.com/ebpftop/ebpftop/probes/peers"
)

// Options choose what Live watches.
type Options struct {
	// Interfaces are names, shell patterns, or lists of them with commas; none means every
	// interface that is up except loopback, those that appear later included.
	Interfaces []string
	Hook       probes.Hook // "" is HookAuto
	// Namespaces are other network namespaces to watch: names in /run/netns, pids, host
	// names, containers, or peers.AllNamespaces.
	Namespaces []string
	// Ports narrows connection tracking to these local ports, in the kernel.
	Ports []uint16
	// ProtocolsOnly leaves connections out: a frame then costs less.
	ProtocolsOnly bool
	// NoArgs lists programs executed without their arguments, which are not even read.
	NoArgs bool
	// NoExecs leaves programs executed out: none of ours is attached to see them.
	NoExecs bool
	// NoOwners leaves out whose connections are: none of ours is attached to see that.
	NoOwners bool
	// NoDrops leaves dropped packets out: none of ours is attached to see them.
	NoDrops bool
	// MaxConnections bounds the table of each of IPv4 and IPv6. It must be at least 1,
	// unless ProtocolsOnly.
	MaxConnections uint32
	Ageing         probes.Ageing // the zero value keeps connections until there is no room
	Interval       time.Duration // between samples; must be more than 0
	// AtOnce has a first sample come at once, of no time and so without rates, and
	// interfaces attached to behind it that the kernel takes long for.
	AtOnce bool
	// Confine, if not nil, takes from the process what it needs no more once the programs are
	// loaded. What is read and attached comes after that.
	Confine func() error
	// Expedite, if not nil, is called before many programs are attached or detached, and what
	// it returns after that.
	Expedite func() (end func())
	// Links is a file of cross-connects to follow, nil if there is none.
	Links *linksfile.Remote
	// AllowLinks, if not nil, may refuse to replace the pairs of that file by others.
	AllowLinks func(before, after []probes.Pair) error
	// Inspector looks at what is not ours, nil if Live is to do so itself.
	Inspector *inspect.Inspector
}

// Live is the running kernel as a Source. One goroutine owns the probes and
// samples them once an interval.
type Live struct {
	opts        Options
	packets     *packets.Program
	interfaces  *packets.Interfaces
	connections *packets.Connections
	peers       *peers.Finder
	namespaces  namespaces
	name        string       // of our own network namespace
	execs       *execs.Probe // nil with NoExecs
	owners      *owners.Probe
	namespace   uint32       // inode of the network namespace
	drops       *drops.Probe // nil with NoDrops
	pairs       *pairManager
	self        self
	inspector   *inspect.Inspector
	seen        []probes.Connection // of the last sample
	known       rtnl.Known
	begun       bool      // all that was there at the start is attached, or tried
	last        time.Time // of the last sample
	clock       *kernel.Clock

	// Detaching, if not nil, is called with how many interfaces Close has yet to
	// detach from.
	Detaching func(left int)

	mailbox   *mailbox
	intervals latest.Box[time.Duration]
	requests  chan func() // to be called by the goroutine that owns the probes
	cancel    context.CancelFunc
	stopped   chan struct{}
	err       error // set before stopped and the mailbox are closed

	closeOnce sync.Once
	closeErr  error
}

// New attaches everything before it returns, unless opts.AtOnce; what happens
// after that is counted. Until Close, or the end of ctx, samples come once an
// interval.
func New(ctx context.Context, opts Options) (*Live, error) {
	if opts.Interval <= 0 {
		return nil, fmt.Errorf("interval %v between samples: use one that is more than 0", opts.Interval)
	}
	opts.Hook = cmp.Or(opts.Hook, probes.HookAuto)
	if _, err := probes.ParseHook(string(opts.Hook)); err != nil {
		return nil, err
	}
	if _, err := doctor.Capabilities(); err != nil {
		return nil, fmt.Errorf("%w: run it as root, or see `ebpftop doctor`", err)
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("raise the limit of locked memory: %w", opts.explain(err))
	}
	l := &Live{
		opts:  opts,
		clock: kernel.NewClock(),
		namespaces: namespaces{
			wanted: opts.Namespaces, chosen: opts.Interfaces, watched: make(map[uint32]*namespace),
		},
		inspector: opts.Inspector,
		mailbox:   newMailbox(),
		intervals: latest.NewBox[time.Duration](),
		requests:  make(chan func()),
		stopped:   make(chan struct{}),
	}
	ctx, l.cancel = context.WithCancel(ctx)
	events, err := l.open(ctx, opts)
	if err != nil {
		l.cancel()
		return nil, errors.Join(opts.explain(err), l.release())
	}
	if opts.AtOnce {
		first, err := l.sample(time.Now(), 0)
		if err != nil {
			l.cancel()
			return nil, errors.Join(opts.explain(err), l.release())
		}
		l.mailbox.put(first)
	}
	go l.run(ctx, opts.Interval, events)
	return l, nil
}

// gatherTime is how long to wait after a message about an interface. Because an interface
// that comes or goes sends several in a row, they are handled together.
const gatherTime = 2 * time.Millisecond

// startTime is enough for the first frame to be drawn.
const startTime = 500 * time.Millisecond

// run samples until ctx ends or a probe fails.
func (l *Live) run(ctx context.Context, interval time.Duration, e events) {
	defer close(l.stopped)
	defer close(l.mailbox.box)
	defer func() {
		// A mistake of ours must not leave the terminal as it is.
		if v := recover(); v != nil {
			l.err = &probes.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	l.pairs.setPatience(pairsPatience)
	defer l.pairs.setPatience(crossconnect.Patience(crossconnect.ErrLocked)) // to leave all in order
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	l.last = time.Now()
	// The start takes ten times the memory that all that follows does, most of it
	// to read the kernel's types. To give it back takes all CPUs, which are busy
	// with the first frame now.
	started := time.After(startTime)
	var attach <-chan time.Time  // nil while no interface waits
	var changed <-chan time.Time // nil while interfaces are as they were
	for l.err == nil {
		if attach == nil && l.interfaces.Queue.IsWaiting() {
			attach = time.After(0)
		}
		select {
		case <-ctx.Done():
			return
		case interval := <-l.intervals:
			ticker.Reset(interval)
		case <-started:
			debug.FreeOSMemory()
		case <-attach:
			attach = l.attachNext()
		case message := <-e.interfaces:
			l.known.Apply(message)
			if changed == nil {
				changed = time.After(gatherTime)
			}
		case <-changed:
			changed = nil
			l.err = l.followMessages()
		case request := <-l.requests:
			request()
			l.err = l.follow()
		case version, ok := <-e.links:
			if !ok {
				e.links = nil
				continue
			}
			_ = l.pairs.follower.Use(version) // shown with the pairs
			l.err = l.follow()
		case now := <-ticker.C:
			l.tick(now)
		}
	}
}

// tick delivers a sample.
func (l *Live) tick(now time.Time) {
	var sample probes.Sample
	if sample, l.err = l.sample(now, now.Sub(l.last)); l.err == nil {
		l.mailbox.put(sample)
	}
	l.last = now
}

// attachNext attaches what counts to the next interface that waits. It returns when to do
// so again, or nil after the last one, which is shown.
func (l *Live) attachNext() <-chan time.Time {
	if wait, more := l.interfaces.Queue.Next(); more {
		return time.After(wait)
	}
	l.begun = true
	l.tick(time.Now())
	return nil
}

// follow keeps up with interfaces and cross-connects without waiting for the
// next sample.
func (l *Live) follow() error {
	l.pairs.follow()
	links, err := l.listLinks()
	if err != nil {
		return err
	}
	return l.reconcile(links)
}

// followMessages does so after messages about interfaces. It lists all interfaces only if
// the messages do not tell enough.
func (l *Live) followMessages() error {
	links, isKnown := l.known.Links()
	if !isKnown {
		return l.follow()
	}
	l.pairs.follow()
	return l.reconcile(links)
}

// listLinks asks for all interfaces.
func (l *Live) listLinks() ([]netlink.Link, error) {
	links, err := l.interfaces.RTNL.Links()
	if err == nil {
		l.known.Set(links)
	}
	return links, err
}

// reconcile keeps up with interfaces. Few of them are attached to at once, so that the
// next sample shows them counted; before the first picture, none.
func (l *Live) reconcile(links []netlink.Link) error {
	if err := l.interfaces.Reconcile(links); err != nil {
		return err
	}
	if l.begun {
		l.interfaces.Queue.Few()
	}
	return nil
}

// sample asks all probes.
func (l *Live) sample(now time.Time, interval time.Duration) (s probes.Sample, err error) {
	l.clock.Update()
	s.Time, s.Interval = now, interval
	links, err := l.listLinks()
	if err != nil {
		return s, err
	}
	if err := l.reconcile(links); err != nil {
		return s, err
	}
	if s.Interfaces, s.Protocols, err = l.interfaces.Poll(links, interval); err != nil {
		return s, err
	}
	if err := l.namespaces.reconcile(now); err != nil {
		return s, err
	}
	if err := l.namespaces.poll(&s, interval); err != nil {
		return s, err
	}
	l.peers.Find(s.Interfaces)
	s.Totals = l.interfaces.Totals(interval)
	s.Attaching = l.interfaces.Queue.Progress()
	if s.CrossConnects, err = l.pairs.poll(links); err != nil {
		return s, err
	}
	s.LinksProblem = l.pairs.problem()
	s.OthersUnknown, s.InspectorNews = l.unknown()
	s.KeptUnknown = l.pairs.keptUnknown != nil
	begun := uint64(kernel.Monotonic())
	polled, err := l.connections.Poll(l.standing, interval)
	if err != nil {
		return s, err
	}
	s.Connections, s.Passages, s.NewConnections, s.Lost = polled.Connections, polled.Passages, polled.New, polled.Lost
	if err := l.join(&s, begun); err != nil {
		return s, err
	}
	l.seen = s.Connections
	if l.execs == nil {
		s.Execs.LeftOut = true
	} else if s.Execs, s.Lost.ExecEvents, err = l.execs.Poll(interval); err != nil {
		return s, err
	}
	if l.drops == nil {
		s.Drops.LeftOut = true
	} else if s.Drops, s.Lost.Drops, err = l.drops.Poll(links, interval, l.owners.OfPacket); err != nil {
		return s, err
	}
	s.Self, err = l.self.poll(interval)
	return s, err
}

// join adds to the connections, which were read from then on, ns of
// CLOCK_MONOTONIC, whose they are.
func (l *Live) join(s *probes.Sample, polled uint64) (err error) {
	s.Ended, err = l.owners.Join(s.Connections, s.Passages, &owners.Host{
		Namespace: l.namespace, Interfaces: s.Interfaces,
		IsLocal: l.interfaces.HasAddress, NamespaceID: l.interfaces.RTNL.NamespaceID,
		Polled: polled,
	})
	s.OwnersProblem, s.Lost.OwnerChanges = l.owners.Problem(), l.owners.Lost()
	return err
}

// standing is a packets.Standings.
func (l *Live) standing(id uint32) (packets.Standing, bool) {
	if standing, ok := l.interfaces.Standing(id); ok {
		return standing, true
	}
	return l.namespaces.standing(id)
}

// unknown says why others' pairs and programs are not known, empty if they are, and what
// happened to the inspector.
func (l *Live) unknown() (why, news string) {
	isWell, news := l.inspector.State()
	switch err := cmp.Or(l.pairs.keptUnknown, l.pairs.othersUnknown); {
	case l.pairs.keptUnknown != nil:
		return probes.OneLine(err), ""
	case !isWell:
		return news, ""
	case errors.Is(err, unix.EPERM):
		return "that takes root, start it by sudo", news
	case err != nil:
		return probes.OneLine(err), news
	}
	return "", news
}

// Namespace is what the network namespace is called that ebpftop is in, empty if it is that of
// the host.
func (l *Live) Namespace() string { return l.name }

// Samples is the Source's channel of samples.
func (l *Live) Samples() <-chan probes.Sample { return l.mailbox.box }

// SetInterval changes the time between samples.
func (l *Live) SetInterval(interval time.Duration) {
	l.intervals.Put(interval)
}

// Err says why samples ended: nil after Close or the end of the context.
func (l *Live) Err() error {
	select {
	case <-l.stopped:
		return l.err
	default:
		return nil
	}
}

// Close detaches from all interfaces and frees everything. It waits for a
// sample under way.
func (l *Live) Close() error {
	l.closeOnce.Do(func() {
		l.cancel()
		<-l.stopped
		l.closeErr = l.release()
	})
	return l.closeErr
}

// release closes what was opened, last first.
func (l *Live) release() error {
	var errs []error
	errs = append(errs, l.namespaces.close())
	if l.interfaces != nil {
		errs = append(errs, l.interfaces.Close(l.Detaching))
	}
	if l.pairs != nil {
		errs = append(errs, l.pairs.Close())
	}
	if l.drops != nil {
		errs = append(errs, l.drops.Close())
	}
	if l.execs != nil {
		errs = append(errs, l.execs.Close())
	}
	if l.owners != nil {
		errs = append(errs, l.owners.Close())
	}
	if l.connections != nil {
		errs = append(errs, l.connections.Close())
	}
	if l.peers != nil {
		errs = append(errs, l.peers.Close())
	}
	if l.packets != nil {
		errs = append(errs, l.packets.Close())
	}
	return errors.Join(errs...)
}
