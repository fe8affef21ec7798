package procfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Process identifies a process beyond its end: a pid is given out again, and is of one PID
// namespace. The zero value is no process.
type Process struct {
	PID       uint32
	Namespace uint32 // the inode of its PID namespace
	Start     uint64 // in ticks since boot: starttime in proc_pid_stat(5)
}

// Self identifies this process.
var Self = sync.OnceValues(func() (Process, error) {
	namespace, err := pidNamespace()
	if err != nil {
		return Process{}, fmt.Errorf("identify this process: %w", err)
	}
	start, err := startOf("/proc/self")
	if err != nil {
		return Process{}, fmt.Errorf("identify this process: %w", err)
	}
	return Process{PID: uint32(os.Getpid()), Namespace: namespace, Start: start}, nil
})

// HasEnded tells whether the process is known to have ended. It returns false if that
// cannot be known, as of a process in another PID namespace.
func (p Process) HasEnded() bool {
	namespace, err := pidNamespace()
	if err != nil || namespace != p.Namespace {
		return false
	}
	pid := strconv.FormatUint(uint64(p.PID), 10)
	// Because /proc may be that of another PID namespace, or hide others' processes, a
	// process that is not found there may live.
	if own, err := os.Readlink("/proc/self"); err == nil && own == strconv.Itoa(os.Getpid()) {
		if start, err := startOf(filepath.Join("/proc", pid)); err == nil {
			return start != p.Start
		}
	}
	return errors.Is(unix.Kill(int(p.PID), 0), unix.ESRCH)
}

// String names the process in a form that ParseProcess reads.
func (p Process) String() string { return fmt.Sprintf("%d:%d:%d", p.PID, p.Namespace, p.Start) }

// ParseProcess reads what String wrote. It returns false for anything else.
func ParseProcess(text string) (p Process, ok bool) {
	n, err := fmt.Sscanf(text, "%d:%d:%d", &p.PID, &p.Namespace, &p.Start)
	return p, err == nil && n == 3 && p.String() == text
}

// InFirstPIDNamespace tells whether process ids in /proc are those that BPF programs see:
// whether we are in the first PID namespace, whose inode is fixed (PROC_PID_INIT_INO in the
// kernel's include/linux/proc_ns.h).
func InFirstPIDNamespace() bool {
	inode, err := pidNamespace()
	return err == nil && inode == 4026531836
}

func pidNamespace() (inode uint32, err error) {
	var stat unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &stat); err != nil {
		return 0, fmt.Errorf("look at the PID namespace: %w", err)
	}
	return uint32(stat.Ino), nil
}

// startOf reads when a process started, in ticks since boot.
func startOf(process string) (uint64, error) {
	stat, err := os.ReadFile(filepath.Join(process, "stat"))
	if err != nil {
		return 0, err
	}
	const start = 22 - 3 // starttime is field 22; the fields after the name begin with the third
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) <= start {
		return 0, fmt.Errorf("%s/stat has %d fields after the name", process, len(fields))
	}
	return strconv.ParseUint(fields[start], 10, 64)
}
