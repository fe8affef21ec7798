package procfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// FileLimit is how many files this process may have open (RLIMIT_NOFILE).
func FileLimit() (uint64, error) {
	var limit unix.Rlimit
	// Not by Getrlimit, whose system call we are not allowed once confined.
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		return 0, fmt.Errorf("ask for the limit of open files: %w", err)
	}
	return limit.Cur, nil
}

// OpenFiles is how many files this process has open.
func OpenFiles() (int, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, fmt.Errorf("count open files: %w", err)
	}
	return len(entries) - 1, nil // one of them was to read these
}
