package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf/features"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// nobody owns nothing, and may do nothing.
const nobody = 65534

// confinedTo is what the status of a thread says that has these capabilities
// and no others, and no way to new ones: the bounding set means nothing to it.
func confinedTo(capabilities ...libcap.Value) map[string]string {
	mask := uint64(0)
	for _, c := range capabilities {
		mask |= 1 << c
	}
	want := map[string]string{"NoNewPrivs": "1", "Seccomp": "2"} // 2: a filter
	for _, set := range []string{"CapPrm", "CapEff"} {
		want[set] = fmt.Sprintf("%016x", mask)
	}
	for _, set := range []string{"CapInh", "CapAmb"} {
		want[set] = fmt.Sprintf("%016x", 0)
	}
	return want
}

// awaitConfined waits until every thread of a process is.
func awaitConfined(t *testing.T, pid int, capabilities ...libcap.Value) {
	t.Helper()
	(&bench{t: t}).await(func() error { return errConfined(pid, confinedTo(capabilities...)) })
}

func errConfined(pid int, want map[string]string) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		return fmt.Errorf("process %d has %d threads (%v)", pid, len(threads), err)
	}
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil {
			return err // may have ended: look again
		}
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(line, ":")
			if wanted, ok := want[name]; ok && wanted != strings.TrimSpace(value) {
				return fmt.Errorf("%s: %s want %s", thread, strings.TrimSpace(line), wanted)
			}
		}
	}
	return nil
}

// awaitLeftRoot waits until every thread of a process is confined, and of a user and group
// that nobody else is.
func awaitLeftRoot(t *testing.T, pid int, capabilities ...libcap.Value) {
	t.Helper()
	awaitConfined(t, pid, capabilities...)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool) // of all threads
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(line, ":")
			switch words := strings.Fields(value); {
			case name == "Groups" && len(words) > 0:
				t.Errorf("%s: %s", thread, line)
			case name == "Uid" || name == "Gid":
				for _, id := range words {
					ids[id] = true
				}
			}
		}
	}
	for id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); len(ids) != 1 || err != nil || n < 1<<31 {
			t.Errorf("process %d has the users and groups %v, want one that is nobody else's", pid, ids)
			break
		}
	}
}

// supervisorOf finds the process that starts the inspector of another.
func supervisorOf(t *testing.T, pid int) int {
	t.Helper()
	children := childrenOf(t, pid)
	for _, child := range children {
		if args := argumentsOf(child); len(args) > 1 && args[1] == superviseCommand {
			return child
		}
	}
	t.Fatalf("process %d has the children %v, want the supervisor", pid, children)
	return 0
}

// inspectorOf waits for the inspector that a supervisor has started. Somebody has to ask it.
func inspectorOf(t *testing.T, supervisor int) (pid int) {
	t.Helper()
	return besideOf(t, supervisor, inspectCommand, confine.Inspecting...)
}

// besideOf waits for a process that a supervisor has started, and for its confinement.
func besideOf(t *testing.T, supervisor int, command string, capabilities ...libcap.Value) (pid int) {
	t.Helper()
	(&bench{t: t}).await(func() error {
		for _, child := range childrenOf(t, supervisor) {
			if args := argumentsOf(child); len(args) > 1 && args[1] == command {
				pid = child
				return errConfined(pid, confinedTo(capabilities...))
			}
		}
		return fmt.Errorf("process %d has no child %q", supervisor, command)
	})
	return pid
}

// argumentsOf returns those of a process, none of one that has ended.
func argumentsOf(pid int) []string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil
	}
	return strings.Split(string(line), "\x00")
}

func childrenOf(t *testing.T, pid int) (found []int) {
	t.Helper()
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range children {
		list, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(list)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, child)
		}
	}
	return found
}

// awaitSupervising waits until the supervisor of a process has what it passes on, and no
// more.
func awaitSupervising(t *testing.T, pid int) {
	t.Helper()
	want := confinedTo(confine.Supervising...)
	want["CapInh"], want["CapAmb"] = want["CapPrm"], want["CapPrm"]
	supervisor := supervisorOf(t, pid)
	(&bench{t: t}).await(func() error { return errConfined(supervisor, want) })
}

// TestConfined looks at every thread of what goes on to run.
func TestConfined(t *testing.T) {
	b := newBench(t, 2)
	t.Run("stats", func(t *testing.T) {
		s := openStats(t, b.hub)
		awaitLeftRoot(t, s.cmd.Process.Pid, confine.Watching...)
		awaitSupervising(t, s.cmd.Process.Pid)
		s.stop(syscall.SIGTERM)
	})
	t.Run("dashboard", func(t *testing.T) {
		s := b.dashboard()
		awaitLeftRoot(t, s.cmd.Process.Pid, confine.Watching...)
		awaitSupervising(t, s.cmd.Process.Pid)
		s.press("q")
		s.ended(0)
	})
	t.Run("run", func(t *testing.T) {
		r := b.start(newLinksFile(t, "sw0: sw1"))
		awaitLeftRoot(t, r.cmd.Process.Pid, confine.Watching...)
		awaitSupervising(t, r.cmd.Process.Pid)
		besideOf(t, supervisorOf(t, r.cmd.Process.Pid), followCommand, confine.Following...)
		r.end(syscall.SIGTERM)
	})
	t.Run("demo", func(t *testing.T) {
		d, _ := startDemo(t)
		awaitConfined(t, d.cmd.Process.Pid, demoNeeds.Capabilities...)
	})
	b.awaitBare(b.hub, port(0), port(1))
}

