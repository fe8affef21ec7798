package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// after has a command run after a line of shell script, which finds args in $1 and on.
func after(cmd *exec.Cmd, script string, args ...string) *exec.Cmd {
	script += fmt.Sprintf(" && shift %d && exec \"$@\"", len(args))
	all := append([]string{"sh", "-c", script, "sh"}, args...)
	cmd.Args = append(append(all, cmd.Path), cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	return cmd
}

// TestFewFiles: too few for the start end with one line. Where they do for some interfaces
// only, one line says how many, and each of the others says why.
func TestFewFiles(t *testing.T) {
	host, peer := labtest.Namespace(t), labtest.Namespace(t)
	const interfaces, enough, few = 40, 150, 64
	for n := range interfaces {
		name := fmt.Sprint("veth", n)
		if err := lab.QuietVeth(host, name, peer, name); err != nil {
			t.Fatal(err)
		}
	}
	allow := func(cmd *exec.Cmd, files int) *exec.Cmd { return after(cmd, "ulimit -n $1", strconv.Itoa(files)) }
	got := finish(t, host, allow(ebpftop(t, "stats", "--count", "1"), few))
	if got.status != 1 {
		t.Errorf("status %d with %d files", got.status, few)
	}
	wantOneLine(t, got, "64 open files are allowed (RLIMIT_NOFILE)", "ulimit -n", "LimitNOFILE=")

	s := newStats(t, "--hook", "tc")
	allow(s.cmd, enough)
	s.start(host)
	unwatched := 0
	for _, i := range s.next().Interfaces {
		if i.Hook == probes.HookNone {
			unwatched++
			if !strings.Contains(i.HookReason, "too many open files: 150 are allowed") || strings.Contains(i.HookReason, "not supported") {
				t.Errorf("%s is not watched because of %q", i.Name, i.HookReason)
			}
		}
	}
	if unwatched == 0 || unwatched == interfaces {
		t.Errorf("%d of %d interfaces are not watched", unwatched, interfaces)
	}
	if status := s.stop(unix.SIGTERM); status != 0 {
		t.Errorf("status %d with %d files", status, enough)
	}
	want := fmt.Sprintf("ebpftop: %d of %d interfaces are not watched (", unwatched, interfaces)
	if lines := strings.Split(strings.TrimSpace(s.errOut.String()), "\n"); len(lines) != 1 || !strings.HasPrefix(lines[0], want) {
		t.Errorf("said %q, want one line with %q", lines, want)
	}

	cmd := allow(ebpftop(t, "--hook", "tc"), enough)
	cmd.Env = append(cmd.Env, screenEnvironment...)
	on := openScreen(t, host, cmd)
	on.awaitText("how many are watched, and how many not", func(text string) bool {
		var watched, others int // it has some other files open than stats
		at := strings.Index(text, "hooks tc ")
		if at < 0 {
			return false
		}
		n, _ := fmt.Sscanf(text[at:], "hooks tc %d · none %d", &watched, &others)
		return n == 2 && watched > 0 && others > 0 && watched+others == interfaces
	})
}

// TestLittleMemory ends with a line with the numbers, rather than by a signal.
func TestLittleMemory(t *testing.T) {
	host := labtest.Namespace(t)
	const allowed = 45 << 20
	cgroup, limit := memoryCgroup(t)
	if err := os.WriteFile(filepath.Join(cgroup, limit), []byte(strconv.Itoa(allowed)), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) finished {
		return finish(t, host, after(ebpftop(t, args...), `echo $$ > "$1/cgroup.procs"`, cgroup))
	}
	got := run("stats", "--count", "1")
	if got.status != 1 {
		t.Errorf("status %d", got.status)
	}
	wantOneLine(t, got, limit, "of 47 MB", "--max-connections", "--protocols-only")
	if got := run("stats", "--count", "2", "--interval", "50ms", "--protocols-only"); got.status != 0 {
		t.Errorf("what should fit ends with status %d: %s", got.status, got.errOut)
	}
}

// memoryCgroup makes a cgroup for the test, of the version that limits memory here.
func memoryCgroup(t *testing.T) (path, limit string) {
	t.Helper()
	for _, c := range [][2]string{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}} {
		path = filepath.Join(c[0], "ebpftop-test-"+strconv.Itoa(os.Getpid()))
		if os.Mkdir(path, 0o700) != nil {
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		})
		if _, err := os.Stat(filepath.Join(path, c[1])); err == nil {
			return path, c[1]
		}
	}
	t.Skip("no cgroup here limits memory")
	return "", ""
}
