package packets

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// spareFiles stay free for all that is opened later, files and pairs: an interface that is not
// watched is a smaller harm than a sample that cannot be taken.
const spareFiles = 16

// errFewFiles fails if to attach to one more interface would leave too few.
func errFewFiles() error {
	limit, err := procfs.FileLimit()
	if err != nil {
		return err
	}
	open, err := procfs.OpenFiles()
	if err != nil {
		return err
	}
	if uint64(open+spareFiles) < limit {
		return nil
	}
	return fmt.Errorf("%w: %d are allowed (RLIMIT_NOFILE)", unix.EMFILE, limit)
}

// isLimit tells whether an error is about a limit, and says nothing of what was asked for.
func isLimit(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENOMEM) }
