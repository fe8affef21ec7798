package owners

import (
	"bytes"
	"time"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/cgroup"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// ownerSet has one description for all connections of a process that are as sure, in one
// network namespace.
type ownerSet struct {
	clock  *kernel.Clock
	asleep time.Duration // of the time since boot: by that much CLOCK_MONOTONIC is behind
	known  map[ownerKey]*probes.Owner
}

func newOwnerSet(clock *kernel.Clock) ownerSet {
	return ownerSet{clock: clock, asleep: kernel.Asleep(), known: make(map[ownerKey]*probes.Owner)}
}

// ownerKey tells owners apart. A process has another name after it executed a program.
type ownerKey struct {
	pid       uint32
	start     uint64
	host      uint64 // the key of the host name that it sees, which it can change
	netns     uint32
	certainty bpf.OwnersCertainty
	comm      [16]uint8
}

// mostOwners bounds what is remembered; beyond, descriptions are made anew, and those in use
// stay what they are.
const mostOwners = 16384

func (s *ownerSet) add(key ownerKey, process *bpf.OwnersProcess, place cgroup.Place, host, user string) *probes.Owner {
	if len(s.known) >= mostOwners {
		clear(s.known)
	}
	comm, _, _ := bytes.Cut(key.comm[:], []byte{0})
	owner := &probes.Owner{
		PID: key.pid, UID: process.Uid, User: user, Comm: string(comm),
		Started: s.clock.Wall(key.start - uint64(s.asleep)),
		Cgroup:  place.Path, Unit: place.Unit, Container: place.Container, Pod: place.Pod,
		Hostname: host, NetNS: key.netns, Certainty: certainties[key.certainty],
	}
	s.known[key] = owner
	return owner
}

var certainties = map[bpf.OwnersCertainty]probes.Certainty{
	bpf.OwnersCertaintyOWNER_OPENED:    probes.Opened,
	bpf.OwnersCertaintyOWNER_INHERITED: probes.Inherited,
	bpf.OwnersCertaintyOWNER_LISTENER:  probes.Listener,
}

// inCommon is what is known of an owner that is one of these.
func inCommon(candidates []*probes.Owner) *probes.Owner {
	all := *candidates[0]
	all.PID, all.NetNS, all.Started, all.Certainty = 0, 0, time.Time{}, probes.Ambiguous
	for _, other := range candidates[1:] {
		if all.UID != other.UID {
			all.UID = 0
		}
		for _, field := range []struct{ all, other *string }{
			{&all.User, &other.User}, {&all.Comm, &other.Comm}, {&all.Cgroup, &other.Cgroup},
			{&all.Unit, &other.Unit}, {&all.Container, &other.Container}, {&all.Pod, &other.Pod},
			{&all.Hostname, &other.Hostname},
		} {
			if *field.all != *field.other {
				*field.all = ""
			}
		}
	}
	return &all
}
