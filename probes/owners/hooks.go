package owners

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// hooks are the programs, attached.
type hooks struct {
	maps      map[string]*ebpf.Map
	variables map[string]*ebpf.Variable
	programs  []*ebpf.Program
	links     []link.Link
	survey    *link.Iter
	datagrams *link.Iter // nil where surveys alone tell of them
	streams   *link.Iter // nil before Linux 5.11, where there is no list of them

	hasStorage  bool // for tracing programs: a survey need not tell twice of a socket
	listsFiles  bool // datagrams and streams are found as files, so not while between processes
	seesClosing bool // of sockets that are not TCP
}

// attach loads and attaches the programs. It returns no hooks if the owners of TCP sockets
// cannot be known, and with hooks an error that says what is missing besides.
func attach(spec *ebpf.CollectionSpec) (h *hooks, err error) {
	h, err = attachTracing(spec)
	if err != nil {
		return nil, err
	}
	if err := h.attachToCgroup(spec); err != nil {
		return h, fmt.Errorf("short-lived UDP sockets have no owner: %w", err)
	}
	return h, nil
}

// attachTracing attaches to the changes of TCP sockets, and to the files of processes.
func attachTracing(spec *ebpf.CollectionSpec) (h *hooks, err error) {
	hasStorage := true
	collection, err := loadTracing(spec.Copy(), hasStorage)
	if err != nil {
		hasStorage = false
		if collection, err = loadTracing(spec.Copy(), hasStorage); err != nil {
			return nil, err
		}
	}
	h = &hooks{maps: collection.Maps, variables: collection.Variables, hasStorage: hasStorage}
	for _, program := range collection.Programs {
		h.programs = append(h.programs, program)
	}
	defer func() {
		if err != nil {
			h, err = nil, errors.Join(err, h.Close())
		}
	}()
	state, err := link.AttachTracing(link.TracingOptions{Program: collection.Programs[bpf.OwnersProgStreamState]})
	if err != nil {
		return h, fmt.Errorf("attach to the state of TCP sockets: %w", err)
	}
	h.links = append(h.links, state)
	if h.survey, err = h.iterate(collection.Programs[bpf.OwnersProgSocketSurvey], nil); err != nil {
		return h, err
	}
	return h, h.attachLists(spec)
}

// attachLists attaches to what finds open sockets: by their storage, or where the kernel lets
// no program look through that, as files.
func (h *hooks) attachLists(spec *ebpf.CollectionSpec) error {
	err := h.listStorage(spec)
	if err == nil {
		return nil
	}
	if !h.hasStorage {
		return nil // surveys tell of what is no TCP socket
	}
	h.listsFiles = true
	return h.listFiles(spec)
}

func (h *hooks) listStorage(spec *ebpf.CollectionSpec) error {
	names := []string{bpf.OwnersProgDatagramList}
	if h.hasStorage {
		names = append(names, bpf.OwnersProgStreamList)
	}
	programs, err := h.load(spec, ebpf.ProgramOptions{LogDisabled: true}, names...) // may be refused
	if err != nil {
		return err
	}
	if h.datagrams, err = h.iterate(programs[bpf.OwnersProgDatagramList], h.maps[bpf.OwnersMapDatagramOwners]); err != nil || !h.hasStorage {
		return err
	}
	h.streams, err = h.iterate(programs[bpf.OwnersProgStreamList], h.maps[bpf.OwnersMapStreamOwners])
	return err
}

func (h *hooks) listFiles(spec *ebpf.CollectionSpec) error {
	programs, err := h.load(spec, ebpf.ProgramOptions{}, bpf.OwnersProgDatagramFiles, bpf.OwnersProgStreamFiles)
	if err != nil {
		return err
	}
	if h.datagrams, err = h.iterate(programs[bpf.OwnersProgDatagramFiles], nil); err != nil {
		return err
	}
	h.streams, err = h.iterate(programs[bpf.OwnersProgStreamFiles], nil)
	return err
}

// load loads more programs that use the maps of those there are.
func (h *hooks) load(spec *ebpf.CollectionSpec, options ebpf.ProgramOptions, names ...string) (map[string]*ebpf.Program, error) {
	spec = spec.Copy()
	keepPrograms(spec, names)
	for name, m := range h.maps {
		spec.Maps[name].MaxEntries = m.MaxEntries() // or they do not replace each other
	}
	collection, err := kernel.Load(spec, maps.Clone(h.maps), options)
	if err != nil {
		return nil, fmt.Errorf("load the owner programs: %w", err)
	}
	for _, program := range collection.Programs {
		h.programs = append(h.programs, program)
	}
	for _, m := range collection.Maps {
		_ = m.Close() // h has its own descriptor of each
	}
	return collection.Programs, nil
}

