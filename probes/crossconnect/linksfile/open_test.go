package linksfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// nobody owns nothing.
const nobody = 65534

// place is a directory of the user, and what is in it.
type place struct {
	t   *testing.T
	dir string
}

func newPlace(t *testing.T) place {
	t.Helper()
	p := place{t, tempDir(t)}
	must(t, os.Mkdir(p.at("dir"), 0o700))
	p.write("dir/file")
	return p
}

func (p place) at(name string) string { return filepath.Join(p.dir, name) }

func (p place) write(name string) { write(p.t, p.at(name), "good") }

// mode is chmod(2), whatever the umask.
func (p place) mode(name string, mode uint32) { must(p.t, unix.Chmod(p.at(name), mode)) }

func (p place) link(target, name string) { must(p.t, os.Symlink(target, p.at(name))) }

func (p place) give(name string) { must(p.t, os.Lchown(p.at(name), nobody, nobody)) }

// unsafePlaces are files that somebody else could have written, by what the error says.
var unsafePlaces = map[string]struct {
	path, says string
	needsRoot  bool
	make       func(place)
}{
	"file writable by all":          {"dir/file", "dir/file is writable by other users (mode 0666)", false, func(p place) { p.mode("dir/file", 0o666) }},
	"file writable by a group":      {"dir/file", "dir/file is writable by other users (mode 0660)", false, func(p place) { p.mode("dir/file", 0o660) }},
	"directory writable by all":     {"dir/file", "dir is writable by other users (mode 0777)", false, func(p place) { p.mode("dir", 0o777) }},
	"directory writable by a group": {"dir/file", "dir is writable by other users (mode 0770)", false, func(p place) { p.mode("dir", 0o770) }},
	"directory above": {"dir/sub/file", "dir is writable by other users", false, func(p place) {
		p.mode("dir", 0o777)
		must(p.t, os.Mkdir(p.at("dir/sub"), 0o700))
		p.write("dir/sub/file")
	}},
	"there and back":                 {"dir/../file", "dir is writable by other users", false, func(p place) { p.mode("dir", 0o777); p.write("file") }},
	"file of somebody":               {"dir/file", "dir/file belongs to user 65534", true, func(p place) { p.give("dir/file") }},
	"directory of somebody":          {"dir/file", "dir belongs to user 65534", true, func(p place) { p.give("dir") }},
	"link to a writable directory":   {"link", "dir is writable by other users", false, func(p place) { p.mode("dir", 0o777); p.link("dir/file", "link") }},
	"link to a writable file":        {"link", "dir/file is writable by other users", false, func(p place) { p.mode("dir/file", 0o622); p.link(p.at("dir/file"), "link") }},
	"link from a writable directory": {"dir/link", "dir is writable by other users", false, func(p place) { p.mode("dir", 0o777); p.write("file"); p.link("../file", "dir/link") }},
	"link of somebody, sticky": {"dir/link", "dir/link belongs to user 65534", true, func(p place) {
		p.mode("dir", 0o1777)
		p.write("file")
		p.link("../file", "dir/link")
		p.give("dir/link")
	}},
	"file of somebody, sticky": {"dir/file", "dir/file belongs to user 65534", true, func(p place) { p.mode("dir", 0o1777); p.give("dir/file") }},
	"directory by links":       {"a/file", "dir is writable by other users", false, func(p place) { p.mode("dir", 0o777); p.link("b", "a"); p.link("dir", "b") }},
	"volume of Kubernetes, as it may": {"dir/l", "dir is writable by other users", false, func(p place) {
		p.mode("dir", 0o777)
		must(p.t, os.Mkdir(p.at("dir/..1"), 0o700))
		p.write("dir/..1/l")
		p.link("..1", "dir/..data")
		p.link("..data/l", "dir/l")
	}},
}

// TestUnsafeFile reads a file that somebody else could have written, or replaced. It is
// refused, unless that is allowed.
func TestUnsafeFile(t *testing.T) {
	for name, test := range unsafePlaces {
		t.Run(name, func(t *testing.T) {
			if test.needsRoot && os.Geteuid() != 0 {
				t.Skip("giving files away takes root")
			}
			t.Setenv("SUDO_UID", "")
			p := newPlace(t)
			test.make(p)
			path := p.dir + "/" + test.path
			data, err := Read(t.Context(), File{Path: path})
			if data != nil || !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), p.at(test.says)) || !strings.Contains(err.Error(), "--trust-file") {
				t.Errorf("got %q, %v, want %q", data, err, test.says)
			}
			data, err = Read(t.Context(), File{Path: path, Trusted: true})
			if string(data) != "good" || err != nil {
				t.Errorf("allowed: got %q, %v", data, err)
			}
			if test.needsRoot { // it is that of the user who called sudo
				t.Setenv("SUDO_UID", fmt.Sprint(nobody))
				data, err = Read(t.Context(), File{Path: path})
				if string(data) != "good" || err != nil {
					t.Errorf("of who called sudo: got %q, %v", data, err)
				}
			}
		})
	}
}

