package procfs

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// MemoryLimit is a limit of memory that a cgroup sets us. The zero value is none.
type MemoryLimit struct {
	File  string // that has it
	Bytes uint64
	Room  uint64 // what it leaves: memory that files are cached in makes room
}

// memoryFiles are what the two versions of cgroups call the same: cgroup-v2.rst and
// cgroup-v1/memory.rst in Documentation/admin-guide.
type memoryFiles struct{ limit, usage, inactive, active string }

var (
	memoryV1 = memoryFiles{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file"}
	memoryV2 = memoryFiles{"memory.max", "memory.current", "inactive_file", "active_file"}
)

// cgroupMounts are where cgroups are looked for.
const cgroupMounts = "/sys/fs/cgroup"

// TightestMemoryLimit returns the limit that leaves least, of the cgroup of this process and
// those around it. What cannot be read sets none.
func TightestMemoryLimit() MemoryLimit {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return MemoryLimit{}
	}
	return tightestMemoryLimit(cgroupMounts, string(own))
}

// AvailableMemory is what the kernel takes to be there for new processes, in bytes. It returns
// false if it does not tell.
func AvailableMemory() (bytes uint64, ok bool) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemAvailable:" {
			kilobytes, err := strconv.ParseUint(fields[1], 10, 64)
			return kilobytes << 10, err == nil
		}
	}
	return 0, false
}

// tightestMemoryLimit goes by the lines of /proc/self/cgroup: number, controllers, path.
func tightestMemoryLimit(mounts, own string) (tightest MemoryLimit) {
	consider := func(root, path string, files memoryFiles) {
		for path = filepath.Clean("/" + path); ; path = filepath.Dir(path) {
			if limit, ok := files.read(filepath.Join(root, path)); ok && (tightest.Bytes == 0 || limit.Room < tightest.Room) {
				tightest = limit
			}
			if path == "/" {
				return
			}
		}
	}
	for line := range strings.Lines(own) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(fields) < 3:
		case fields[1] == "":
			consider(mounts, fields[2], memoryV2)
			consider(filepath.Join(mounts, "unified"), fields[2], memoryV2)
		case fields[1] == "memory":
			consider(filepath.Join(mounts, "memory"), fields[2], memoryV1)
		}
	}
	return tightest
}

// read returns false if a cgroup has no limit.
func (f memoryFiles) read(cgroup string) (limit MemoryLimit, ok bool) {
	limit.File = filepath.Join(cgroup, f.limit)
	var usage uint64
	if limit.Bytes, ok = readNumber(limit.File); !ok || limit.Bytes >= math.MaxInt64/4096*4096 {
		return limit, false // version 1 has a number of pages for none
	}
	if usage, ok = readNumber(filepath.Join(cgroup, f.usage)); !ok {
		return limit, false
	}
	stat, err := os.ReadFile(filepath.Join(cgroup, "memory.stat"))
	if err != nil {
		return limit, false
	}
	for line := range bytes.Lines(stat) {
		if name, value, _ := strings.Cut(strings.TrimSpace(string(line)), " "); name == f.inactive || name == f.active {
			if cached, err := strconv.ParseUint(value, 10, 64); err == nil {
				usage -= min(usage, cached)
			}
		}
	}
	limit.Room = limit.Bytes - min(limit.Bytes, usage)
	return limit, true
}

func readNumber(file string) (uint64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