// errOutOfSight is for sockets that only a look at all processes could find.
var errOutOfSight = errors.New("processes of other PID namespaces are out of sight: what they opened before the start has no owner")

// Try attaches for a moment. It says why the owners of TCP sockets cannot be known, and why
// those of others.
func Try() (tcp, others error) {
	spec, err := bpf.LoadOwners()
	if err != nil {
		return err, err
	}
	h, err := attach(spec)
	if h == nil {
		return err, err
	}
	return nil, errors.Join(err, h.Close())
}

// loadTracing loads the programs of spec that are not for control groups. They use socket
// storage if the kernel has that for them (Linux 5.11).
func loadTracing(spec *ebpf.CollectionSpec, hasStorage bool) (*ebpf.Collection, error) {
	if err := spec.Variables[bpf.OwnersVarHasStorage].Set(hasStorage); err != nil {
		return nil, err
	}
	if hasStorage {
		spec.Maps[bpf.OwnersMapOwnersByAddress].MaxEntries = 1
		spec.Maps[bpf.OwnersMapListeners].MaxEntries = 1
	}
	keepPrograms(spec, []string{bpf.OwnersProgStreamState, bpf.OwnersProgSocketSurvey})
	// Of what may be refused, no log: for that, all is verified once more.
	collection, err := kernel.Load(spec, nil, ebpf.ProgramOptions{LogDisabled: hasStorage})
	if err != nil {
		return nil, fmt.Errorf("load the owner programs: %w", err)
	}
	return collection, nil
}

func keepPrograms(spec *ebpf.CollectionSpec, names []string) {
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return !slices.Contains(names, name) })
}

// iterate attaches an iterator. Nothing runs before it is opened.
func (h *hooks) iterate(program *ebpf.Program, over *ebpf.Map) (*link.Iter, error) {
	iterator, err := link.AttachIter(link.IterOptions{Program: program, Map: over})
	if err != nil {
		return nil, fmt.Errorf("attach an iterator over sockets: %w", err)
	}
	h.links = append(h.links, iterator)
	return iterator, nil
}

// attachToCgroup attaches to the opening and closing of sockets that are not TCP: to the root
// of control groups of version 2, which all processes are in.
func (h *hooks) attachToCgroup(spec *ebpf.CollectionSpec) error {
	root, err := cgroupRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	programs, err := h.load(spec, ebpf.ProgramOptions{}, bpf.OwnersProgDatagramCreated, bpf.OwnersProgDatagramReleased)
	if err != nil {
		return err
	}
	for _, hook := range []struct {
		name   string
		attach ebpf.AttachType
	}{
		{bpf.OwnersProgDatagramReleased, ebpf.AttachCgroupInetSockRelease},
		{bpf.OwnersProgDatagramCreated, ebpf.AttachCGroupInetSockCreate},
	} {
		l, err := link.AttachRawLink(link.RawLinkOptions{Target: int(root.Fd()), Program: programs[hook.name], Attach: hook.attach})
		if err != nil {
			return fmt.Errorf("attach to the root of control groups: %w", err)
		}
		h.links = append(h.links, l)
	}
	h.seesClosing = true
	return nil
}

// cgroupRoot opens the root of control groups of version 2, wherever it is mounted, or where
// only we see it.
func cgroupRoot() (*os.File, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find control groups: %w", err)
	}
	if at := procfs.MountOf("cgroup2", string(mounts)); at != "" {
		root, err := os.Open(at)
		if err != nil {
			return nil, fmt.Errorf("open control groups: %w", err)
		}
		return root, nil
	}
	return mountCgroups()
}

// mountCgroups mounts control groups of version 2 nowhere: the mount ends with the file. It
// takes CAP_SYS_ADMIN.
func mountCgroups() (*os.File, error) {
	fs, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("no control groups of version 2 are mounted, nor can be: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("mount control groups: %w", err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("mount control groups: %w", err)
	}
	return os.NewFile(uintptr(mount), "cgroup2"), nil
}

// Close detaches and frees the programs.
func (h *hooks) Close() error {
	var errs []error
	for _, l := range h.links {
		errs = append(errs, l.Close())
	}
	for _, program := range h.programs {
		errs = append(errs, program.Close())
	}
	for _, m := range h.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