func TestSafeFile(t *testing.T) {
	for name, test := range map[string]struct {
		path string
		make func(place)
	}{
		"plain":            {"dir/file", func(place) {}},
		"readable by all":  {"dir/file", func(p place) { p.mode("dir", 0o755); p.mode("dir/file", 0o644) }},
		"in a sticky":      {"dir/file", func(p place) { p.mode("dir", 0o1777) }},
		"by links":         {"a", func(p place) { p.link("b", "a"); p.link(p.at("dir")+"//./file", "b") }},
		"by a link in one": {"dir/link", func(p place) { p.mode("dir", 0o1777); p.link("file", "dir/link") }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			test.make(p)
			data, err := Read(t.Context(), File{Path: p.at(test.path)})
			if string(data) != "good" || err != nil {
				t.Errorf("got %q, %v", data, err)
			}
		})
	}
}

// TestNoFile: what is none is not read, which may never end, whoever is trusted.
func TestNoFile(t *testing.T) {
	p := newPlace(t)
	must(t, unix.Mkfifo(p.at("fifo"), 0o600))
	p.link("/proc/self/environ", "environ")
	p.link("endless", "endless")
	open, err := os.Open(p.at("dir/file"))
	must(t, err)
	defer open.Close()
	const irregular, inProc = "is not a regular file", "is in /proc"
	for path, says := range map[string]string{
		p.at("dir"): irregular, "/": irregular, "/dev/zero": irregular, "/dev/tty": irregular, p.at("fifo"): irregular,
		"/dev/stdin": inProc, "/proc/self/environ": inProc, "/proc/kmsg": inProc, p.at("environ"): inProc,
		fmt.Sprint("/proc/self/fd/", open.Fd()):                inProc,
		fmt.Sprint("/proc/self/../thread-self/fd/", open.Fd()): inProc,
		p.at("endless"):       unix.ELOOP.Error(),
		p.at("dir/file/more"): unix.ENOTDIR.Error(),
		p.at("missing"):       unix.ENOENT.Error(),
		p.at("missing/file"):  unix.ENOENT.Error(),
	} {
		for _, trusted := range []bool{false, true} {
			data, err := Read(t.Context(), File{Path: path, Trusted: trusted})
			if data != nil || err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %d bytes, %v, want %q", path, len(data), err, says)
			}
		}
	}
}

// TestReplacedWhileLookedAt puts files of somebody else in the place of a good one, in a
// directory that nobody else may write to but for a moment. None of theirs is read.
func TestReplacedWhileLookedAt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving files away takes root")
	}
	t.Setenv("SUDO_UID", "")
	p := newPlace(t)
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			content, owner := "good", 0
			if i%2 == 0 {
				content, owner = "bad", nobody
			}
			next := p.at("dir/next")
			err := errors.Join(os.WriteFile(next, []byte(content), 0o600), os.Chown(next, owner, owner), os.Rename(next, p.at("dir/file")))
			if err != nil {
				stopped <- err
				return
			}
		}
	}()
	read, refused := 0, 0
	for deadline := time.Now().Add(20 * time.Second); (read < 500 || refused < 500) && time.Now().Before(deadline); {
		data, err := Read(t.Context(), File{Path: p.at("dir/file")})
		switch {
		case err == nil && string(data) == "good":
			read++
		case errors.Is(err, ErrUnsafe):
			refused++
		default:
			t.Fatalf("read %q, %v", data, err)
		}
	}
	close(stop)
	must(t, <-stopped)
	if read == 0 || refused == 0 {
		t.Errorf("read %d times, refused %d times: nothing was replaced", read, refused)
	}
}

// TestWatchLooksEachTime: a file that becomes writable is no longer followed.
func TestWatchLooksEachTime(t *testing.T) {
	p := newPlace(t)
	versions := start(t, p.at("dir/file"), never, "good")
	for _, name := range []string{"dir/file", "dir"} {
		p.mode(name, 0o777)
		await(t, versions, func(v Version) bool { return errors.Is(v.Err, ErrUnsafe) }, "refused: "+name)
		p.mode(name, 0o700)
		expect(t, versions, "good")
	}
}

// TestReadingEnds though the file system does not answer.
func TestReadingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer, readings := make(chan Version), 0
		r := newReader(func() Version { readings++; return <-answer })
		for range 3 {
			if v := r.look(t.Context()); !errors.Is(v.Err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v", v.Err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if v := r.look(ctx); !errors.Is(v.Err, context.Canceled) {
			t.Errorf("got %v", v.Err)
		}
		answer <- Version{Data: []byte("late")}
		if v := r.look(t.Context()); string(v.Data) != "late" || readings != 1 {
			t.Errorf("got %q, %v after %d readings", v.Data, v.Err, readings)
		}
	})
}
