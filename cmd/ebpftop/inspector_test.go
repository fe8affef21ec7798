package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/ebpftop/ebpftop/probes/confine"
)

// watcher is a stats that has seen the pair of another process.
type watcher struct {
	*stats
	b                     *bench
	other                 *runner
	supervisor, inspector int
}

func newWatcher(t *testing.T) *watcher {
	t.Helper()
	b := newBench(t, 2)
	w := &watcher{b: b, other: b.start(newLinksFile(t, "sw0: sw1"))}
	w.stats = openStats(t, b.hub)
	w.awaitOthers(1, "")
	w.supervisor = supervisorOf(t, w.cmd.Process.Pid)
	w.inspector = inspectorOf(t, w.supervisor)
	return w
}

func (w *watcher) signal(pid int, signal syscall.Signal) {
	w.t.Helper()
	w.b.check(syscall.Kill(pid, signal))
}

// awaitOthers waits for a sample with so many pairs of others, that says why they are not
// known in these words; without words, that they are known.
func (w *watcher) awaitOthers(pairs int, words string) {
	w.t.Helper()
	w.b.await(func() error {
		s := w.next()
		if len(s.CrossConnects) != pairs || (s.OthersUnknown == "") != (words == "") || !strings.Contains(s.OthersUnknown, words) {
			return fmt.Errorf("%d pairs, unknown %q, want %d, %q", len(s.CrossConnects), s.OthersUnknown, pairs, words)
		}
		return nil
	})
}

// end ends both commands, whatever became of the processes beside.
func (w *watcher) end() {
	w.t.Helper()
	if status := w.stop(syscall.SIGTERM); status != 0 || w.errOut.Len() > 0 {
		w.t.Errorf("ended with status %d: %s", status, w.errOut.String())
	}
	if w.other != nil {
		w.other.end(syscall.SIGTERM)
	}
}

// TestInspectorKilled kills the process that looks at others: another one takes its place,
// whoever of the two is killed.
func TestInspectorKilled(t *testing.T) {
	w := newWatcher(t)
	for range 2 {
		w.signal(w.inspector, syscall.SIGKILL)
		killed := w.inspector
		w.b.await(func() error {
			w.next()
			if w.inspector = inspectorOf(t, w.supervisor); w.inspector == killed {
				return fmt.Errorf("process %d is still there", killed)
			}
			return nil
		})
		w.awaitOthers(1, "")
	}
	w.signal(w.supervisor, syscall.SIGKILL)
	for range 30 { // more than the age of what is known
		if s := w.next(); len(s.CrossConnects) != 1 || s.OthersUnknown != "" {
			t.Fatalf("without supervisor: %d pairs, unknown %q", len(s.CrossConnects), s.OthersUnknown)
		}
	}
	w.end()
}

// TestInspectorGone kills both: from then on nobody knows, and no pair is taken for gone.
func TestInspectorGone(t *testing.T) {
	w := newWatcher(t)
	w.signal(w.supervisor, syscall.SIGKILL)
	w.signal(w.inspector, syscall.SIGKILL)
	w.awaitOthers(0, "start ebpftop again")
	w.end()
}

// TestInspectorStopped stops the process that looks at others, which its supervisor lets go
// on; and then both, which takes time once and no more, and does not keep the command from
// ending.
func TestInspectorStopped(t *testing.T) {
	w := newWatcher(t)
	w.signal(w.inspector, syscall.SIGSTOP)
	w.b.await(func() error {
		w.next()
		if state := processState(t, w.inspector); state == "T" {
			return fmt.Errorf("process %d is in state %q", w.inspector, state)
		}
		return nil
	})
	w.awaitOthers(1, "")
	w.signal(w.supervisor, syscall.SIGSTOP)
	w.b.await(func() error { // else it may yet let the inspector go on
		if state := processState(t, w.supervisor); state != "T" {
			return fmt.Errorf("the supervisor is in state %q", state)
		}
		return nil
	})
	w.signal(w.inspector, syscall.SIGSTOP)
	w.awaitOthers(0, "does not answer")
	w.signal(w.inspector, syscall.SIGCONT)
	w.awaitOthers(1, "")
	w.signal(w.inspector, syscall.SIGSTOP)
	w.awaitOthers(0, "does not answer")
	w.end()
	w.b.await(func() error {
		if state := processState(t, w.supervisor); state != "" && state != "Z" {
			return fmt.Errorf("the supervisor is left behind in state %q", state)
		}
		return nil
	})
}

// processState is a letter, empty if there is no such process.
func processState(t *testing.T, pid int) string {
	t.Helper()
	if syscall.Kill(pid, 0) != nil {
		return ""
	}
	return statusWord(pid, "State")
}

// TestInspectorWithoutRights is started by somebody who may watch, but may not look at what
// is not theirs.
func TestInspectorWithoutRights(t *testing.T) {
	b := newBench(t, 2)
	r := b.start(newLinksFile(t, "sw0: sw1"))
	w := &watcher{stats: newStats(t), b: b}
	asNobody(t, w.cmd, confine.Watching)
	w.start(b.hub)
	w.awaitOthers(0, "root")
	w.end()
	list := ebpftop(t, "xconnect", "list")
	asNobody(t, list, confine.Watching)
	wantOneLine(t, finish(t, b.hub, list), "kept pairs and other processes' pairs are not known", "run it as root")
	r.end(syscall.SIGTERM)
	// Own programs are not taken for what is not known.
	w = &watcher{stats: newStats(t, "--hook", "tc"), b: b}
	asNobody(t, w.cmd, confine.Watching)
	w.start(b.hub)
	w.awaitOthers(0, "")
	w.end()
}
