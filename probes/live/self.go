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
	cpu   time.Duration // user and system time up to the last measurement
	over  time.Duration // since that
	share float64       // by that
}

// leastShareTime is shorter than any interval one can ask for. What was used is counted in
// pieces that can be longer than the time between a sample and one that comes at once.
const leastShareTime = 40 * time.Millisecond

// poll takes the CPU share since a time ago, interval after the last poll.
func (s *self) poll(interval time.Duration) (probes.Self, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return probes.Self{}, fmt.Errorf("getrusage: %w", err)
	}
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	if s.over += interval; s.over >= leastShareTime {
		s.share = (cpu - s.cpu).Seconds() / s.over.Seconds()
	}
	if s.over == 0 || s.over >= leastShareTime {
		s.cpu, s.over = cpu, 0
	}
	rss, err := residentBytes()
	return probes.Self{CPU: s.share, RSS: rss}, err
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
