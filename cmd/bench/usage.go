package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage holds the CPU time and memory that a process and its children have taken.
type usage struct {
	cpu      time.Duration
	rss, pss float64 // bytes; pss has shared pages in equal parts
}

// usageOf is of what runs now.
func usageOf(pid int) (u usage, err error) {
	if u.cpu, err = cpuTime(pid); err != nil {
		return u, err
	}
	memory, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(memory)) {
		var kilobytes float64
		if n, _ := fmt.Sscanf(line, "Rss: %f kB", &kilobytes); n == 1 {
			u.rss = 1024 * kilobytes
		}
		if n, _ := fmt.Sscanf(line, "Pss: %f kB", &kilobytes); n == 1 {
			u.pss = 1024 * kilobytes
		}
	}
	children, err := childrenOf(pid)
	if err != nil {
		return u, err
	}
	for _, child := range children {
		of, err := usageOf(child)
		if err != nil {
			return u, err
		}
		u.cpu += of.cpu
		u.rss += of.rss
		u.pss += of.pss
	}
	return u, nil
}

// cpuTime reads the clock of a process, which is finer than what /proc tells.
func cpuTime(pid int) (time.Duration, error) {
	const scheduler = 2                 // CPUCLOCK_SCHED: user and system time
	clock := int32(^pid<<3 | scheduler) // clock_getcpuclockid(3)
	var now unix.Timespec
	if err := unix.ClockGettime(clock, &now); err != nil {
		return 0, fmt.Errorf("CPU time of %d: %w", pid, err)
	}
	return time.Duration(now.Nano()), nil
}

// threadTime returns the CPU time of the calling thread.
func threadTime() time.Duration {
	var now unix.Timespec
	// Fails for unknown clocks and bad pointers only: clock_gettime(2).
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now)
	return time.Duration(now.Nano())
}

// childrenOf looks for them among all processes.
func childrenOf(pid int) (children []int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, can hold anything: proc_pid_stat(5).
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if string(fields[1]) != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	return children, nil
}

// kernelMemory returns the memory, in bytes, of the BPF maps and programs that a process
// has open.
func kernelMemory(pid int) (sum float64, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return 0, err
	}
	counted := make(map[string]bool) // a map or program can be open twice
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // closed meanwhile
		}
		var id string
		var bytes float64
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "map_id:") || strings.HasPrefix(line, "prog_id:") {
				id = line
			}
			_, _ = fmt.Sscanf(line, "memlock: %f", &bytes) // other lines are of something else
		}
		// Links name their program too, and take nothing.
		if bytes > 0 && !counted[id] {
			counted[id] = true
			sum += bytes
		}
	}
	return sum, nil
}
