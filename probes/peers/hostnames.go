package peers

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// hostnames asks the kernel for the host names of the processes in other network
// namespaces.
type hostnames struct {
	program   *ebpf.Program
	iterator  *link.Iter
	ownUTS    uint32
	processes []bpf.HostnamesHostname // of the last list, reused
}

// openHostnames leaves out processes in this network namespace.
func openHostnames(namespace uint32) (*hostnames, error) {
	spec, err := bpf.LoadHostnames()
	if err != nil {
		return nil, err
	}
	if err := spec.Variables[bpf.HostnamesVarNetworkNamespace].Set(namespace); err != nil {
		return nil, err
	}
	var own unix.Stat_t
	if err := unix.Stat("/proc/self/ns/uts", &own); err != nil {
		return nil, fmt.Errorf("find the namespace of the host name: %w", err)
	}
	collection, err := kernel.Load(spec, nil, ebpf.ProgramOptions{})
	if err != nil {
		return nil, fmt.Errorf("list processes in other network namespaces: %w", err)
	}
	defer collection.Close()
	h := &hostnames{program: collection.DetachProgram(bpf.HostnamesProgHostnames), ownUTS: uint32(own.Ino)}
	if h.iterator, err = link.AttachIter(link.IterOptions{Program: h.program}); err != nil {
		return nil, errors.Join(fmt.Errorf("list processes in other network namespaces: %w", err), h.Close())
	}
	return h, nil
}

// Close frees what openHostnames opened.
func (h *hostnames) Close() error {
	var errs []error
	if h.iterator != nil {
		errs = append(errs, h.iterator.Close())
	}
	return errors.Join(append(errs, h.program.Close())...)
}

// tenant is a process that is in a network namespace, and says whose that is.
type tenant struct {
	pid     int
	started uint64 // ns since boot
	// hostname is empty if it is that of this host.
	hostname string
}

// list returns a process for each network namespace that has any, by inode number: of
// those with a host name of their own the one that has run for longest.
func (h *hostnames) list() (map[uint32]tenant, error) {
	// Where there are too many, the others have no name.
	var err error
	if h.processes, err = kernel.ReadIterator(h.iterator, h.processes); err != nil {
		return nil, fmt.Errorf("list processes in other network namespaces: %w", err)
	}
	tenants := make(map[uint32]tenant)
	for i := range h.processes {
		p := &h.processes[i]
		t := tenant{pid: int(p.Pid), started: p.Started}
		if p.UtsNamespace != h.ownUTS {
			t.hostname = unix.ByteSliceToString(p.Name[:])
		}
		known, isKnown := tenants[p.NetworkNamespace]
		if !isKnown || t.speaksBefore(known) {
			tenants[p.NetworkNamespace] = t
		}
	}
	return tenants, nil
}

// speaksBefore tells whether the host name of t is to be taken rather than that of other.
func (t tenant) speaksBefore(other tenant) bool {
	if (t.hostname == "") != (other.hostname == "") {
		return t.hostname != ""
	}
	return t.started < other.started
}
