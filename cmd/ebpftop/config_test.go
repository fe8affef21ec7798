package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// etc is a /etc of the test's own, with a user whose home is below, too.
type etc struct {
	t    *testing.T
	home string
}

const (
	systemSettings = "/etc/ebpftop/config.yaml"
	settingsUser   = 12345
	settingsCount  = 17 // that there are
)

// inEtc runs a test where /etc is its own.
func inEtc(t *testing.T, test func(etc)) {
	labtest.RequireRoot(t)
	if !labtest.InOwnMounts() {
		labtest.RerunInOwnMounts(t)
		return
	}
	e := etc{t: t, home: t.TempDir()}
	e.check(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	e.check(unix.Mount("tmpfs", "/etc", "tmpfs", 0, ""))
	user := fmt.Sprintf("somebody:x:%d:%[1]d::%s:/bin/sh\n", settingsUser, e.home)
	e.check(os.WriteFile("/etc/passwd", []byte("root:x:0:0:root:/nonexistent:/bin/sh\n"+user), 0o644))
	e.check(os.Mkdir(filepath.Dir(systemSettings), 0o755))
	e.check(os.MkdirAll(filepath.Dir(e.userSettings()), 0o755))
	test(e)
}

func (e etc) check(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e etc) userSettings() string { return filepath.Join(e.home, ".config/ebpftop/config.yaml") }

// writes replaces a file of settings, which belongs to uid.
func (e etc) writes(path string, uid int, lines ...string) {
	e.t.Helper()
	e.check(os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	e.check(os.Chmod(path, 0o644))
	e.check(os.Chown(path, uid, uid))
}

// run runs a command as root does whom the user has become by sudo.
func (e etc) run(environment []string, args ...string) finished {
	e.t.Helper()
	return e.finish(ebpftop(e.t, args...), environment...)
}

func (e etc) finish(cmd *exec.Cmd, environment ...string) finished {
	e.t.Helper()
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.Env = append(append(cmd.Env, fmt.Sprint("SUDO_UID=", settingsUser)), environment...)
	err := cmd.Run()
	return finished{status: status(e.t, err), out: out.String(), errOut: errOut.String()}
}

// TestSettingsWin says of one setting after the other that a flag wins over the environment,
// that over the user's file, and that over the system's.
func TestSettingsWin(t *testing.T) {
	inEtc(t, func(e etc) {
		e.writes(systemSettings, 0, "interval: 7s", "hook: tc", "max-connections: 7", "port: [7, 8]")
		e.writes(e.userSettings(), settingsUser, "# mine", "interval: 6s", "hook: clsact", "max-connections: 6", "idle: {tcp: 6m, other: 0}")
		got := e.run([]string{"EBPFTOP_INTERVAL=5s", "EBPFTOP_HOOK=xdp"}, "config", "--interval", "4s")
		if got.status != 0 || got.errOut != "" {
			t.Fatalf("status %d, said %q", got.status, got.errOut)
		}
		for _, want := range []string{
			"interval: 4s # flag",
			"hook: xdp # EBPFTOP_HOOK",
			"max-connections: 6 # " + e.userSettings() + ":4",
			"port: [7, 8] # " + systemSettings + ":4",
			"no-args: false # default",
			"idle: {other: 0, tcp: 6m} # ", "# interface: # default",
		} {
			if !strings.Contains(strings.Join(strings.Fields(got.out), " "), want) {
				t.Errorf("no %q in\n%s", want, got.out)
			}
		}
		// What it prints is a file of settings that says the same.
		e.writes(e.userSettings(), settingsUser, got.out)
		e.check(os.Remove(systemSettings))
		if again := e.run(nil, "config"); again.status != 0 || strings.Count(again.out, e.userSettings()) != settingsCount-2 { // but interface and netns, which are not set
			t.Errorf("status %d, said %q, printed\n%s", again.status, again.errOut, again.out)
		}
		none := e.run(nil, "config", "--config", "none")
		if none.status != 0 || strings.Count(none.out, "# default") != settingsCount {
			t.Errorf("status %d, said %q, printed\n%s", none.status, none.errOut, none.out)
		}
	})
}

// TestSettingsEnforced imposes switches, and leaves pairs to root.
func TestSettingsEnforced(t *testing.T) {
	inEtc(t, func(e etc) {
		e.writes(systemSettings, 0, "enforce: [no-args]", "rewiring: root")
		e.writes(e.userSettings(), settingsUser, "no-args: false")
		for _, args := range []string{"config", "stats", "demo", ""} {
			got := e.run(nil, append(strings.Fields(args), "--no-args=false")...)
			if wantOneLine(t, got, "--no-args=false", systemSettings+" enforces it"); got.status != 2 {
				t.Errorf("%s: status %d", args, got.status)
			}
		}
		got := e.run([]string{"EBPFTOP_NO_ARGS=false"}, "config")
		if got.status != 0 || !strings.Contains(got.out, systemSettings+", enforced") || !strings.Contains(got.out, "no-args: true") {
			t.Errorf("status %d, said %q, printed\n%s", got.status, got.errOut, got.out)
		}
		for _, args := range []string{"add a b", "del a", "apply -f x", "run -f x", "confirm", "rollback"} {
			cmd := ebpftop(t, append([]string{"xconnect"}, strings.Fields(args)...)...)
			asNobody(t, cmd, confine.Watching)
			got := e.finish(cmd)
			if wantOneLine(t, got, systemSettings, "root", "sudo"); got.status != 1 {
				t.Errorf("%s: status %d", args, got.status)
			}
		}
		cmd := ebpftop(t, "--links", "x")
		asNobody(t, cmd, confine.Watching)
		wantOneLine(t, e.finish(cmd), "--links", systemSettings, "root")
		// Root may.
		if got := e.run(nil, "xconnect", "confirm"); strings.Contains(got.errOut, systemSettings) {
			t.Errorf("root: %q", got.errOut)
		}
	})
}

// TestSettingsRefused has files that say what no flag takes, or that somebody else could
// have written.
func TestSettingsRefused(t *testing.T) {
	inEtc(t, func(e etc) {
		const password = "hunter2hunter2"
		for _, test := range []struct {
			says string // in the user's file
			want []string
		}{
			{"intervall: 1s", []string{":1:", "unknown setting", "did you mean interval?"}},
			{password + ": 1s", []string{":1:", "unknown setting: there are ascii, color, hook, "}},
			{"a line of " + password, []string{":1:", "a word where a mapping belongs"}},
			{"# x\ninterval: soon", []string{":2:", `interval "soon"`, "500ms"}},
			{"interval: 1ns", []string{"1ns", "50ms"}},
			{"no-args: perhaps", []string{`no-args "perhaps"`, "true or false"}},
			{"port: [80, http]", []string{`port "http"`, "1 to 65535"}},
			{"port: [[80]]", []string{":1:", "words or numbers"}},
			{"hook:", []string{":1:", "nothing is set"}},
			{"color: maybe", []string{"--color", "maybe", "auto, always or never"}},
			{"ascii: maybe", []string{"--ascii", "maybe", "auto, true or false"}},
			{"hook: fast", []string{"hook", "fast", "xdp-generic"}},
			{"hook: tc\nhook: xdp", []string{":2:", "already on line 1"}},
			{"enforce: [no-args]", []string{":1:", "enforce belongs into " + systemSettings}},
			{"rewiring: anyone", []string{":1:", "rewiring belongs into " + systemSettings}},
			{"\"" + password, []string{":", "not YAML"}},
		} {
			e.writes(e.userSettings(), settingsUser, test.says)
			for _, args := range []string{"config", "stats --count 1", ""} {
				got := e.run(nil, strings.Fields(args)...)
				if wantOneLine(t, got, test.want...); got.status != 2 || strings.Contains(got.errOut, password) {
					t.Errorf("%q, %q: status %d, said %q", args, test.says, got.status, got.errOut)
				}
			}
		}
		e.writes(systemSettings, 0, "enforce: [hook]")
		wantOneLine(t, e.run(nil, "config", "--config", "none"), systemSettings+":1:", "only switches")
		e.writes(systemSettings, 0, "rewiring: nobody")
		wantOneLine(t, e.run(nil, "xconnect", "del", "a"), systemSettings+":1:", "root, or anyone")
		e.check(os.Remove(systemSettings))

		unsafe := func(path string, want ...string) {
			t.Helper()
			for _, args := range []string{"config", "stats --count 1"} {
				got := e.run(nil, strings.Fields(args)...)
				if wantOneLine(t, got, append(want, path)...); got.status != 2 {
					t.Errorf("%s: status %d, said %q", args, got.status, got.errOut)
				}
			}
		}
		e.writes(e.userSettings(), 4711, "hook: tc")
		unsafe(e.userSettings(), "belongs to user 4711", "chown")
		e.writes(e.userSettings(), settingsUser, "hook: tc")
		e.check(os.Chmod(e.userSettings(), 0o664))
		unsafe(e.userSettings(), "writable by other users", "chmod")
		e.check(os.Remove(e.userSettings()))
		e.check(unix.Mkfifo(e.userSettings(), 0o644))
		opened := opensOf(t, e.userSettings())
		unsafe(e.userSettings(), "not a regular file")
		if opened() {
			t.Error("what is no file was opened, which a device may take for a command")
		}
		e.check(os.Remove(e.userSettings()))
		e.writes(e.userSettings(), settingsUser, "# "+strings.Repeat("x", 64<<10))
		unsafe(e.userSettings(), "larger than 65536 bytes")
		e.check(os.Remove(e.userSettings()))
		e.writes(systemSettings, settingsUser, "rewiring: anyone")
		unsafe(systemSettings, "belongs to user 12345", "chown it to user 0")
		wantOneLine(t, e.run(nil, "xconnect", "add", "a", "b"), systemSettings, "belongs to user 12345")
		wantOneLine(t, e.run(nil, "config", "--config", "/missing"), "/missing", "no such file")
	})
}

// opensOf tells whether a file was opened since.
func opensOf(t *testing.T, path string) func() bool {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) }) // it only listened
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		n, err := unix.Read(fd, make([]byte, 4096))
		return n > 0 || err != unix.EAGAIN
	}
}

