package linksfile

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// File is a file of links.
type File struct {
	Path string
	// Trusted takes the file also where users other than root and the one who runs this
	// process may write to it, or put another one in its place.
	Trusted bool
}

// patience is how long the reading of a file may take. Because a file system may hang,
// there is an end to it.
const patience = 10 * time.Second

// Read returns the content of a file of links, without what is beyond MaxSize and one
// byte, which is enough for Parse to refuse it. It returns an error if ctx ends.
func Read(ctx context.Context, file File) ([]byte, error) {
	r := newReader(func() Version { return read(file, owners()) })
	version := r.look(ctx)
	return version.Data, version.Err
}

// read looks a file up and reads it.
func read(file File, owners []uint32) Version {
	f, err := file.open(owners)
	if err != nil {
		return Version{Err: fmt.Errorf("read links: %w", err)}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return Version{Err: fmt.Errorf("read links: %w", err)}
	}
	return Version{Data: data}
}

// reader reads a file again and again. It does not wait forever for a reading that hangs.
type reader struct {
	read     func() Version
	patience time.Duration
	reading  chan Version // nil unless a reading is under way
}

func newReader(read func() Version) *reader { return &reader{read: read, patience: patience} }

// look returns what the file holds now. While a reading is under way, it begins no other.
func (r *reader) look(ctx context.Context) Version {
	if r.reading == nil {
		r.reading = make(chan Version, 1)
		go func(done chan<- Version) { done <- r.read() }(r.reading)
	}
	select {
	case version := <-r.reading:
		r.reading = nil
		return version
	case <-ctx.Done():
		return Version{Err: fmt.Errorf("read links: %w", context.Cause(ctx))}
	case <-time.After(r.patience):
		return Version{Err: fmt.Errorf("read links: %w after %v: its file system does not answer", os.ErrDeadlineExceeded, r.patience)}
	}
}