// TestConfinedOnce looks at a command that ends at once, while it waits for a file to parse.
func TestConfinedOnce(t *testing.T) {
	b := newBench(t, 2)
	cmd := ebpftop(t, "xconnect", "apply", "-f", "-")
	file, err := cmd.StdinPipe()
	b.check(err)
	b.check(b.hub.Start(cmd))
	have := libcap.GetProc()
	capabilities := slices.DeleteFunc(slices.Clone(onceNeeds.Capabilities), func(value libcap.Value) bool {
		held, err := have.GetFlag(libcap.Permitted, value)
		return err != nil || !held
	})
	awaitConfined(t, cmd.Process.Pid, capabilities...)
	_, err = file.Write([]byte("links: {sw0: sw1}"))
	b.check(errors.Join(err, file.Close(), cmd.Wait()))
	b.lists("sw0-sw1 active")
	b.run("del", port(0))
	b.nothingPinned()
}

// TestConfinedToFiles asks the commands themselves for a file that is not theirs.
func TestConfinedToFiles(t *testing.T) {
	if version, _, err := confine.Landlock(); err != nil || version == 0 {
		t.Skip("no Landlock")
	}
	b := newBench(t, 2)
	expect := func(cmd *exec.Cmd, start func(), stop func(), capabilities ...libcap.Value) {
		t.Helper()
		told, tell, err := os.Pipe()
		b.check(err)
		t.Cleanup(func() { told.Close(); tell.Close() })
		cmd.ExtraFiles = []*os.File{tell}
		cmd.Env = append(cmd.Env, readsVariable+"=1")
		start()
		awaitConfined(t, cmd.Process.Pid, capabilities...)
		forbidden := false
		for range 200 { // Landlock comes a moment after the rest
			b.check(cmd.Process.Signal(syscall.SIGUSR1))
			b.check(told.SetReadDeadline(time.Now().Add(patience)))
			_, err = fmt.Fscanln(told, &forbidden)
			b.check(err)
			if forbidden {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if !forbidden {
			t.Errorf("%q reads /etc/passwd", cmd.Args[1:])
		}
		stop()
	}
	s := newStats(t)
	expect(s.cmd, func() { s.start(b.hub) }, func() { s.stop(syscall.SIGTERM) }, confine.Watching...)
	r := b.newRunner(newLinksFile(t, "sw0: sw1"))
	expect(r.cmd, r.start, func() { r.end(syscall.SIGTERM) }, confine.Watching...)
	d := ebpftop(t)
	d.Env = append(d.Env, screenEnvironment...)
	var screen *screen
	expect(d, func() { screen = openScreen(t, b.hub, d) }, func() { screen.press("q"); screen.ended(0) }, confine.Watching...)
}

// TestConfinedSeesOthers: what other processes connect, and their programs.
func TestConfinedSeesOthers(t *testing.T) {
	b := newBench(t, 2)
	s := openStats(t, b.hub)
	awaitConfined(t, s.cmd.Process.Pid, confine.Watching...)
	r := b.start(newLinksFile(t, "sw0: sw1"))
	var object struct {
		Interfaces []struct {
			Foreign []string `json:"foreign_programs"`
		} `json:"interfaces"`
		CrossConnects []crossconnect.Status `json:"cross_connects"`
	}
	b.await(func() error {
		s.next()
		b.check(json.Unmarshal(s.lines.Bytes(), &object))
		if len(object.CrossConnects) != 1 || object.CrossConnects[0].Owner != r.cmd.Process.Pid {
			return fmt.Errorf("pairs %+v, want that of process %d", object.CrossConnects, r.cmd.Process.Pid)
		}
		for _, i := range object.Interfaces {
			if len(i.Foreign) != 1 || !strings.Contains(i.Foreign[0], "connect_") {
				return fmt.Errorf("programs of others %q, want one by its name", i.Foreign)
			}
		}
		return nil
	})

	inspectorOf(t, supervisorOf(t, s.cmd.Process.Pid))
	if status := s.stop(syscall.SIGTERM); status != 0 || s.errOut.Len() > 0 {
		t.Errorf("ended with status %d: %s", status, s.errOut.String())
	}
	r.end(syscall.SIGTERM)
}

// TestConfinedFollowsTheFile in a directory of the user who called sudo, whoever replaces it.
func TestConfinedFollowsTheFile(t *testing.T) {
	b := newBench(t, 3)
	file := newLinksFile(t, "sw0: sw1")
	folder := filepath.Dir(file.path)
	b.check(os.Chmod(folder, 0o700))
	b.check(os.Chown(folder, nobody, nobody))
	r := b.newRunner(file)
	r.cmd.Env = append(r.cmd.Env, fmt.Sprint("SUDO_UID=", nobody))
	r.start()
	awaitLeftRoot(t, r.cmd.Process.Pid, confine.Watching...)
	file.swap("sw0: sw2")
	b.check(os.Chown(file.path, nobody, nobody))
	b.check(os.Chmod(file.path, 0o600))
	b.awaitList("sw0-sw2 active")
	b.awaitPath(0, 2)
	r.end(syscall.SIGTERM)
	b.awaitBare(b.hub, port(0), port(2))
}

// TestPinsArePrivate keeps a pair from a confined dashboard.
func TestPinsArePrivate(t *testing.T) {
	b := newBench(t, 2)
	s := b.dashboard()
	awaitConfined(t, s.cmd.Process.Pid, confine.Watching...)
	s.connect(form{a: port(0), b: port(1), keep: true})
	s.awaitLine("sw0 <-> sw1", "active", "kept")
	private := 0
	for _, folder := range append(pinFolders(t, b.hub), "/sys/fs/bpf/ebpftop") {
		info, err := os.Stat(folder)
		if os.IsNotExist(err) {
			continue // by cookie or by inode
		}
		b.check(err)
		owner := info.Sys().(*syscall.Stat_t).Uid
		if mode := info.Mode().Perm(); mode != 0o700 || owner != 0 {
			t.Errorf("%s has mode %o and is owned by %d", folder, mode, owner)
		}
		private++
	}
	if private < 2 {
		t.Errorf("%d directories of pins", private)
	}
	s.press("q")
	s.ended(0)
	b.run("del", port(0))
	b.nothingPinned()
}

// asNobody makes cmd run as nobody, with these capabilities alone.
func asNobody(t *testing.T, cmd *exec.Cmd, capabilities []libcap.Value) {
	t.Helper()
	cmd.Path = publicCopy(t, cmd.Path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if version, err := features.LinuxVersionCode(); err == nil && version < 5<<16|11<<8 {
		capabilities = append(slices.Clone(capabilities), libcap.SYS_RESOURCE) // maps are locked memory there
	}
	for _, c := range capabilities {
		cmd.SysProcAttr.AmbientCaps = append(cmd.SysProcAttr.AmbientCaps, uintptr(c))
	}
}

// TestCapabilitiesAlone runs without uid 0, with the set that the manual names,
// and with each one of it taken away.
func TestCapabilitiesAlone(t *testing.T) {
	for _, test := range []struct {
		without        libcap.Value
		stats, connect string // what is said, nothing if it works
	}{
		{without: libcap.CHOWN}, // none of the set
		{libcap.BPF, "CAP_BPF", "CAP_BPF"},
		{libcap.PERFMON, "CAP_PERFMON", "CAP_PERFMON"},
		{libcap.NET_ADMIN, "CAP_NET_ADMIN", "CAP_NET_ADMIN"},
		{libcap.NET_RAW, "", "open packet socket"},
	} {
		t.Run("without "+test.without.String(), func(t *testing.T) {
			b := newBench(t, 2)
			set := slices.DeleteFunc(slices.Clone(confine.Watching), func(v libcap.Value) bool { return v == test.without })
			b.statsAlone(set, test.stats)
			b.connectAlone(set, test.connect)
		})
	}
}

func (b *bench) statsAlone(set []libcap.Value, failure string) {
	b.t.Helper()
	if failure != "" {
		cmd := ebpftop(b.t, "stats", "--count", "1")
		asNobody(b.t, cmd, set)
		wantOneLine(b.t, finish(b.t, b.hub, cmd), failure, "ebpftop doctor")
		return
	}
	s := newStats(b.t)
	asNobody(b.t, s.cmd, set)
	s.start(b.hub)
	awaitConfined(b.t, s.cmd.Process.Pid, set...)
	frame := numbered(0, 100)
	b.check(b.wires[0].Send(frame, frame, frame))
	s.until(func(o sample) bool { return o.Interfaces != nil && o.Interfaces[0].RXPackets == 3 })
	if status := s.stop(syscall.SIGTERM); status != 0 {
		b.t.Errorf("ended with status %d: %s", status, s.errOut.String())
	}
}

func (b *bench) connectAlone(set []libcap.Value, failure string) {
	b.t.Helper()
	file := newLinksFile(b.t, "sw0: sw1")
	// Where nobody may look for it.
	public := filepath.Dir(publicCopy(b.t, os.Args[0])) + "/links.yaml"
	b.check(os.Rename(file.path, public))
	b.check(os.Chmod(public, 0o644))
	cmd := ebpftop(b.t, "xconnect", "run", "-f", public)
	asNobody(b.t, cmd, set)
	if failure != "" {
		wantOneLine(b.t, finish(b.t, b.hub, cmd), failure)
		return
	}
	b.check(b.hub.Start(cmd))
	b.awaitPath(0, 1)
	awaitConfined(b.t, cmd.Process.Pid, set...)
	b.check(cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		b.t.Error(err)
	}
	b.awaitBare(b.hub, port(0), port(1))
}
