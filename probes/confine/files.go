package confine

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/charmbracelet/x/term"
	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Files are those a process still opens. There is nothing that it may execute.
type Files struct {
	// Read are directories whose files are read, down to the last.
	Read []string
	// Change are directories in which files are made and removed.
	Change []string
	// Terminals are opened anew, as the screen does in order to leave one that
	// takes no bytes.
	Terminals []*os.File
}

const (
	toRead     = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSReadDir)
	toChange   = toRead | ll.AccessFSMakeDir | ll.AccessFSMakeReg | ll.AccessFSRemoveDir | ll.AccessFSRemoveFile
	toConverse = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSIoctlDev)
)

// kernelFiles are what the kernel tells by files: processes, its types, the
// number of CPUs, what is pinned.
var kernelFiles = []string{"/proc", "/sys/kernel/btf", "/sys/devices/system/cpu", "/sys/fs/bpf"}

// restrict also forbids TCP and UDP, abstract sockets and signals to others,
// where the kernel can: ebpftop uses none of them.
func (f *Files) restrict() error {
	rules := []landlock.Rule{
		landlock.PathAccess(toRead, append(f.Read, kernelFiles...)...).IgnoreIfMissing(),
		landlock.PathAccess(toChange, f.Change...).IgnoreIfMissing(),
	}
	for _, file := range f.Terminals {
		if term.IsTerminal(file.Fd()) {
			name := filepath.Join("/proc/self/fd", strconv.Itoa(int(file.Fd())))
			rules = append(rules, landlock.PathAccess(toConverse, name, "/dev/tty").IgnoreIfMissing())
		}
	}
	return landlock.V11.BestEffort().Restrict(rules...)
}
