// Package peers finds out what the other ends of veths are: their names and addresses, and
// whose network namespace they are in. It enters none.
package peers

import (
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
)

const (
	// mostTime is for asking at one poll. An interface takes some 50 µs.
	mostTime = 10 * time.Millisecond
	// refreshAge is how old what is known may be, if there is time.
	refreshAge = 10 * time.Second
	// retryAge is how long a peer counts as new: whoever makes a container makes its
	// interface before its first process. Meanwhile processes are listed every retryPause.
	retryAge   = 10 * time.Second
	retryPause = 500 * time.Millisecond
)

// namedNamespaces is where ip(8) and container runtimes keep network namespaces by name.
const namedNamespaces = "/run/netns"

// Finder finds out what the other ends of veths are. Only one goroutine may ask.
type Finder struct {
	namespace uint32 // our own
	asker     rtnl.Elsewhere
	hostnames *hostnames // nil if the kernel has no list
	refusal   error      // why

	known  map[probes.InterfaceKey]*known // by the near end
	own    int                            // our own netnsid, -1 for none
	owners map[int]owner                  // by netnsid
	listed time.Time                      // when owners were
	now    func() time.Time               // for tests
}

// known is what was found out of one peer.
type known struct {
	netnsid, ifindex int
	first, asked     time.Time
	name             string
	addresses        []netip.Prefix
	err              error
}

// owner is whose network namespace it is.
type owner struct {
	hostname  string // empty if not known, or that of this host
	isRun     bool   // there are processes in it
	namespace string // name in namedNamespaces
}

// New makes a Finder for the network namespace of its caller. Where the kernel cannot list
// processes, host names are not known, and say so.
func New(namespace uint32) *Finder {
	f := &Finder{namespace: namespace, own: -1, known: make(map[probes.InterfaceKey]*known), now: time.Now}
	f.hostnames, f.refusal = openHostnames(namespace)
	return f
}

// Close frees what New opened.
func (f *Finder) Close() error {
	f.asker.Close()
	if f.hostnames == nil {
		return nil
	}
	return f.hostnames.Close()
}

// Find fills in the peers of the interfaces that are in other network namespaces. Of
// hundreds of new ones, some are left for the next call.
func (f *Finder) Find(rows []probes.Interface) {
	now := f.now()
	f.forget(rows, now)
	f.ask(rows, now)
	f.list(now)
	for i := range rows {
		if k := f.known[rows[i].Key()]; k != nil {
			k.tell(rows[i].Peer)
			f.tellOwner(rows[i].Peer)
		}
	}
}

// forget forgets interfaces that went or lead elsewhere, and knows new ones.
func (f *Finder) forget(rows []probes.Interface, now time.Time) {
	before := f.known
	f.known = make(map[probes.InterfaceKey]*known, len(before))
	for i := range rows {
		peer := rows[i].Peer
		if peer == nil || peer.NetNSID == nil {
			continue
		}
		k := before[rows[i].Key()]
		if k == nil || k.netnsid != *peer.NetNSID || k.ifindex != peer.Ifindex {
			k = &known{netnsid: *peer.NetNSID, ifindex: peer.Ifindex, first: now}
		}
		f.known[rows[i].Key()] = k
	}
}

// ask asks for names and addresses: of new peers first, then of those known for longest.
func (f *Finder) ask(rows []probes.Interface, now time.Time) {
	for _, isNew := range []bool{true, false} {
		for i := range rows {
			k := f.known[rows[i].Key()]
			if k == nil || k.asked.IsZero() != isNew || now.Sub(k.asked) < refreshAge {
				continue
			}
			if f.now().Sub(now) > mostTime {
				return
			}
			k.name, k.addresses, k.err = f.asker.Interface(k.netnsid, k.ifindex)
			k.asked = now
		}
	}
}

// list finds out whose the namespaces are, if it is time to.
func (f *Finder) list(now time.Time) {
	if since := now.Sub(f.listed); len(f.known) == 0 || since < retryPause || since < refreshAge && !f.isMissing(now) {
		return
	}
	f.listed = now
	f.owners = make(map[int]owner)
	if own, ok := f.asker.NumberOfProcess(os.Getpid()); ok {
		f.own = own
	}
	f.listHostnames()
	f.listNames()
}

// isMissing tells whether a host name may be there now that was not before.
func (f *Finder) isMissing(now time.Time) bool {
	for _, k := range f.known {
		if f.owners[k.netnsid].hostname == "" && now.Sub(k.first) < retryAge {
			return true
		}
	}
	return false
}

func (f *Finder) listHostnames() {
	if f.hostnames == nil {
		return
	}
	tenants, err := f.hostnames.list()
	if f.refusal = err; err != nil {
		return
	}
	for _, t := range tenants {
		if netnsid, ok := f.asker.NumberOfProcess(t.pid); ok {
			f.owners[netnsid] = owner{hostname: t.hostname, isRun: true}
		}
	}
}

// listNames takes names from namedNamespaces. What cannot be read there has none.
func (f *Finder) listNames() {
	for _, name := range NamedNamespaces() {
		file, err := os.Open(filepath.Join(namedNamespaces, name))
		if err != nil {
			continue
		}
		if netnsid, ok := f.asker.NumberOfFile(file); ok {
			o := f.owners[netnsid]
			o.namespace = name
			f.owners[netnsid] = o
		}
		file.Close()
	}
}

// tell fills in what was asked for.
func (k *known) tell(peer *probes.Peer) {
	switch {
	case k.asked.IsZero():
		peer.AddressReason = "not asked for yet"
	case k.err != nil:
		peer.Name, peer.AddressReason = k.name, probes.OneLine(k.err)
	default:
		peer.Name = k.name
		peer.SetAddress(k.addresses)
	}
}

// tellOwner fills in whose namespace the peer is in.
func (f *Finder) tellOwner(peer *probes.Peer) {
	o := f.owners[*peer.NetNSID]
	peer.Namespace = o.namespace
	switch {
	case *peer.NetNSID == f.own:
		peer.HostnameReason = "it is in the namespace that ebpftop is in"
	case o.hostname != "":
		peer.Hostname = &o.hostname
	case f.refusal != nil:
		peer.HostnameReason = probes.OneLine(f.refusal)
	case o.isRun:
		peer.HostnameReason = "its processes have the name of this host"
	default:
		peer.HostnameReason = "no process is seen in it"
	}
}
