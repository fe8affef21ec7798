package linksfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// Follower keeps pairs as a file of links says. A version of the file that cannot be used
// changes nothing. Its methods, but for Reread, are for one goroutine.
type Follower struct {
	remote  *Remote
	set     func([]crossconnect.Pair) error
	version Version // the last one
	problem error   // why it is not in force
	inForce bool    // a version was used
	links   int     // pairs in the version that is in force
}

// Follow follows a file that another process watches until ctx ends. Its versions are to be
// taken from Versions, and to be given to Use, which has set make the pairs of one the
// pairs, all or none.
func Follow(ctx context.Context, remote *Remote, set func([]crossconnect.Pair) error) *Follower {
	remote.start(ctx)
	return &Follower{remote: remote, set: set}
}

// Versions delivers the content of the file: at once, and again whenever it is another. It
// is closed when the context of Follow ends.
func (f *Follower) Versions() <-chan Version { return f.remote.box }

// Reread has the file delivered once more, whether it is another or not.
func (f *Follower) Reread() { f.remote.reread() }

// Use makes the pairs those of a version of the file. It returns an error of one line if
// it cannot, which Problem returns from then on.
func (f *Follower) Use(v Version) error {
	f.version, f.problem = v, f.use(v)
	switch {
	case f.problem == nil:
		f.inForce = true
	case f.inForce:
		f.problem = fmt.Errorf("%w: the last good links go on", f.problem)
	}
	return f.problem
}

// Retry is Use for the last version, if that could be read but not used: by now,
// interfaces may have come, a trial may be over, or another process may have let go of
// its pair. Otherwise it is Problem.
func (f *Follower) Retry() error {
	if f.problem == nil || f.version.Err != nil {
		return f.problem
	}
	return f.Use(f.version)
}

// Links returns the number of pairs of the version that is in force.
func (f *Follower) Links() int { return f.links }

// Problem returns why the last version is not in force, nil if it is.
func (f *Follower) Problem() error { return f.problem }

func (f *Follower) use(v Version) error {
	if errors.Is(v.Err, fs.ErrNotExist) && f.inForce {
		return fmt.Errorf("%s: file is gone", f.remote.file.Path)
	}
	if v.Err != nil {
		return v.Err
	}
	check, err := crossconnect.Check()
	if err != nil {
		return err
	}
	pairs, err := Parse(f.remote.file.Path, v.Data, check)
	if err != nil {
		return err
	}
	if err := f.set(pairs); err != nil {
		return fmt.Errorf("%s: %w", f.remote.file.Path, err)
	}
	f.links = len(pairs)
	return nil
}
