package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// next expects the next line that run says to have all the words. Lines about an end that
// is down are passed over: devices that come are, for a moment.
func (r *runner) next(words ...string) {
	r.b.t.Helper()
	for {
		select {
		case line, ok := <-r.said:
			if !ok {
				r.b.t.Fatalf("run ended, want a line with %q", words)
			}
			if containsAll(line, words) {
				return
			}
			if !strings.Contains(line, "pair down") && !strings.Contains(line, "pair degraded") {
				r.b.t.Fatalf("run said %q, want a line with %q", line, words)
			}
		case <-time.After(patience):
			r.b.t.Fatalf("run said nothing, want a line with %q", words)
		}
	}
}

// TestRunSaysEachChange of a pair, of a trial and of the file, each of them once.
func TestRunSaysEachChange(t *testing.T) {
	b := newBench(t, 3)
	file := newLinksFile(t, "sw0: sw1")
	r := b.start(file)
	r.next("level=INFO", "pair up", "a=sw0", "b=sw1", "by="+file.path, "a_to_b=tc")
	b.check(b.hub.Move(port(1), b.hosts[2]))
	r.next("level=WARN", "pair waiting", "a=sw0", "b=sw1", "sw1 is missing")
	b.check(b.hosts[2].Move(port(1), b.hub))
	r.next("pair up", "a=sw0", "b=sw1")
	b.check(b.hub.DeleteLink(port(1)))
	r.next("pair waiting", "sw1 is missing")

	file.swap("sw0: sw0")
	r.next("pair removed", "a=sw0", "b=sw1")
	r.next("pair up", "a=sw0", "b=sw0")
	file.swap("sw0: missing0")
	r.next("level=WARN", "links.yaml:2", "missing0", "the last good links go on")

	b.run("add", port(2), port(2), "--trial", "1m")
	r.next("trial begun", "by=kept")
	r.next("pair up", "a=sw2", "b=sw2", "by=kept")
	b.run("confirm")
	r.next("trial confirmed", "by=kept")
	b.run("del", port(2), "--trial", "1s")
	r.next("trial begun", "by=kept")
	r.next("pair degraded", "a=sw2", "disconnected on trial")
	r.next("trial ended", "by=kept")
	r.next("pair up", "a=sw2")
	b.run("del", port(2))
	r.next("pair removed", "a=sw2")

	b.check(r.cmd.Process.Signal(syscall.SIGHUP))
	r.next("SIGHUP", "reading the file again")
	r.next("links.yaml:2", "missing0") // since it was asked for
	if said := r.end(syscall.SIGTERM); len(said) != 1 || !strings.Contains(said[0], "ending") {
		t.Errorf("run said %q at the end", said)
	}
	b.awaitBare(b.hub, port(0), port(2))
}

// TestRunRetries takes up a file that was refused as soon as nothing speaks against it any
// more: the other pair is gone, the interface is there.
func TestRunRetries(t *testing.T) {
	b := newBench(t, 4)
	b.run("add", port(2), port(3))
	file := newLinksFile(t, "sw0: sw1")
	r := b.start(file)
	b.awaitPath(0, 1)
	file.swap("sw0: sw1", "sw2: sw2")
	r.awaitWords("sw2", "the last good links go on")
	b.run("del", port(2))
	b.awaitList("sw0-sw1 active", "sw2-sw2 active")
	file.swap("sw0: sw1", "sw2: late0")
	r.awaitWords("late0", "the last good links go on")
	b.check(lab.QuietVeth(b.hub, "late0", b.hosts[3], "late0"))
	b.awaitList("sw0-sw1 active", "sw2-late0 active")
	r.end(syscall.SIGTERM)
	b.awaitBare(b.hub, port(0), port(1), port(2))
}

