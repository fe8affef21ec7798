package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// newKeptWatcher is a stats that has seen a kept pair. Its inspector is the keeper.
func newKeptWatcher(t *testing.T) *watcher {
	t.Helper()
	b := newBench(t, 2)
	b.run("add", port(0), port(1))
	w := &watcher{b: b, stats: openStats(t, b.hub)}
	w.awaitOthers(1, "")
	w.supervisor = supervisorOf(t, w.cmd.Process.Pid)
	w.inspector = besideOf(t, w.supervisor, keepCommand, confine.Keeping...)
	return w
}

// TestKeeperKilled kills the process that reaches the pins: another one takes its place.
// Without any, kept pairs are unknown, and nobody takes them for gone.
func TestKeeperKilled(t *testing.T) {
	w := newKeptWatcher(t)
	for range 2 {
		killed := w.inspector
		w.signal(killed, syscall.SIGKILL)
		w.b.await(func() error {
			w.next()
			if w.inspector = besideOf(t, w.supervisor, keepCommand, confine.Keeping...); w.inspector == killed {
				return fmt.Errorf("process %d is still there", killed)
			}
			return nil
		})
		w.awaitOthers(1, "")
	}
	w.signal(w.supervisor, syscall.SIGKILL)
	w.awaitOthers(1, "")
	w.signal(w.inspector, syscall.SIGKILL)
	w.awaitOthers(0, "start ebpftop again")
	w.end()
	w.b.lists("sw0-sw1 active")
	w.b.run("del", port(0))
	w.b.nothingPinned()
}

// TestKeeperStopped stops the process that reaches the pins, which its supervisor lets go
// on; and then both, which takes time once and no more.
func TestKeeperStopped(t *testing.T) {
	w := newKeptWatcher(t)
	w.signal(w.inspector, syscall.SIGSTOP)
	w.awaitOthers(1, "")
	w.signal(w.supervisor, syscall.SIGSTOP)
	w.b.await(func() error { // else it may yet let the keeper go on
		if state := processState(t, w.supervisor); state != "T" {
			return fmt.Errorf("the supervisor is in state %q", state)
		}
		return nil
	})
	w.signal(w.inspector, syscall.SIGSTOP)
	w.awaitOthers(0, "does not answer")
	w.signal(w.inspector, syscall.SIGCONT)
	w.awaitOthers(1, "")
	w.signal(w.supervisor, syscall.SIGCONT)
	w.end()
	w.b.run("del", port(0))
	w.b.nothingPinned()
}

// TestKeeperNotStarted: where nothing is kept, nobody has to be asked.
func TestKeeperNotStarted(t *testing.T) {
	b := newBench(t, 2)
	s := openStats(t, b.hub)
	supervisor := supervisorOf(t, s.cmd.Process.Pid)
	for range 5 {
		s.next()
		for _, child := range childrenOf(t, supervisor) {
			if args := argumentsOf(child); len(args) > 1 && args[1] == keepCommand {
				t.Fatalf("process %d is %q", child, args)
			}
		}
	}
	// That something is kept by now is noticed at once.
	b.run("add", port(0), port(1))
	w := &watcher{b: b, stats: s}
	w.awaitOthers(1, "")
	b.run("del", port(0))
	w.awaitOthers(0, "")
	w.end()
}

// TestFollowerKilled kills the process that follows the file: another one takes its place.
// Without any, that is said, and the pairs stay.
func TestFollowerKilled(t *testing.T) {
	b := newBench(t, 3)
	file := newLinksFile(t, "sw0: sw1")
	r := b.start(file)
	b.awaitPath(0, 1)
	supervisor := supervisorOf(t, r.cmd.Process.Pid)
	follower := besideOf(t, supervisor, followCommand, confine.Following...)
	b.check(syscall.Kill(follower, syscall.SIGKILL))
	file.swap("sw0: sw2")
	b.awaitList("sw0-sw2 active")
	follower = besideOf(t, supervisor, followCommand, confine.Following...)
	b.check(syscall.Kill(supervisor, syscall.SIGKILL))
	file.swap("sw0: sw1")
	b.awaitList("sw0-sw1 active")
	b.check(syscall.Kill(follower, syscall.SIGKILL))
	r.awaitWords("the process that follows the file was killed", "start ebpftop again")
	b.lists("sw0-sw1 active")
	r.end(syscall.SIGTERM)
	b.awaitBare(b.hub, port(0), port(1), port(2))
}

