package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestUnsafeLinks has each command that takes a file of links read one that any user may
// write to. It is refused, unless that is allowed, and nothing is connected.
func TestUnsafeLinks(t *testing.T) {
	b := newBench(t, 3)
	file := newLinksFile(t, "sw0: sw1")
	b.check(os.Chmod(file.path, 0o666))
	for _, args := range []string{"xconnect apply -f ", "xconnect run -f ", "--links "} {
		cmd := ebpftop(t, strings.Fields(args+file.path)...)
		cmd.Env = append(cmd.Env, screenEnvironment...)
		wantOneLine(t, finish(t, b.hub, cmd), file.path, "writable by other users", "--trust-file")
	}
	b.lists()
	b.run("apply", "-f", file.path, "--trust-file")
	b.lists("sw0-sw1 active")
	b.run("del", port(0))
	s := b.dashboard("--links", file.path, "--trust-file")
	s.awaitLine("sw0 <-> sw1", "active", "file")
	s.press("q")
	s.ended(0)
	b.awaitBare(b.hub, port(0), port(1))
}

// TestLinksBecomeUnsafe while they are followed: what is written from then on is not used.
func TestLinksBecomeUnsafe(t *testing.T) {
	b := newBench(t, 3)
	file := newLinksFile(t, "sw0: sw1")
	r := b.start(file)
	b.awaitPath(0, 1)
	folder := filepath.Dir(file.path)
	b.check(os.Chmod(folder, 0o777))
	r.awaitWords(folder, "writable by other users", "the last good links go on")
	file.swap("sw0: sw2")
	b.check(os.Chmod(file.path, 0o666))
	b.check(os.Chmod(folder, 0o755))
	r.awaitWords(file.path, "writable by other users", "the last good links go on")
	b.lists("sw0-sw1 active")
	b.check(os.Chmod(file.path, 0o644))
	b.awaitList("sw0-sw2 active")
	r.end(syscall.SIGTERM)
	b.awaitBare(b.hub, port(0), port(2))
}

// TestApplyStandardInput reads links from where -f - says.
func TestApplyStandardInput(t *testing.T) {
	b := newBench(t, 2)
	apply := func(links string) finished {
		cmd := ebpftop(t, "xconnect", "apply", "-f", "-")
		cmd.Stdin = strings.NewReader(links)
		return finish(t, b.hub, cmd)
	}
	if got := apply("links: {sw0: sw1}"); got.status != 0 || got.errOut != "" {
		t.Errorf("status %d, %s", got.status, got.errOut)
	}
	b.lists("sw0-sw1 active")
	wantOneLine(t, apply("links:\n  sw0: nosuch0"), "standard input:2", "nosuch0")
	wantOneLine(t, apply(""), "standard input:1", "empty")
	b.lists("sw0-sw1 active")
	wantOneLine(t, finish(t, b.hub, ebpftop(t, "xconnect", "apply", "-f", "/dev/stdin")), "/proc")
	b.run("del", port(0))
}
