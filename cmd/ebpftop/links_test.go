package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// linksFile is a file of links.
type linksFile struct {
	t    *testing.T
	path string
}

func newLinksFile(t *testing.T, links ...string) *linksFile {
	t.Helper()
	f := &linksFile{t, filepath.Join(t.TempDir(), "links.yaml")}
	f.swap(links...)
	return f
}

// swap replaces the file, whole, as editors do. The first link is in line 2.
func (f *linksFile) swap(links ...string) {
	f.t.Helper()
	text := "links:\n"
	for _, link := range links {
		text += "  " + link + "\n"
	}
	if err := os.WriteFile(f.path+".new", []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		f.t.Fatal(err)
	}
}

// runner is a running `ebpftop xconnect run`.
type runner struct {
	b   *bench
	cmd *exec.Cmd
	// said are the lines on its standard error.
	said chan string
}

func (b *bench) start(file *linksFile) *runner {
	b.t.Helper()
	r := b.newRunner(file)
	r.start()
	return r
}

// newRunner is not yet started.
func (b *bench) newRunner(file *linksFile) *runner {
	b.t.Helper()
	return &runner{b: b, cmd: ebpftop(b.t, "xconnect", "run", "-f", file.path), said: make(chan string, 1000)}
}

func (r *runner) start() {
	r.b.t.Helper()
	errOut, err := r.cmd.StderrPipe()
	r.b.check(err)
	r.b.check(r.b.hub.Start(r.cmd))
	go func() {
		defer close(r.said)
		for lines := bufio.NewScanner(errOut); lines.Scan(); {
			r.said <- lines.Text()
		}
	}()
}

// end sends a signal and returns what was said that no test asked for.
func (r *runner) end(signal syscall.Signal) (said []string) {
	r.b.t.Helper()
	r.b.check(r.cmd.Process.Signal(signal))
	for line := range r.said {
		said = append(said, line)
	}
	if got := status(r.b.t, r.cmd.Wait()); got != 0 && signal != syscall.SIGKILL {
		r.b.t.Errorf("run ended with status %d after %v, said %q", got, signal, said)
	}
	return said
}

// awaitWords waits until it says a line with all the words.
func (r *runner) awaitWords(words ...string) {
	r.b.t.Helper()
	timeout := time.After(patience)
	var said []string
	for {
		select {
		case line, ok := <-r.said:
			if !ok {
				r.b.t.Fatalf("run ended, said %q", said)
			}
			said = append(said, line)
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
				return
			}
		case <-timeout:
			r.b.t.Fatalf("run said %q, want a line with %q", said, words)
		}
	}
}
