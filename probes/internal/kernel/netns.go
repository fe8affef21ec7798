package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// NetworkNamespace returns the inode number of the network namespace that the calling
// thread is in: ns.inum of struct net, by which BPF programs know it.
func NetworkNamespace() (uint32, error) {
	var stat unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &stat); err != nil {
		return 0, fmt.Errorf("find the network namespace: %w", err)
	}
	return uint32(stat.Ino), nil
}
