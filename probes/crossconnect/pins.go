package crossconnect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// PinRoot is where kept pairs are pinned, in a directory for each network namespace.
const PinRoot = pinRoot

const (
	bpffs   = "/sys/fs/bpf"
	pinRoot = bpffs + "/ebpftop"
)

// pins is a directory of bpffs that keeps maps and links from going with the
// process; empty, it keeps nothing.
type pins string

// keptPins are those of the calling thread's network namespace.
func keptPins() (pins, error) {
	name, err := namespaceName()
	if err != nil {
		return "", err
	}
	return pins(filepath.Join(pinRoot, name)), nil
}

// namespaceName identifies a network namespace: by its cookie, which the kernel never
// gives out twice (Linux 5.14), or else by its inode number, which a later namespace may
// get.
func namespaceName() (string, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return "", fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(fd)
	if cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err == nil {
		return "net-" + strconv.FormatUint(cookie, 10), nil
	}
	inode, err := kernel.NetworkNamespace()
	if err != nil {
		return "", err
	}
	return "inode-" + strconv.FormatUint(uint64(inode), 10), nil
}

// MakePinRoot makes PinRoot, and mounts bpffs if need be. It is for a process that is about
// to give up the right to do so.
func MakePinRoot() error { return pins(pinRoot).make() }

// exist tells whether anything may be kept. It returns ErrUnknown, wrapped, if nobody could
// be asked.
func (p pins) exist() (bool, error) {
	if absence.isKnown(p) {
		return false, nil
	}
	_, err := p.do(pinsExist)
	if isUnanswered(err) {
		return false, err
	}
	absence.note(p, err != nil)
	return err == nil, nil
}

// make makes the directory, and mounts bpffs if need be.
func (p pins) make() error {
	if p == "" {
		return nil
	}
	absence.forget()
	_, err := p.do(pinsMake)
	return err
}

// makeHere makes one directory after the other and looks at each: a link in the way would
// lead out of bpffs.
func (p pins) makeHere() error {
	if p == bpffs {
		if err := mountBPFFS(); err != nil {
			return err
		}
		return p.errUnsafe()
	}
	if err := pins(filepath.Dir(string(p))).makeHere(); err != nil {
		return err
	}
	if err := os.Mkdir(string(p), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make a place for kept pairs: %w", err)
	}
	return p.errUnsafe()
}

// errUnsafe fails if somebody else could have put what is found here: where
// bpffs was mounted without a mode, every user may make a directory or a link
// in it.
func (p pins) errUnsafe() error {
	for dir := string(p); len(dir) >= len(bpffs); dir = filepath.Dir(dir) {
		var stat unix.Stat_t
		if err := unix.Lstat(dir, &stat); err != nil {
			return fmt.Errorf("look at %s: %w", dir, err)
		}
		var why string
		switch sticky := stat.Mode&unix.S_ISVTX != 0; {
		case stat.Mode&unix.S_IFMT != unix.S_IFDIR:
			why = "it is no directory"
		case stat.Uid != 0:
			why = fmt.Sprintf("it is owned by user %d", stat.Uid)
		case stat.Mode&0o022 != 0 && !(dir == bpffs && sticky): // there, others cannot touch what is ours
			why = "users other than root may write to it"
		default:
			continue
		}
		return fmt.Errorf("%s is no safe place for kept pairs: %s", dir, why)
	}
	return nil
}

func mountBPFFS() error {
	const bpffsMagic = 0xcafe4a11 // BPF_FS_MAGIC in linux/magic.h
	var stat unix.Statfs_t
	if err := unix.Statfs(bpffs, &stat); err != nil {
		return fmt.Errorf("look at %s: %w", bpffs, err)
	}
	if uint32(stat.Type) == bpffsMagic {
		return nil
	}
	if err := errOwnMounts(); err != nil {
		return err
	}
	if err := unix.Mount("bpffs", bpffs, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mount bpffs on %s, where kept pairs live: %w", bpffs, err)
	}
	return nil
}

// errOwnMounts returns an error if this process has mounts of its own, as `ip netns exec`
// gives it: what it mounts would go with it, and the pins in it.
func errOwnMounts() error {
	own, errOwn := mountIDs("thread-self")
	first, errFirst := mountIDs("1")
	why := "this process's mounts end with it (in a network namespace, start it by nsenter --net=/run/netns/NAME)"
	switch err := errors.Join(errOwn, errFirst); {
	case err != nil:
		why = fmt.Sprintf("whether this process's mounts stay is not known: mount -t bpf bpf %s (%v)", bpffs, inOneLine(err))
	case slices.ContainsFunc(own, func(id string) bool { return slices.Contains(first, id) }):
		return nil
	}
	return fmt.Errorf("nothing can be kept here: no bpffs is mounted on %s, and %s", bpffs, why)
}