// TestFileMoves has the path of the file lead to another directory, which was not on the way
// when the command started.
func TestFileMoves(t *testing.T) {
	b := newBench(t, 3)
	for name, move := range map[string]struct {
		path string // of the file, in a directory that holds the directories one and two
		by   func(dir string) error
	}{
		"a link on the way":  {"current/links.yaml", func(dir string) error { return symlink(dir+"/two", dir+"/current") }},
		"the file is a link": {"app/links.yaml", func(dir string) error { return symlink(dir+"/two/links.yaml", dir+"/app/links.yaml") }},
		"another directory": {"one/links.yaml", func(dir string) error {
			if err := os.Rename(dir+"/one", dir+"/zero"); err != nil {
				return err
			}
			return os.Rename(dir+"/two", dir+"/one")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for where, links := range map[string]string{"one": "sw0: sw1", "two": "sw0: sw2"} {
				b.check(os.Mkdir(filepath.Join(dir, where), 0o700))
				b.check(os.Rename(newLinksFile(t, links).path, filepath.Join(dir, where, "links.yaml")))
			}
			b.check(os.Mkdir(dir+"/app", 0o700))
			b.check(symlink(dir+"/one", dir+"/current"))
			b.check(symlink(dir+"/one/links.yaml", dir+"/app/links.yaml"))
			r := b.start(&linksFile{t, filepath.Join(dir, move.path)})
			b.awaitList("sw0-sw1 active")
			b.check(move.by(dir))
			b.awaitList("sw0-sw2 active")
			r.end(syscall.SIGTERM)
		})
	}
}

// symlink makes a symbolic link, or replaces it.
func symlink(to, at string) error {
	if err := os.Symlink(to, at+".new"); err != nil {
		return err
	}
	return os.Rename(at+".new", at)
}

// TestKeeperRemovesGone keeps a pair from a dashboard: the pins of a network namespace that
// is gone go, as they do by whoever is root.
func TestKeeperRemovesGone(t *testing.T) {
	b := newBench(t, 2)
	gone, err := lab.New()
	b.check(err)
	b.check(lab.QuietVeth(gone, "gone0", gone, "far0"))
	b.check(lab.QuietVeth(gone, "gone1", gone, "far1"))
	if r := finish(t, gone, ebpftop(t, "xconnect", "add", "gone0", "gone1")); r.status != 0 {
		t.Fatal(r.errOut)
	}
	folders := pinFolders(t, gone)
	b.check(gone.Close())
	b.await(func() error { return errNamespaceIsThere(folders) })
	s := b.dashboard()
	s.connect(form{a: port(0), b: port(1), keep: true})
	s.awaitLine("sw0 <-> sw1", "active", "kept")
	for _, folder := range folders {
		if _, err := os.Stat(folder); !os.IsNotExist(err) {
			t.Errorf("%s is left (%v)", folder, err)
		}
	}
	s.press("q")
	s.ended(0)
	b.run("del", port(0))
	b.nothingPinned()
}

// errNamespaceIsThere returns nil once the network namespace of kept pairs is gone.
func errNamespaceIsThere(folders []string) error {
	for _, folder := range folders {
		m, err := ebpf.LoadPinnedMap(folder+"/namespace", nil)
		if errors.Is(err, fs.ErrNotExist) {
			continue // by cookie or by inode
		}
		if err != nil {
			return err
		}
		defer m.Close()
		var ifindex uint32
		if err := m.Lookup(uint32(0), &ifindex); err == nil {
			return fmt.Errorf("%s is of a network namespace that is there", folder)
		}
	}
	return nil
}

// TestHelpersAnswerNobody starts those that work for ebpftop for another user, as root: they open
// nothing for him.
func TestHelpersAnswerNobody(t *testing.T) {
	folder := t.TempDir()
	for _, args := range [][]string{
		{followCommand, "--file=/etc/passwd"}, {saveCommand}, {keepCommand}, {inspectCommand}, {superviseCommand},
	} {
		ends := socketsOfNobody(t)
		cmd := ebpftop(t, args...)
		cmd.Dir, cmd.Stdin = folder, ends[1]
		err := cmd.Run()
		if status := status(t, err); status != 2 {
			t.Errorf("%s ends with status %d", args[0], status)
		}
		_ = ends[1].Close() // or the other one is never at its end
		if n, err := unix.Read(int(ends[0].Fd()), make([]byte, 1024)); n > 0 {
			t.Errorf("%s says %d bytes, %v", args[0], n, err)
		}
		_ = ends[0].Close()
	}
	if made, err := os.ReadDir(folder); err != nil || len(made) > 0 {
		t.Errorf("made %v, %v", made, err)
	}
}

// socketsOfNobody are connected with each other, and made by another user than root.
func socketsOfNobody(t *testing.T) (ends [2]*os.File) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const same = ^uintptr(0)
	setUser := func(uid uintptr) { // of this thread alone
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, same, uid, same); errno != 0 {
			t.Fatal(errno)
		}
	}
	setUser(nobody)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	setUser(0)
	if err != nil {
		t.Fatal(err)
	}
	return [2]*os.File{os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "socket")}
}
