package linksfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrUnsafe is wrapped by errors about a file that somebody else could have written.
var ErrUnsafe = errors.New("or allow that by --trust-file")

// owners are the users whose files are trusted: root, the user of this process, and the
// one who called sudo. The last may run ebpftop as root anyway, or sudoers allows just
// this file. In a binary with capabilities, SUDO_UID is what its caller says.
func owners() []uint32 {
	list := []uint32{0, uint32(os.Geteuid())}
	if os.Geteuid() != 0 {
		return list
	}
	if uid, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32); err == nil {
		list = append(list, uint32(uid))
	}
	return list
}

// open opens the file for reading. It looks at each directory and each symbolic link on
// the way, as sshd does for its keys. Because it looks up every name in a directory that
// it has open, what is read is what was looked at, whoever replaces things meanwhile.
func (f File) open(owners []uint32) (*os.File, error) {
	path, err := absolute(f.Path)
	if err != nil {
		return nil, err
	}
	w := &walk{owners: owners, trusted: f.Trusted, dir: unix.AT_FDCWD, names: strings.Split(path, "/")}
	defer w.leave()
	file, err := w.step("/")
	for file == nil && err == nil {
		if len(w.names) == 0 {
			return nil, fmt.Errorf("%s is not a regular file", f.Path)
		}
		name := w.names[0]
		w.names = w.names[1:]
		if name != "" {
			file, err = w.step(name)
		}
	}
	return file, err
}

// walk is on the way to a file.
type walk struct {
	owners  []uint32
	trusted bool
	dir     int      // the directory it is in, open
	place   string   // where that is, without symbolic links
	names   []string // yet to be looked up
	links   int      // symbolic ones so far
}

// step looks a name up. It returns the file if the way ends there.
func (w *walk) step(name string) (*os.File, error) {
	at := w.path(name)
	fd, stat, err := w.look(name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		w.leave()
		w.dir, w.place = fd, at
		return nil, nil
	case unix.S_IFLNK:
		defer unix.Close(fd)
		return nil, w.follow(fd, at)
	}
	_ = unix.Close(fd) // it stands for a name only
	if len(w.names) > 0 {
		return nil, fmt.Errorf("%s: %w", at, unix.ENOTDIR)
	}
	// O_NONBLOCK: should it be a named pipe by now, opening it would wait for a writer.
	if fd, _, err = w.look(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), at), nil
}

// path is the path of a name, for people.
func (w *walk) path(name string) string {
	if filepath.IsAbs(name) {
		return name // a link leads back to the root
	}
	return filepath.Join(w.place, name)
}

// look opens what a name means, and checks that.
func (w *walk) look(name string, flags int) (fd int, stat unix.Stat_t, err error) {
	at := w.path(name)
	fd, err = unix.Openat(w.dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, stat, fmt.Errorf("open %s: %w", at, err)
	}
	var in unix.Statfs_t
	if err = errors.Join(unix.Fstat(fd, &stat), unix.Fstatfs(fd, &in)); err != nil {
		err = fmt.Errorf("look at %s: %w", at, err)
	} else {
		err = w.errUnsafe(at, &stat, int64(in.Type))
	}
	if err != nil {
		_ = unix.Close(fd) // nothing was done with it
		return -1, stat, err
	}
	return fd, stat, nil
}

// errUnsafe returns an error if somebody else could have put there what is found, or
// written it. In a sticky directory, others cannot touch what is not theirs. What the
// kernel makes up in /proc is no file of links, and reading it may wait.
func (w *walk) errUnsafe(at string, stat *unix.Stat_t, system int64) error {
	kind := stat.Mode & unix.S_IFMT
	isSticky := kind == unix.S_IFDIR && stat.Mode&unix.S_ISVTX != 0
	switch {
	case system == unix.PROC_SUPER_MAGIC:
		return fmt.Errorf("%s is in /proc, where no file of links is", at)
	case kind != unix.S_IFDIR && kind != unix.S_IFLNK && kind != unix.S_IFREG:
		return fmt.Errorf("%s is not a regular file", at)
	case w.trusted:
		return nil
	case !slices.Contains(w.owners, stat.Uid):
		return fmt.Errorf("%s belongs to user %d: chown it to root, %w", at, stat.Uid, ErrUnsafe)
	case kind != unix.S_IFLNK && stat.Mode&0o022 != 0 && !isSticky:
		return fmt.Errorf("%s is writable by other users (mode %04o): chmod go-w it, %w", at, stat.Mode&0o7777, ErrUnsafe)
	}
	return nil
}

// follow goes where a symbolic link leads.
func (w *walk) follow(fd int, at string) error {
	if w.links++; w.links > maxSymlinks {
		return fmt.Errorf("%s: %w", at, unix.ELOOP)
	}
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buffer)
	if err != nil {
		return fmt.Errorf("read link %s: %w", at, err)
	}
	target := string(buffer[:n])
	w.names = append(strings.Split(target, "/"), w.names...)
	if filepath.IsAbs(target) {
		w.names = append([]string{"/"}, w.names...)
	}
	return nil
}

// leave closes the directory.
func (w *walk) leave() {
	if w.dir != unix.AT_FDCWD {
		_ = unix.Close(w.dir) // it stands for a name only
	}
	w.dir = unix.AT_FDCWD
}