// mountIDs lists the ids of the mounts that a process sees. No two mount namespaces share
// one. To read the name of a namespace would take the right to trace the process.
func mountIDs(process string) (ids []string, err error) {
	info, err := os.ReadFile(filepath.Join("/proc", process, "mountinfo"))
	for line := range strings.Lines(string(info)) {
		id, _, _ := strings.Cut(line, " ")
		ids = append(ids, id)
	}
	return ids, err
}

// newMap makes a map, pinned under its name if there are pins.
func (p pins) newMap(spec *ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("make map %s: %w", spec.Name, err)
	}
	if p == "" {
		return m, nil
	}
	if err := p.pinObject(spec.Name, m); err != nil {
		return nil, errors.Join(fmt.Errorf("pin map %s: %w", spec.Name, err), m.Close())
	}
	return m, nil
}

// openMap opens a pinned map.
func (p pins) openMap(spec *ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := p.openAnyMap(spec.Name, pinOpen)
	if err != nil {
		return nil, fmt.Errorf("open kept map %s: %w", p.path(spec.Name), err)
	}
	if err := spec.Compatible(m); err != nil {
		return nil, errors.Join(fmt.Errorf("%s was kept by another version of ebpftop (rm -r %s disconnects what that keeps): %w",
			p.path(spec.Name), p, err), m.Close())
	}
	return m, nil
}

// openAnyMap opens a pinned map of whatever kind: pinOpen or pinOpenRead.
func (p pins) openAnyMap(name string, how PinAction) (*ebpf.Map, error) {
	opened, err := pins(p.path(name)).do(how)
	if err != nil {
		return nil, err
	}
	return ebpf.NewMapFromFD(opened.Descriptor)
}

// openLink opens a pinned link.
func (p pins) openLink(name string) (link.Link, error) {
	opened, err := pins(p.path(name)).do(pinOpen)
	if err != nil {
		return nil, err
	}
	return link.NewFromFD(opened.Descriptor)
}

// keep pins a link under a name.
func (p pins) keep(name string, l io.Closer) error {
	if p == "" {
		return nil
	}
	if err := p.pinObject(name, l.(interface{ FD() int })); err != nil {
		return fmt.Errorf("pin %s: %w", name, err)
	}
	return nil
}

// replace pins a link under a name that another one may have.
func (p pins) replace(name string, l io.Closer) error {
	if p == "" {
		return nil
	}
	if err := p.drop(newPin(name)); err != nil { // of a process that was killed
		return err
	}
	if err := p.keep(newPin(name), l); err != nil {
		return err
	}
	if _, err := pins(p.path(name)).do(pinRename); err != nil {
		return errors.Join(fmt.Errorf("rename pin: %w", err), p.drop(newPin(name)))
	}
	return nil
}

// newPin is the name of a pin that takes the place of another one.
func newPin(name string) string { return name + "-new" }

// drop removes one pin.
func (p pins) drop(name string) error {
	if p == "" {
		return nil
	}
	if _, err := pins(p.path(name)).do(pinDrop); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove pin: %w", err)
	}
	return nil
}

// remove removes all pins and the directory.
func (p pins) remove() error {
	if p == "" {
		return nil
	}
	if _, err := p.do(pinsRemove); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove pins: %w", err)
	}
	return nil
}

// removeHere removes the directory and all that is in it, unless somebody else could have
// put it there.
func (p pins) removeHere() error {
	if err := p.errUnsafe(); err != nil {
		return err
	}
	return os.RemoveAll(string(p))
}

// ingressPlaces lists the directories for ingresses; none if there is no directory for them.
func (p pins) ingressPlaces() (places []pins, err error) {
	listed, err := p.do(pinsList)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list kept ingresses: %w", err)
	}
	for _, name := range listed.Names {
		if isIngressPlace(name) {
			places = append(places, p.below(name))
		}
	}
	return places, nil
}

func (p pins) path(name string) string { return filepath.Join(string(p), name) }

// below is a directory in the directory; of no pins, no pins.
func (p pins) below(name string) pins {
	if p == "" {
		return ""
	}
	return pins(p.path(name))
}
