package procfs

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LockHolder finds the process that holds a flock(2) lock on a file, by /proc/locks, which
// everybody may read. It returns 0 if there is none in sight.
func LockHolder(file *os.File) (pid int, err error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return 0, fmt.Errorf("look at %s: %w", file.Name(), err)
	}
	// As lock_get_status() in the kernel's fs/locks.c writes it.
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev), stat.Ino)
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0, fmt.Errorf("list locks: %w", err)
	}
	defer locks.Close()
	lines := bufio.NewScanner(locks)
	for lines.Scan() {
		// "1: FLOCK  ADVISORY  WRITE 4434 00:1c:5 0 EOF"; "->" marks one that waits.
		fields := strings.Fields(lines.Text())
		if len(fields) >= 6 && fields[1] == "FLOCK" && fields[5] == inode {
			if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
				return pid, nil
			}
		}
	}
	return 0, lines.Err()
}

// NameAndStopped reads the name of a process, and whether a signal or a debugger stopped
// it.
func NameAndStopped(process string) (comm string, isStopped bool) {
	content, _ := os.ReadFile(filepath.Join(process, "stat")) // of a process that is gone: nothing
	_, after, _ := strings.Cut(string(content), "(")
	comm, state, _ := cutLast(after, ") ")
	return comm, strings.HasPrefix(state, "T") || strings.HasPrefix(state, "t")
}

func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}
