package live

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
)

// self measures what ebpftop itself costs.
type self struct {
	cpu time.Duration // user and system time up to the last poll
}

// poll takes the CPU share over interval.
func (s *self) poll(interval time.Duration) (probes.Self, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return probes.Self{}, fmt.Errorf("getrusage: %w", err)
	}
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	share := 0.0
	if interval > 0 {
		share = (cpu - s.cpu).Seconds() / interval.Seconds()
	}
	s.cpu = cpu
	rss, err := residentBytes()
	return probes.Self{CPU: share, RSS: rss}, err
}

// residentBytes reads the second field of /proc/self/statm, in pages: proc(5).
func residentBytes() (uint64, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("own memory: %w", err)
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0, fmt.Errorf("own memory: /proc/self/statm reads %q", statm)
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("own memory: %w", err)
	}
	return pages * uint64(os.Getpagesize()), nil
}
