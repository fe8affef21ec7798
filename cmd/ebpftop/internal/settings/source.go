package settings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// None is the path of no file.
const None = "none"

const (
	// maxSize bounds a file, in bytes.
	maxSize = 64 << 10
	// patience is how long the reading of a file may take. Because a home directory may be
	// on a file system that does not answer, there is an end to it.
	patience = 5 * time.Second
)

// source is a file of settings.
type source struct {
	path     string // empty: none
	owners   []uint32
	isSystem bool
	isNamed  bool // by a flag: it must exist
}

// Caller is the user who runs ebpftop: who called sudo, if that is root.
func Caller() int {
	uid := os.Getuid()
	caller, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 31)
	if uid == 0 && err == nil {
		return int(caller)
	}
	return uid
}

// ownFile is the file at path, or that of the user who runs ebpftop: who called sudo, if
// that is root.
func ownFile(path string) (source, error) {
	uid := Caller()
	s := source{path: path, owners: []uint32{0, uint32(uid)}, isNamed: path != ""}
	switch {
	case path == None:
		return source{}, nil
	case path != "":
		return s, nil
	}
	home, err := homeOf(uid)
	if home == "" || err != nil {
		return source{}, err
	}
	s.path = filepath.Join(home, ".config", "ebpftop", "config.yaml")
	return s, nil
}

// homeOf returns the home directory of a user, "" for one that has none.
func homeOf(uid int) (string, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if _, isUnknown := errors.AsType[user.UnknownUserIdError](err); isUnknown || errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for your settings: %w: --config none does without", err)
	}
	return u.HomeDir, nil
}

// read returns what the file says, nothing if it does not exist and need not.
func (s source) read(ctx context.Context) ([]byte, error) {
	if s.path == "" {
		return nil, nil
	}
	type result struct {
		data []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		data, err := s.readAll()
		read <- result{data, err}
	}()
	var r result
	select {
	case r = <-read:
	case <-ctx.Done():
		r.err = context.Cause(ctx)
	case <-time.After(patience):
		r.err = fmt.Errorf("%s: its file system does not answer", s.path)
	}
	isMissing := errors.Is(r.err, os.ErrNotExist) || errors.Is(r.err, unix.ENOTDIR)
	switch {
	case isMissing && !s.isNamed:
		return nil, nil
	case r.err != nil && s.isSystem:
		return nil, fmt.Errorf("read the settings of this host: %w", r.err)
	case r.err != nil:
		return nil, fmt.Errorf("read your settings: %w: --config none does without", r.err)
	}
	return r.data, nil
}

func (s source) readAll() ([]byte, error) {
	file, err := s.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = fmt.Errorf("%s is larger than %d bytes", s.path, maxSize)
	}
	return data, err
}

// open opens the file, unless somebody else could have written it. Because to open a device
// does something already, as that of a watchdog, which a link of the user's may lead to, it
// finds the file, looks at it, and only then opens what it found.
func (s source) open() (*os.File, error) {
	found, err := unix.Open(s.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: s.path, Err: err}
	}
	defer unix.Close(found)
	if err := s.errUnsafe(found); err != nil {
		return nil, err
	}
	opened, err := unix.Open(fmt.Sprint("/proc/self/fd/", found), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: s.path, Err: err}
	}
	return os.NewFile(uintptr(opened), s.path), nil
}

// errUnsafe returns an error if somebody else could have written the file that was found.
func (s source) errUnsafe(found int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(found, &stat); err != nil {
		return fmt.Errorf("look at %s: %w", s.path, err)
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is not a regular file", s.path)
	case !slices.Contains(s.owners, stat.Uid):
		return fmt.Errorf("%s belongs to user %d: chown it to user %d", s.path, stat.Uid, s.owners[len(s.owners)-1])
	case stat.Mode&0o022 != 0:
		return fmt.Errorf("%s is writable by other users (mode %04o): chmod go-w it", s.path, stat.Mode&0o7777)
	}
	return nil
}
