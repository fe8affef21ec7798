package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// secret is an argument of the programs that are executed.
const secret = "password-hunter2"

// executeAgain executes a program with the secret all the time, until the test ends.
func executeAgain(t *testing.T) (path string) {
	t.Helper()
	path = labtest.Program(t, "/bin/true")
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-done:
				ended <- nil
				return
			case <-time.After(10 * time.Millisecond):
				if err := execute(path); err != nil {
					ended <- err
					return
				}
			}
		}
	}()
	t.Cleanup(func() {
		close(done)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return path
}

// execute executes a program with the secret, and waits for its end.
func execute(path string) error {
	process, err := os.StartProcess(path, []string{path, secret}, &os.ProcAttr{})
	if err == nil {
		_, err = process.Wait()
	}
	return err
}

// TestNoArgs lists programs without their arguments: a secret that is among them is nowhere,
// and no program of ours is loaded that reads any.
func TestNoArgs(t *testing.T) {
	host, _ := pair(t)
	path := executeAgain(t)
	const unknown = `"args":null,"args_truncated":true`
	for _, test := range []struct {
		args       []string
		has, lacks []string
	}{
		{[]string{"--json"}, []string{path, secret}, []string{unknown}},
		{[]string{"--json", "--no-args"}, []string{path, unknown}, []string{secret}},
		{[]string{"--events"}, []string{path, secret}, []string{unknown}},
		{[]string{"--events", "--no-args"}, []string{path, unknown}, []string{secret}},
		{[]string{"--json", "--no-args", "--no-execs"}, []string{`"execs":null`}, []string{path, secret}},
	} {
		wantInOutput(t, host, test.args, test.has, test.lacks)
	}
	for _, isLeftOut := range []bool{false, true} {
		s := openStats(t, host, fmt.Sprintf("--no-args=%v", isLeftOut))
		found := execPrograms(t, s.cmd.Process.Pid)
		reads := slices.ContainsFunc(found, func(name string) bool { return !strings.HasPrefix(name, "bare_") })
		if len(found) == 0 || reads == isLeftOut {
			t.Errorf("arguments left out: %v, loaded are %q", isLeftOut, found)
		}
		s.stop(syscall.SIGTERM)
	}
	t.Run("screen", func(t *testing.T) {
		for _, isLeftOut := range []bool{false, true} {
			s := openDashboard(t, host, fmt.Sprintf("--no-args=%v", isLeftOut), "--interval", "100ms")
			s.press("4", "z", "G", enter)
			want := path + " " + secret
			if isLeftOut {
				want = "not known, because of --no-args"
			}
			text := s.await("a program", path, "command", want)
			if strings.Contains(text, secret) == isLeftOut {
				t.Errorf("arguments left out: %v:\n%s", isLeftOut, text)
			}
			s.press("q")
			s.ended(0)
		}
	})
}

// wantInOutput runs stats for a few intervals, and looks for words in what it prints.
func wantInOutput(t *testing.T, in *lab.Namespace, args, has, lacks []string) {
	t.Helper()
	got := finish(t, in, ebpftop(t, append([]string{"stats", "--interval", "100ms", "--count", "5"}, args...)...))
	if got.status != 0 || got.errOut != "" {
		t.Errorf("%v: status %d, %s", args, got.status, got.errOut)
	}
	for _, word := range has {
		if !strings.Contains(got.out, word) {
			t.Errorf("%v: no %s in\n%s", args, word, got.out)
		}
	}
	for _, word := range lacks {
		if strings.Contains(got.out, word) {
			t.Errorf("%v: %s in\n%s", args, word, got.out)
		}
	}
}

// TestNoExecs leaves programs out: none of ours watches them, none is listed, and nothing
// says that there were none.
func TestNoExecs(t *testing.T) {
	host, _ := pair(t)
	path := executeAgain(t)
	for _, test := range []struct {
		args       []string
		has, lacks []string
	}{
		{nil, []string{" programs executed, "}, []string{"left out"}},
		{[]string{"--no-execs"}, []string{"; programs left out; lost 0 connection events, "}, []string{"executed"}},
		{[]string{"--json", "--no-execs"}, []string{`"execs":null`, `"exec_events":null`}, []string{path}},
		{[]string{"--events", "--no-execs"}, nil, []string{path, `"exec"`}},
	} {
		wantInOutput(t, host, test.args, test.has, test.lacks)
	}
	for _, isLeftOut := range []bool{false, true} {
		s := openStats(t, host, fmt.Sprintf("--no-execs=%v", isLeftOut))
		if found := execPrograms(t, s.cmd.Process.Pid); (len(found) == 0) != isLeftOut {
			t.Errorf("programs left out: %v, loaded are %q", isLeftOut, found)
		}
		s.stop(syscall.SIGTERM)
	}
	t.Run("screen", func(t *testing.T) {
		s := openDashboard(t, host, "--no-execs", "--interval", "100ms")
		text := s.await("that programs are left out", "not watched, because of --no-execs", "exec left out")
		if strings.Contains(text, filepath.Base(path)) {
			t.Error(text)
		}
		s.press("q")
		s.ended(0)
	})
}

// execPrograms returns the names of the exec programs that a process holds.
func execPrograms(t *testing.T, pid int) (found []string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d descriptors: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it was closed meanwhile
		}
		name := programName(t, string(text))
		if strings.Contains(name, "exec_") || strings.HasPrefix(name, "bare_") { // as bpf/execs.bpf.c calls them
			found = append(found, name)
		}
	}
	return found
}

// programName returns the name of the program that a descriptor stands for, "" if it stands
// for none.
func programName(t *testing.T, fdinfo string) string {
	t.Helper()
	_, after, isProgram := strings.Cut(fdinfo, "prog_id:\t")
	if !isProgram {
		return ""
	}
	number, _, _ := strings.Cut(after, "\n")
	id, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	program, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	info, err := program.Info()
	if err != nil {
		t.Fatal(err)
	}
	return info.Name
}
