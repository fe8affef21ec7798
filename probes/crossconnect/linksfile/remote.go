package linksfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/latest"
)

// Remote is a file of links that another process watches, which calls Serve.
type Remote struct {
	file   File
	socket *os.File

	mu    sync.Mutex
	last  Version
	asked bool // for the file, whether it is another or not
	ended bool // ctx did: the box is closed
	box   latest.Box[Version]
}

var errNobodyFollows = errors.New("the process that follows the file was killed: start ebpftop again")

// OpenRemote reads the file for the first time, and returns the end of a socket for the
// process that calls Serve.
func OpenRemote(ctx context.Context, file File) (r *Remote, server *os.File, err error) {
	data, err := Read(ctx, file)
	if err != nil {
		return nil, nil, err
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a pair of sockets: %w", err)
	}
	r = &Remote{file: file, socket: os.NewFile(uintptr(ends[0]), file.Path), last: Version{Data: data}, box: latest.NewBox[Version]()}
	r.box.Put(r.last)
	return r, os.NewFile(uintptr(ends[1]), file.Path), nil
}

// Close lets the other process end.
func (r *Remote) Close() error {
	if r == nil {
		return nil
	}
	return r.socket.Close()
}

// start takes versions until ctx ends.
func (r *Remote) start(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended = true
		close(r.box)
	})
	go func() {
		readVersions(r.socket, r.take)
		r.take(Version{Err: fmt.Errorf("read links: %w", errNobodyFollows)})
	}()
}

// take delivers a version that is another one or was asked for. One that was not taken gives
// way.
func (r *Remote) take(version Version) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || version.equal(r.last) && !r.asked {
		return
	}
	r.last, r.asked = version, false
	r.box.Put(version)
}

func (r *Remote) reread() {
	r.mu.Lock()
	isAsked := r.asked
	r.asked = true
	r.mu.Unlock()
	if isAsked {
		return // there is no answer yet
	}
	if _, err := r.socket.Write([]byte{rereadByte}); err == nil {
		return
	}
	r.take(Version{Err: fmt.Errorf("read links: %w", errNobodyFollows)})
}
