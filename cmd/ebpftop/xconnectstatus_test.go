package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestStatusCheck has a pair in each state, and a monitor ask for it.
func TestStatusCheck(t *testing.T) {
	b := newBench(t, 4)
	check := func(want exitStatus, args string, words ...string) {
		t.Helper()
		got := b.try(strings.Fields("status --check " + args)...)
		if got.status != int(want) || got.errOut != "" || !containsAll(got.out, words) {
			t.Errorf("status --check %s: %d, want %d with %q\n%s%s", args, got.status, want, words, got.out, got.errOut)
		}
		if got := b.try(strings.Fields("status " + args)...); got.status != 0 {
			t.Errorf("status %s: exit status %d without --check", args, got.status)
		}
	}
	check(2, "", "down: no pairs")
	check(2, "sw0 sw1", "down: 0 of 1", "sw0 and sw1: down: not connected")

	file := newLinksFile(t, "sw0: sw1")
	r := b.start(file)
	b.run("add", port(2), port(3))
	b.awaitPath(0, 1)
	check(0, "", "up: 2 of 2")
	check(0, "sw1 sw0", "up: 1 of 1")
	check(0, "-f "+file.path, "up: 1 of 1")
	check(2, "sw0 sw2", "not connected")

	b.check(b.hub.Move(port(1), b.hosts[2]))
	check(1, "", "degraded: 1 of 2", "sw0 and sw1: waiting: sw1 is missing")
	check(0, "sw2 sw3", "up: 1 of 1")
	b.check(b.hosts[2].Move(port(1), b.hub))
	b.awaitPath(0, 1)
	check(0, "", "up: 2 of 2")
	b.setUp(port(3), false)
	check(2, "", "down: 1 of 2", "sw2 and sw3: down: sw3 is down")
	b.setUp(port(3), true)
	check(0, "", "up: 2 of 2")

	file.swap("sw0: missing0")
	r.awaitWords("missing0")
	check(1, "", "degraded: 2 of 2", file.path, "not in force")
	check(2, "-f "+file.path, "sw0 and missing0: down: not connected")
	file.swap("sw0")
	check(1, "", "degraded: 2 of 2", file.path, "not in force", "a word where a mapping belongs")
	check(1, "-f "+file.path, "degraded: no pairs", "a word where a mapping belongs")
	file.swap("sw0: sw1")
	check(0, "", "up: 2 of 2")

	b.run("del", port(2), "--trial", "1m")
	check(1, "", "degraded: 1 of 2", "disconnected on trial")
	b.run("confirm")
	r.end(syscall.SIGKILL)
	b.awaitBare(b.hub, port(0), port(1), port(2))
	check(2, "", "down: no pairs")
	check(2, "-f "+file.path, "not connected")
}

// TestStatusBlind is asked by a user who does not see all pairs: that is no answer.
func TestStatusBlind(t *testing.T) {
	b := newBench(t, 2)
	b.run("add", port(0), port(1))
	cmd := ebpftop(t, "xconnect", "status", "--check")
	asNobody(t, cmd, nil)
	got := finish(t, b.hub, cmd)
	if wantOneLine(t, got, "cannot tell", "root"); got.status != 1 || got.out != "" {
		t.Errorf("status %d, printed %q", got.status, got.out)
	}
	b.run("del", port(0))
}

// TestStatusOfRelativeFile finds the file of a running ebpftop from another directory.
func TestStatusOfRelativeFile(t *testing.T) {
	b := newBench(t, 2)
	file := newLinksFile(t, "sw0: sw1")
	r := b.newRunner(file)
	r.cmd.Dir = file.path[:strings.LastIndexByte(file.path, '/')]
	r.cmd.Args[len(r.cmd.Args)-1] = "./links.yaml"
	r.start()
	b.awaitPath(0, 1)
	b.check(os.Chmod(file.path, 0o666))
	got := b.try("status", "--check")
	if got.status != 1 || !containsAll(got.out, []string{"links.yaml", "writable by other users"}) {
		t.Errorf("status %d, %s%s", got.status, got.out, got.errOut)
	}
	r.end(syscall.SIGTERM)
}
