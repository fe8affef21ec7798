package confine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Files are those a process still opens. There is nothing that it may execute.
type Files struct {
	// Read are directories whose files are read, down to the last.
	Read []string
	// Change are directories in which files are made and removed.
	Change []string
	// Make are directories in which files are made, and none of those there is opened.
	Make []string
	// Terminals are opened anew, as the screen does in order to leave one that
	// takes no bytes.
	Terminals []*os.File
}

const (
	toRead     = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSReadDir)
	toChange   = toRead | ll.AccessFSMakeDir | ll.AccessFSMakeReg | ll.AccessFSRemoveDir | ll.AccessFSRemoveFile
	toMake     = landlock.AccessFSSet(ll.AccessFSMakeReg | ll.AccessFSWriteFile)
	toConverse = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSIoctlDev)
)

// kernelFiles are what the kernel tells by files: processes, its types, the
// number of CPUs, what is pinned, what network namespaces are called.
var kernelFiles = []string{"/proc", "/sys/kernel/btf", "/sys/devices/system/cpu", "/sys/fs/bpf", "/run/netns"}

// Landlock returns the version of the kernel's Landlock, 0 if it has none, and says what
// that version confines.
func Landlock() (version int, what string, err error) {
	if !landlockWorks {
		return 0, "", nil
	}
	version, err = ll.LandlockGetABIVersion()
	switch {
	case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP):
		return 0, "", nil
	case err != nil:
		return 0, "", fmt.Errorf("ask for Landlock: %w", err)
	case version < 4:
		return version, "files", nil
	case version < CompleteLandlock:
		return version, "files and TCP", nil
	}
	return version, "files, TCP, abstract sockets and signals", nil
}

// landlockSteps are what a version of Landlock confines for the first time, of what ebpftop
// uses: enum of access rights and scopes in linux/landlock.h.
var landlockSteps = []struct {
	version int
	what    string
}{
	{1, "files"},
	{3, "the cutting of files"},
	{4, "TCP"},
	{5, "ioctl on devices"},
	{6, "abstract sockets and signals"},
	{9, "sockets that have a path"},
	{10, "UDP"},
}

// LandlockAdds is what versions after this one confine besides, empty if none does that is
// known.
func LandlockAdds(version int) string {
	var adds []string
	for _, step := range landlockSteps {
		if step.version > version {
			adds = append(adds, step.what)
		}
	}
	return strings.Join(adds, ", ")
}

// CompleteLandlock is the version from which on it confines all that ebpftop
// does without, Linux 6.12.
const CompleteLandlock = 6

// reachable leaves out directories that are missing, or closed to the process anyway.
func reachable(dirs []string) []string {
	return slices.DeleteFunc(slices.Clone(dirs), func(dir string) bool {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
		_ = unix.Close(fd) // of no file if there is an error
		return err != nil
	})
}

// restrict also forbids TCP and UDP, abstract sockets and signals to others,
// where the kernel can: ebpftop uses none of them.
func (f *Files) restrict() error {
	if !landlockWorks {
		return nil
	}
	rules := []landlock.Rule{
		landlock.PathAccess(toRead, reachable(append(f.Read, kernelFiles...))...),
		landlock.PathAccess(toChange, reachable(f.Change)...),
		landlock.PathAccess(toMake, reachable(f.Make)...),
	}
	for _, file := range f.Terminals {
		if term.IsTerminal(file.Fd()) {
			name := filepath.Join("/proc/self/fd", strconv.Itoa(int(file.Fd())))
			rules = append(rules, landlock.PathAccess(toConverse, name, "/dev/tty").IgnoreIfMissing())
		}
	}
	return landlock.V11.BestEffort().Restrict(rules...)
}