// TestRunAsJSON has a pair of hostile names logged: each line is a JSON object, with the
// names, that a terminal does not obey.
func TestRunAsJSON(t *testing.T) {
	b := newBench(t, 1)
	b.check(b.hub.Rename(port(0), hostileNames[1]))
	name, err := json.Marshal(hostileNames[0])
	b.check(err)
	for _, format := range []string{"text", "json"} {
		b.check(b.hub.Rename(hostileNames[1], hostileNames[0]))
		r := b.newRunner(newLinksFile(t, fmt.Sprintf("%s: %s", name, name)))
		r.cmd.Args = append(r.cmd.Args, "--log-format", format)
		var out bytes.Buffer
		r.cmd.Stdout = &out
		r.start()
		r.awaitWords("pair up", mark)
		b.check(b.hub.Rename(hostileNames[0], hostileNames[1]))
		r.awaitWords("pair removed", mark)
		for _, line := range r.end(syscall.SIGTERM) {
			if err := errDrives(line); err != nil {
				t.Error(err)
			}
			if object := (map[string]any{}); format == "json" && json.Unmarshal([]byte(line), &object) != nil {
				t.Errorf("no JSON: %s", line)
			}
		}
		if format == "json" && out.Len() > 0 {
			t.Errorf("printed %q beside the log", out.String())
		}
	}
}

// TestRunInJournal has a socket for standard error, of which $JOURNAL_STREAM says that it
// leads to the journal, or not.
func TestRunInJournal(t *testing.T) {
	b := newBench(t, 2)
	for _, isJournal := range []bool{true, false} {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		b.check(err)
		b.check(unix.SetNonblock(ends[0], true)) // for its deadline
		ours, its := os.NewFile(uintptr(ends[0]), "ours"), os.NewFile(uintptr(ends[1]), "its")
		defer ours.Close()
		var stat unix.Stat_t
		b.check(unix.Fstat(ends[1], &stat))
		if !isJournal {
			stat.Ino++
		}
		cmd := ebpftop(t, "xconnect", "run", "-f", newLinksFile(t, "sw0: sw1").path)
		cmd.Env = append(cmd.Env, fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino))
		cmd.Stderr = its
		b.check(b.hub.Start(cmd))
		b.check(its.Close())
		b.check(ours.SetReadDeadline(time.Now().Add(patience)))
		lines := bufio.NewScanner(ours)
		for _, want := range []string{`<6>level=INFO msg="pair up"`, `<4>level=WARN msg="pair down"`} {
			if !lines.Scan() {
				t.Fatal(lines.Err())
			}
			if strings.HasPrefix(lines.Text(), want) != isJournal || !isJournal && !strings.HasPrefix(lines.Text(), "time=") {
				t.Errorf("journal %t: %q, want %q", isJournal, lines.Text(), want)
			}
			b.setUp(port(1), false)
		}
		b.setUp(port(1), true)
		b.check(cmd.Process.Signal(syscall.SIGTERM))
		b.check(cmd.Wait())
	}
}

// TestRunLosesItsTerminal: on a terminal, SIGHUP has it read the file again as anywhere, and
// ends it once the terminal is gone.
func TestRunLosesItsTerminal(t *testing.T) {
	b := newBench(t, 2)
	ptmx, tty, err := pty.Open()
	b.check(err)
	defer ptmx.Close()
	cmd := ebpftop(t, "xconnect", "run", "-f", newLinksFile(t, "sw0: sw1").path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	b.check(b.hub.Start(cmd))
	b.check(tty.Close())
	lines := bufio.NewScanner(ptmx)
	await := func(words string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), words) {
				return
			}
		}
		t.Fatalf("did not say %q: %v", words, lines.Err())
	}
	await("pair up")
	b.check(cmd.Process.Signal(syscall.SIGHUP))
	await("reading the file again")
	b.lists("sw0-sw1 active")
	b.check(ptmx.Close())
	if status := status(t, cmd.Wait()); status != 0 {
		t.Errorf("ended with status %d", status)
	}
	b.awaitBare(b.hub, port(0), port(1))
}