// TestSettingsSchema describes every setting, and the default file sets none of them.
func TestSettingsSchema(t *testing.T) {
	var schema struct {
		Properties map[string]map[string]any
	}
	got := finishAnywhere(t, ebpftop(t, "config", "schema"))
	if err := json.Unmarshal([]byte(got.out), &schema); err != nil || got.status != 0 {
		t.Fatalf("%v, status %d, said %q", err, got.status, got.errOut)
	}
	text := finishAnywhere(t, ebpftop(t, "config", "default"))
	for name := range schema.Properties {
		if !strings.Contains(text.out, "\n# "+name+": ") {
			t.Errorf("no %s in\n%s", name, text.out)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(text.out), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			t.Errorf("the default file sets something: %q", line)
		}
	}
	// Without the #, each line that sets something is taken.
	path := filepath.Join(t.TempDir(), "config.yaml")
	var lines []string
	for _, line := range strings.Split(text.out, "\n") {
		name, _, isSetting := strings.Cut(strings.TrimPrefix(line, "# "), ": ")
		if isSetting && schema.Properties[name] != nil && name != "enforce" && name != "rewiring" {
			lines = append(lines, strings.TrimPrefix(line, "# "))
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := finishAnywhere(t, ebpftop(t, "config", "--config", path)); got.status != 0 || strings.Contains(got.out, "# default") {
		t.Errorf("status %d, said %q, printed\n%s", got.status, got.errOut, got.out)
	}
}

// finishAnywhere runs a command that needs no network.
func finishAnywhere(t *testing.T, cmd *exec.Cmd) finished {
	t.Helper()
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	return finished{status: status(t, cmd.Run()), out: out.String(), errOut: errOut.String()}
}

// TestSettingsLockScreen has a user with capabilities but without root at the keyboard.
func TestSettingsLockScreen(t *testing.T) {
	inEtc(t, func(e etc) {
		e.writes(systemSettings, 0, "rewiring: root")
		b := newBench(t, 2)
		cmd := ebpftop(t)
		cmd.Env = append(cmd.Env, screenEnvironment...)
		asNobody(t, cmd, confine.Watching)
		s := openScreen(t, b.hub, cmd)
		s.await("the interfaces", port(0), port(1))
		s.press("a")
		s.await("the form", "step 1 of 2")
		s.press(port(0), enter, port(1), enter, tab, tab, tab, enter)
		s.await("why not", systemSettings)
		b.check(s.cmd.Process.Signal(syscall.SIGTERM))
		s.ended(0)
		b.awaitBare(b.hub, port(0), port(1))
	})
}
