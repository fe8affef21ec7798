package confine

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// modeFilter is SECCOMP_MODE_FILTER, as prctl(PR_GET_SECCOMP) tells it.
const modeFilter = 2

// filteredBefore tells whether somebody filtered the system calls before Process did, nil
// until it does.
var filteredBefore *bool

// IsFilteredByOthers tells whether the process was started with a seccomp filter.
func IsFilteredByOthers() bool {
	if filteredBefore != nil {
		return *filteredBefore
	}
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return err == nil && mode == modeFilter
}

// HasFilters tells whether the kernel can filter system calls.
func HasFilters() (bool, error) {
	// Without a filter, which is no address: EFAULT, if it comes to looking for it.
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, 0)
	switch {
	case errno == unix.EFAULT || errno == unix.EACCES: // EACCES: before no_new_privs
		return true, nil
	case errno == unix.ENOSYS || errno == unix.EINVAL:
		return false, nil
	}
	return false, fmt.Errorf("ask for seccomp: %w", errno)
}
