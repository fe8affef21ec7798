package supervise

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Stopper stops a group of processes, as Ctrl-Z does, whenever there is something to read,
// whatever that is: for a process which may not, because it is not of the user of the others.
type Stopper struct {
	Group int
	In    *os.File
}

func (s *Stopper) run() error {
	var ignored [1]byte
	for {
		events, err := AwaitInput(s.In, -1)
		if err != nil || events&unix.POLLIN == 0 {
			return err
		}
		if _, err := s.In.Read(ignored[:]); err != nil {
			return fmt.Errorf("read that a group of processes is to stop: %w", err)
		}
		// As the first process of a container, it is in group 1, which kill(2) takes for all
		// processes that there are; 0, of another PID namespace, it takes for our own group.
		if s.Group > 1 {
			// Fails if the group is gone, or not ours: then it does not stop, and says so.
			_ = unix.Kill(-s.Group, unix.SIGTSTP)
		}
	}
}
