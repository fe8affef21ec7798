package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestHostileEnvironment starts every command on a terminal, in an environment that has
// libraries run programs, and open files, some of which never open: none of them is
// touched.
func TestHostileEnvironment(t *testing.T) {
	host := labtest.Namespace(t)
	file := newLinksFile(t, "sw0: {peer: sw1, wait: true}")
	for i, args := range [][]string{
		{"--version"}, {"version"}, {"help"}, {"doctor"}, {"stats", "--count", "1"}, {"demo", "--duration", "1s"},
		{"xconnect", "list"}, {"xconnect", "confirm"}, {"xconnect", "rollback"}, {"xconnect", "status"},
		{"xconnect", "apply", "-f", file.path}, {"xconnect", "del", "sw0"},
		{"__complete", "xconnect", ""}, {"completion", "bash"},
	} {
		d := newHostileDirectory(t)
		cmd := ebpftop(t, args...)
		cmd.Env = append(cmd.Env, d.environment()...)
		if i%2 == 1 {
			cmd.Env = append(cmd.Env, "TZ=../../../../../.."+string(d)+"/zone") // from /usr/share/zoneinfo on
		}
		s := openScreen(t, host, cmd)
		select {
		case <-s.exited: // some are refused
		case <-time.After(patience):
			t.Errorf("%q does not end", args)
		}
		d.wantUntouched(t, args)
	}
	d := newHostileDirectory(t)
	cmd := ebpftop(t)
	cmd.Env = append(cmd.Env, d.environment()...)
	s := openScreen(t, host, cmd)
	s.await("the screen", "ebpftop")
	s.press("q")
	s.ended(0)
	d.wantUntouched(t, nil)
}

// hostileDirectory is where the variables of a hostile environment point.
type hostileDirectory string

func newHostileDirectory(t *testing.T) hostileDirectory {
	t.Helper()
	d := t.TempDir()
	for _, terminal := range []string{"x", "78", ".terminfo/x", ".terminfo/78"} {
		if err := os.MkdirAll(filepath.Join(d, terminal), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(filepath.Join(d, terminal, "xterm"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(d, "zone"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho >" + d + "/executed\n"
	for _, name := range []string{"tmux", "tput", "infocmp", "sh", "tty", "wl-paste", "xclip", "id"} {
		if err := os.WriteFile(filepath.Join(d, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return hostileDirectory(d)
}

func (d hostileDirectory) environment() []string {
	at := string(d) + "/"
	return []string{
		"PATH=" + string(d), "HOME=" + string(d), "TERM=xterm", "TMUX=" + at + "socket,1,0", "TTY_FORCE=1", "LANG=C.UTF-8",
		"TERMINFO=" + string(d), "TERMINFO_DIRS=" + string(d), "TZ=:" + at + "zone", "WAYLAND_DISPLAY=x",
		"TEA_TRACE=" + at + "trace", "TEA_DEBUG=1", "BASH_COMP_DEBUG_FILE=" + at + "completions",
	}
}

// wantUntouched expects that nothing was executed or made.
func (d hostileDirectory) wantUntouched(t *testing.T, args []string) {
	t.Helper()
	for _, name := range []string{"executed", "trace", "completions"} {
		if _, err := os.Lstat(filepath.Join(string(d), name)); err == nil {
			t.Errorf("%q made %s", args, name)
		}
	}
}
