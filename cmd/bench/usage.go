package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what a process and its children have taken.
type usage struct {
	cpu   time.Duration
	bytes float64 // resident
}

// usageOf is of what runs now.
func usageOf(pid int) (u usage, err error) {
	if u.cpu, err = cpuTime(pid); err != nil {
		return u, err
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return u, err
	}
	pages, err := strconv.ParseUint(string(bytes.Fields(statm)[1]), 10, 64) // see proc(5)
	if err != nil {
		return u, fmt.Errorf("memory of %d: %w", pid, err)
	}
	u.bytes = float64(pages) * float64(os.Getpagesize())
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
		u.bytes += of.bytes
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
