package confine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"
)

// MayLeaveRoot tells whether the process is root's, and may become another user's: in some
// containers it may not, and stays root's.
func MayLeaveRoot() bool {
	have := libcap.GetProc()
	lacks := func(value libcap.Value) bool { return !holds(have, value) }
	return os.Geteuid() == 0 && !slices.ContainsFunc([]libcap.Value{libcap.SETUID, libcap.SETGID, libcap.SETPCAP}, lacks) && hasAllUsers()
}

// hasAllUsers tells whether the process is in the first user namespace: another one may lack
// the user that it would become.
func hasAllUsers() bool {
	users, err := os.ReadFile("/proc/self/uid_map") // inside, outside, how many: user_namespaces(7)
	return err == nil && slices.Equal(strings.Fields(string(users)), []string{"0", "0", "4294967295"})
}

// From firstLonelyUser on, no user is: what gives out numbers, from useradd to containers
// and directory services, keeps below, because programs take them for negative.
const firstLonelyUser, lonelyUsers = 1 << 31, 1 << 30

// leaveRoot makes all threads those of a user, and a group, that nobody else is: who called
// sudo could signal a process of his, nobody is the user of others, too, and one of our own
// would be that of every other ebpftop. Because other threads go on meanwhile, the
// capabilities stay in force all the time.
func leaveRoot() error {
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	if _, err := libcap.Prctlw(unix.PR_SET_SECUREBITS, uintptr(bits|noSetuidFixup)); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	id := firstLonelyUser + rand.IntN(lonelyUsers)
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("leave all groups: %w", err)
	}
	if err := syscall.Setresgid(id, id, id); err != nil {
		return fmt.Errorf("become group %d: %w", id, err)
	}
	if err := syscall.Setresuid(id, id, id); err != nil {
		return fmt.Errorf("become user %d: %w", id, err)
	}
	return nil
}

// noSetuidFixup is SECBIT_NO_SETUID_FIXUP of linux/securebits.h.
const noSetuidFixup = 1 << 2
