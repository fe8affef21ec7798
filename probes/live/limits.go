package live

import (
	"cmp"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/procfs"
	"github.com/ebpftop/ebpftop/probes/packets"
)

const (
	// leastFiles is how many files watching takes at the start without owners and drops, and
	// some more for pairs.
	leastFiles = 80
	// ownerFiles and dropFiles are those of owners and drops.
	ownerFiles, dropFiles = 25, 25
	// processMemory is what ebpftop and the process that looks at others take, in bytes.
	processMemory = 32 << 20
)

// CheckLimits fails if the limits that are set to this process leave too little for opts.
// It is for before the start, where else some step on the way would fail, or the kernel
// kill us.
func CheckLimits(opts Options) error { return cmp.Or(errFewFiles(opts), errLittleMemory(opts)) }

func errFewFiles(opts Options) error {
	limit, err := procfs.FileLimit()
	if least := opts.files(); err == nil && limit < least {
		err = fmt.Errorf("%d open files are allowed (RLIMIT_NOFILE), and ebpftop takes %d, with --hook tc 2 more for each interface: %s",
			limit, least, raiseFiles)
	}
	return err
}

// files is how many files watching takes at the start, and some more for pairs.
func (o Options) files() uint64 {
	files := uint64(leastFiles)
	if o.hasOwners() {
		files += ownerFiles
	}
	if !o.NoDrops {
		files += dropFiles
	}
	return files
}

// hasOwners tells whether the owners of connections are looked for.
func (o Options) hasOwners() bool { return !o.NoOwners && !o.ProtocolsOnly }

// raiseFiles is what to do about it.
const raiseFiles = "raise the limit by `ulimit -n 1024`, or LimitNOFILE= of systemd"

func errLittleMemory(opts Options) error {
	need := opts.kernelMemory() + processMemory
	if available, ok := procfs.AvailableMemory(); ok && available < need {
		return fmt.Errorf("this host has %d MB of memory left (MemAvailable), and ebpftop takes some %d: %s",
			available/1e6, need/1e6, lessMemory)
	}
	limit := procfs.TightestMemoryLimit()
	if limit.Bytes == 0 || limit.Room >= need {
		return nil
	}
	return fmt.Errorf("%s leaves %d of %d MB, and ebpftop takes some %d: %s",
		limit.File, limit.Room/1e6, limit.Bytes/1e6, need/1e6, lessMemory)
}

// lessMemory is what to do about it.
const lessMemory = "allow more, or use a smaller --max-connections, or --protocols-only"

// kernelMemory is about what the kernel takes, in bytes.
func (o Options) kernelMemory() uint64 {
	return packets.KernelMemory(packets.Options{MaxConnections: o.MaxConnections, ProtocolsOnly: o.ProtocolsOnly})
}

// explainLimit adds to an error of the kernel which limit it is about. It returns nil if it is
// about none.
func (o Options) explainLimit(err error) error {
	switch {
	case errors.Is(err, unix.EMFILE):
		limit, _ := procfs.FileLimit() // worked at the start
		return fmt.Errorf("%w: %d are allowed (RLIMIT_NOFILE): %s", err, limit, raiseFiles)
	case errors.Is(err, unix.ENFILE):
		return fmt.Errorf("%w on the whole host: raise /proc/sys/fs/file-max", err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w: the kernel's tables take %d MB: %s", err, o.kernelMemory()/1e6, lessMemory)
	}
	return nil
}
