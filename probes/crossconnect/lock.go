package crossconnect

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockNamespace keeps others from changing cross-connects in the network
// namespace of the calling thread, until unlock. It is the namespace itself
// that is locked: a process that is killed unlocks it.
func lockNamespace() (unlock func() error, err error) {
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	if err := lock(namespace); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the network namespace: %w", err), namespace.Close())
	}
	return namespace.Close, nil
}

func lock(file *os.File) error {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
