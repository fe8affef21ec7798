package saver

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
)

// Serve makes a file in the directory for each packet that comes, until nobody is at the other
// end of the socket. It reads nothing of what packets hold.
func Serve(socket, directory *os.File) error {
	for buffer := make([]byte, 1); ; {
		n, err := unix.Read(int(socket.Fd()), buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read a question: %w", err)
		case n == 0:
			return nil
		}
		if err := serve(socket, directory); err != nil {
			return err
		}
	}
}

func serve(socket, directory *os.File) error {
	var a answer
	var rights []byte
	descriptor, name, err := create(int(directory.Fd()), time.Now())
	if err == nil {
		defer unix.Close(descriptor)
		rights = unix.UnixRights(descriptor)
		a.Path = filepath.Join(directory.Name(), name)
	} else {
		a.Failure = probes.OneLine(fmt.Errorf("make a file in %s: %w", directory.Name(), err))
	}
	packet, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	if err := unix.Sendmsg(int(socket.Fd()), packet, rights, nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// mostNames bounds how many names are tried in a second.
const mostNames = 100

// create makes a file that was not there, and is no link.
func create(directory int, now time.Time) (descriptor int, name string, err error) {
	for i := range mostNames {
		name = now.Format("ebpftop-20060102-150405")
		if i > 0 {
			name += fmt.Sprint("-", i+1)
		}
		name += ".txt"
		descriptor, err = unix.Openat(directory, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	return descriptor, name, err
}