// TestRunUnread goes on though nobody reads what it says, and the pipe is full.
func TestRunUnread(t *testing.T) {
	b := newBench(t, 3)
	read, write, err := os.Pipe()
	b.check(err)
	defer read.Close()
	fd := int(write.Fd())
	b.check(unix.SetNonblock(fd, true))
	for err == nil {
		_, err = unix.Write(fd, make([]byte, 1024))
	}
	b.check(unix.SetNonblock(fd, false))
	file := newLinksFile(t, "sw0: sw1")
	cmd := ebpftop(t, "xconnect", "run", "-f", file.path)
	cmd.Stdout, cmd.Stderr = write, write
	b.check(b.hub.Start(cmd))
	b.check(write.Close())
	b.awaitPath(0, 1)
	file.swap("sw0: sw2")
	b.awaitPath(0, 2)
	b.check(cmd.Process.Signal(syscall.SIGTERM))
	if status := status(t, cmd.Wait()); status != 0 {
		t.Errorf("ended with status %d", status)
	}
	b.awaitBare(b.hub, port(0), port(2))
}

// TestBacklogCountsWhatIsLost, and says so.
func TestBacklogCountsWhatIsLost(t *testing.T) {
	read, write := io.Pipe()
	b := newBacklog(write)
	const lines = 2 * backlogLines
	for i := range lines {
		fmt.Fprintln(b, "line", i)
	}
	got, lost := 0, 0
	for scanner := bufio.NewScanner(read); got+lost < lines && scanner.Scan(); {
		if n, _ := fmt.Sscanf(scanner.Text(), "ebpftop: %d lines lost here", &lost); n == 0 {
			got++
		}
	}
	if got < backlogLines || lost == 0 {
		t.Errorf("%d lines, %d lost", got, lost)
	}
	b.Close()
}

// TestFlapping has a pair change all the time: few changes are said, the rest is counted,
// and what it is in the end is said.
func TestFlapping(t *testing.T) {
	var said bytes.Buffer
	log, err := (&logFlags{format: "text", level: "info"}).logger(&said, false)
	if err != nil {
		t.Fatal(err)
	}
	p, now := newPairLog(log), time.Unix(0, 0)
	name, states := pairName{"a", "b"}, []pairState{{health: healthUp}, {health: healthWaiting, reason: "gone"}}
	for i := range 100 {
		p.look(now, map[pairName]pairState{name: states[i%2]})
		now = now.Add(changesTime / 200)
	}
	for range 100 {
		p.look(now, map[pairName]pairState{name: states[1]})
		now = now.Add(changesTime / 20)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != mostChanges+1 || !strings.Contains(lines[mostChanges-1], "counted only") ||
		!containsAll(lines[mostChanges], []string{"times=90", "now=waiting"}) {
		t.Errorf("%d lines:\n%s", len(lines), said.String())
	}
	said.Reset()
	p.look(now, nil)
	if !strings.Contains(said.String(), "pair removed") {
		t.Errorf("said %q", said.String())
	}
	p.look(now.Add(2*changesTime), nil)
	if len(p.pairs) != 0 {
		t.Errorf("remembers %v", p.pairs)
	}
}

// TestLogLevels has all of them, and the priorities of syslog.
func TestLogLevels(t *testing.T) {
	for level, want := range map[string][]string{
		"debug": {"<7>", "<6>", "<4>", "<3>"}, "info": {"<6>", "<4>", "<3>"}, "warn": {"<4>", "<3>"}, "ERROR": {"<3>"},
	} {
		var said bytes.Buffer
		log, err := (&logFlags{format: "json", level: level}).logger(&said, true)
		if err != nil {
			t.Fatal(err)
		}
		log.With("a", "b").WithGroup("c").Debug("x")
		log.Info("x")
		log.Warn("x")
		log.Error("x")
		var got []string
		for line := range strings.Lines(said.String()) {
			got = append(got, line[:3])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", level, got, want)
		}
	}
	for _, flags := range []logFlags{{"xml", "info"}, {"text", "loud"}, {"text", "info+1"}} {
		if _, err := flags.logger(io.Discard, false); exitStatusOf(err, true) != exitWrongUse {
			t.Errorf("%+v: %v", flags, err)
		}
	}
}
