package execs

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/procfs"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

func TestExecsByRawTracepoint(t *testing.T) {
	labtest.RequireRoot(t)
	runExecTests(t, execHooks[0], execTests)
}

func TestExecsByTracepoint(t *testing.T) {
	labtest.RequireRoot(t)
	if !labtest.InOwnMounts() {
		labtest.RerunInOwnMounts(t)
		return
	}
	const tracing = "/sys/kernel/tracing"
	if err := unix.Mount("tracefs", tracing, "tracefs", 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
		t.Fatal("mount tracefs:", err)
	}
	runExecTests(t, execHooks[1], execTests)
}

func TestExecsByKprobe(t *testing.T) {
	labtest.RequireRoot(t)
	hook := execHooks[2]
	if _, err := os.Stat("/sys/bus/event_source/devices/kprobe"); err != nil {
		spec, err := bpf.LoadExecs()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hook.attach(spec); err == nil || !strings.Contains(err.Error(), "no kprobes") {
			t.Errorf("attached to a kernel without kprobes: %v", err)
		}
		return
	}
	runExecTests(t, hook, execTests[:countingTests])
}

type execTest struct {
	name string
	run  func(*testing.T, *Probe)
}

// execTests hold a hook to all that is asked of it. The first are for the
// kprobe, too, which knows little about programs that have ended.
var execTests = []execTest{
	{"every run counts", everyRunCounts},
	{"failed call", failedCall},
	{"identity", identity},
	{"arguments", everyRunHasArguments},
	{"script", script},
	{"execveat", execveat},
	{"other thread", otherThread},
	{"no arguments", noArguments},
	{"many arguments", manyArguments},
	{"long argument", longArgument},
	{"control characters", controlCharacters},
}

const countingTests = 3

func runExecTests(t *testing.T, hook execHook, tests []execTest) {
	labtest.Alone(t, "programs")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, openExecs(t, hook)) })
	}
	t.Run("arguments left out", func(t *testing.T) { argumentsLeftOut(t, openExecs(t, hook.leaveOutArgs())) })
	t.Run("overflow", func(t *testing.T) { overflow(t, hook) })
	t.Run("filling up", func(t *testing.T) { fillingUp(t, hook) })
}

// openExecs attaches one hook for the length of the test.
func openExecs(t *testing.T, hook execHook) *Probe {
	t.Helper()
	return openSmallExecs(t, hook, 0)
}

// openSmallExecs is openExecs with a ring buffer of another size, unless 0.
func openSmallExecs(t *testing.T, hook execHook, ringBytes uint32) *Probe {
	t.Helper()
	spec, err := bpf.LoadExecs()
	if err != nil {
		t.Fatal(err)
	}
	if ringBytes > 0 {
		spec.Maps[bpf.ExecsMapExecEvents].MaxEntries = ringBytes
	}
	e, err := attachExecs(spec, []execHook{hook}, kernel.NewClock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if e.hook == nil {
		t.Fatal(e.reason)
	}
	return e
}

func pollExecs(t *testing.T, e *Probe) (probes.Execs, uint64) {
	t.Helper()
	result, lost, err := e.Poll(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return result, lost
}

// eventsOf polls for the executions of one file.
func eventsOf(t *testing.T, e *Probe, filename string) []probes.Exec {
	t.Helper()
	result, lost := pollExecs(t, e)
	if lost != 0 {
		t.Errorf("%d events lost", lost)
	}
	return slices.DeleteFunc(result.Events, func(e probes.Exec) bool { return e.Filename != filename })
}

// eventOf is eventsOf where there has to be one.
func eventOf(t *testing.T, e *Probe, filename string) probes.Exec {
	t.Helper()
	events := eventsOf(t, e, filename)
	if len(events) != 1 {
		t.Fatalf("%d events, not one: %+v", len(events), events)
	}
	return events[0]
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if err := exec.Command(name, args...).Run(); err != nil {
		t.Fatal(err)
	}
}

// begin starts a cat that runs until it is told to end. It has read and written
// before we go on: that a process was started is known to its parent before
// the exec is through.
func begin(t *testing.T, cat *exec.Cmd) (end func()) {
	t.Helper()
	stdin, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cat.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(stdin.Close(), cat.Wait()); err != nil {
			t.Error(err)
		}
	}
}

func everyRunCounts(t *testing.T, e *Probe) {
	const runs = 1000
	path := labtest.Program(t, "/bin/true")
	before, _ := pollExecs(t, e)
	for range runs {
		run(t, path)
	}
	after, lost := pollExecs(t, e)
	own := slices.DeleteFunc(after.Events, func(e probes.Exec) bool { return e.Comm != filepath.Base(path) })
	if rose := after.Total - before.Total; rose < runs || len(own) != runs || lost != 0 {
		t.Fatalf("%d runs raised the total by %d, with %d events and %d lost", runs, rose, len(own), lost)
	}
	if want := float64(after.Total - before.Total); after.PerSecond != want {
		t.Errorf("%v per second in a second with %v", after.PerSecond, want)
	}
	for i := 1; i < runs; i++ {
		if own[i].Time.Before(own[i-1].Time) {
			t.Fatalf("run %d: at %v, before the one before", i, own[i].Time)
		}
	}
}

func everyRunHasArguments(t *testing.T, e *Probe) {
	path := labtest.Program(t, "/bin/true")
	for range 10 {
		run(t, path, "one", "", "three")
	}
	own := eventsOf(t, e, path)
	if len(own) != 10 {
		t.Errorf("%d events", len(own))
	}
	for i, event := range own {
		if want := []string{path, "one", "", "three"}; !slices.Equal(event.Args, want) || event.ArgsTruncated {
			t.Errorf("run %d: arguments %q, truncated %v, not %q", i, event.Args, event.ArgsTruncated, want)
		}
	}
}

// argumentsLeftOut looks for a secret in what it is told, and in all the maps that can be
// read, while the program runs: /proc would know its arguments, too.
func argumentsLeftOut(t *testing.T, e *Probe) {
	const secret = "password-hunter2"
	path := labtest.Program(t, "/bin/cat")
	file := filepath.Join(t.TempDir(), secret) // which cat takes
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before, _ := pollExecs(t, e)
	end := begin(t, exec.Command(path, "-", file))
	result, lost := pollExecs(t, e)
	end()
	if !result.ArgsLeftOut || result.Total == before.Total || lost != 0 {
		t.Errorf("%+v, %d lost", result, lost)
	}
	seen := false
	for _, event := range result.Events {
		seen = seen || event.Comm == filepath.Base(path)
		if event.Args != nil || !event.ArgsTruncated {
			t.Errorf("%q has arguments %q, truncated %v", event.Comm, event.Args, event.ArgsTruncated)
		}
	}
	if !seen {
		t.Error("the program is not listed")
	}
	for name, m := range e.hook.collection.Maps {
		switch m.Type() {
		case ebpf.RingBuf: // what was in there was looked at
		case ebpf.PerCPUArray:
			var content [][]byte
			if err := m.Lookup(uint32(0), &content); err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(bytes.Join(content, nil), []byte(secret)) {
				t.Errorf("map %s has the secret", name)
			}
		case ebpf.LRUHash: // of control groups and host names
			var key, value []byte
			for entries := m.Iterate(); entries.Next(&key, &value); {
				if bytes.Contains(value, []byte(secret)) {
					t.Errorf("map %s has the secret", name)
				}
			}
			if !slices.Contains([]string{bpf.ExecsMapCgroupPaths, bpf.ExecsMapHostNames}, name) {
				t.Errorf("a map for arguments: %s", name)
			}
		default:
			t.Errorf("a map for arguments: %s", name)
		}
	}
}

func failedCall(t *testing.T, e *Probe) {
	path := filepath.Join(t.TempDir(), "missing")
	before, _ := pollExecs(t, e)
	if err := exec.Command(path).Run(); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	after, _ := pollExecs(t, e)
	for _, event := range after.Events {
		if event.Filename == path || slices.Contains(event.Args, path) {
			t.Errorf("event for a failed call: %+v", event)
		}
	}
	switch {
	case !e.hook.failures && after.Failed != nil:
		t.Error("counts failed calls, which the hook cannot see")
	case e.hook.failures && *after.Failed <= *before.Failed:
		t.Errorf("%d failed calls, after %d", *after.Failed, *before.Failed)
	}
}

func script(t *testing.T, e *Probe) {
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n:\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, path, "argument")
	event := eventOf(t, e, path)
	// The interpreter's name comes before, where the hook sees the arguments
	// as the kernel hands them to it.
	if n := len(event.Args); n < 2 || !slices.Equal(event.Args[n-2:], []string{path, "argument"}) {
		t.Errorf("arguments %q", event.Args)
	}
	if event.Comm != "script" {
		t.Errorf("comm %q", event.Comm)
	}
}

func execveat(t *testing.T, e *Probe) {
	path := labtest.Program(t, "/bin/true")
	before, _ := pollExecs(t, e)
	helper(t, "execveat", path)
	after, _ := pollExecs(t, e)
	own := slices.DeleteFunc(after.Events, func(e probes.Exec) bool {
		return !slices.Equal(e.Args, []string{path, "by execveat"})
	})
	if len(own) != 1 || !strings.HasPrefix(own[0].Filename, "/dev/fd/") {
		t.Errorf("events %+v", own)
	}
	if rose := after.Total - before.Total; rose < 2 { // the helper, and what it became
		t.Errorf("total rose by %d", rose)
	}
}

func otherThread(t *testing.T, e *Probe) {
	path := labtest.Program(t, "/bin/true")
	pid := helper(t, "thread", path)
	event := eventOf(t, e, path)
	if want := []string{path, "by thread"}; !slices.Equal(event.Args, want) {
		t.Errorf("arguments %q", event.Args)
	}
	if procfs.InFirstPIDNamespace() && event.PID != uint32(pid) {
		t.Errorf("pid %d, not %d", event.PID, pid)
	}
}

func noArguments(t *testing.T, e *Probe) {
	path := labtest.Program(t, "/bin/true")
	process, err := os.StartProcess(path, []string{}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := process.Wait(); err != nil {
		t.Fatal(err)
	}
	event := eventOf(t, e, path)
	// Since Linux 5.18 the kernel puts an empty string there (dcd46d897adb).
	if strings.Join(event.Args, " ") != "" || len(event.Args) > 1 || event.Args == nil || event.ArgsTruncated {
		t.Errorf("arguments %q, truncated %v", event.Args, event.ArgsTruncated)
	}
}

func manyArguments(t *testing.T, e *Probe) {
	path := labtest.Program(t, "/bin/true")
	run(t, path, slices.Repeat([]string{"123456789"}, 1000)...)
	event := eventOf(t, e, path)
	if !event.ArgsTruncated {
		t.Error("not marked as truncated")
	}
	if len(event.Args) < 100 || event.Args[0] != path || event.Args[1] != "123456789" {
		t.Errorf("%d arguments %.60q", len(event.Args), event.Args)
	}
}

func longArgument(t *testing.T, e *Probe) {
	path := labtest.Program(t, "/bin/true")
	long := strings.Repeat("x", 100_000) // below MAX_ARG_STRLEN
	run(t, path, "short", long, "after")
	event := eventOf(t, e, path)
	if !event.ArgsTruncated {
		t.Error("not marked as truncated")
	}
	if len(event.Args) != 3 || event.Args[1] != "short" || !strings.HasPrefix(long, event.Args[2]) {
		t.Fatalf("%d arguments %.60q", len(event.Args), event.Args)
	}
	if kept := len(strings.Join(event.Args, "\x00")); kept < 2000 || kept > 2048 {
		t.Errorf("%d bytes kept", kept)
	}
}

func controlCharacters(t *testing.T, e *Probe) {
	path := labtest.Program(t, "/bin/true")
	args := []string{path, "\x1b]0;title\a", "line\nbreak\r", "\xff\xfe", "\u202e"}
	run(t, path, args[1:]...)
	if event := eventOf(t, e, path); !slices.Equal(event.Args, args) {
		t.Errorf("arguments %q, not %q", event.Args, args)
	}
}

func identity(t *testing.T, e *Probe) {
	path := labtest.Program(t, "/bin/cat")
	labtest.LetEveryoneRun(t, path)
	cmd := exec.Command(path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	start := time.Now()
	end := begin(t, cmd)
	event := eventOf(t, e, path)
	end()
	if event.UID != 12345 || event.Comm != "ebpftop-cat" {
		t.Errorf("uid %d, comm %q", event.UID, event.Comm)
	}
	if event.Time.Before(start.Add(-kernel.ClockJump)) || event.Time.After(time.Now().Add(kernel.ClockJump)) {
		t.Errorf("executed at %v, not between %v and now", event.Time, start)
	}
	if procfs.InFirstPIDNamespace() && (event.PID != uint32(cmd.Process.Pid) || event.PPID != uint32(os.Getpid())) {
		t.Errorf("pid %d, parent %d, not %d and %d", event.PID, event.PPID, cmd.Process.Pid, os.Getpid())
	}
}

// overflow fills the ring buffer while nobody reads it.
func overflow(t *testing.T, hook execHook) {
	spec, err := bpf.LoadExecs()
	if err != nil {
		t.Fatal(err)
	}
	spec.Maps[bpf.ExecsMapExecEvents].MaxEntries = uint32(os.Getpagesize())
	attached, err := hook.attach(spec)
	if err != nil {
		t.Fatal(err)
	}
	e := &Probe{hook: attached}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	path := labtest.Program(t, "/bin/true")
	for range 100 {
		run(t, path, strings.Repeat("x", 500))
	}
	if err := errors.Join(attached.detach(), e.open(kernel.NewClock())); err != nil {
		t.Fatal(err)
	}
	result, lost := pollExecs(t, e)
	if result.Total < 100 || lost == 0 || result.Total != uint64(len(result.Events))+lost {
		t.Errorf("%d executed, %d received, %d lost", result.Total, len(result.Events), lost)
	}
}

// fillingUp sends several times what the ring buffer holds before anyone asks:
// it has to be emptied whenever it is half full.
func fillingUp(t *testing.T, hook execHook) {
	const ringBytes, runs = 64 << 10, 150
	e := openSmallExecs(t, hook, ringBytes)
	path := labtest.Program(t, "/bin/true")
	for range runs {
		run(t, path, strings.Repeat("x", ringBytes/32))
	}
	result, lost := pollExecs(t, e)
	if result.Total < runs || lost != 0 || len(result.Events) < runs {
		t.Errorf("%d executed, %d received, %d lost", result.Total, len(result.Events), lost)
	}
}

func TestExecsWithoutHook(t *testing.T) {
	spec, err := bpf.LoadExecs()
	if err != nil {
		t.Fatal(err)
	}
	impossible := execHook{name: "impossible", programs: []string{bpf.ExecsProgExecBtf}}
	spec.Programs[bpf.ExecsProgExecBtf].AttachTo = "no_such_tracepoint"
	e, err := attachExecs(spec, []execHook{impossible}, kernel.NewClock())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	result, lost, err := e.Poll(time.Second)
	if err != nil || lost != 0 || result.Hook != "" || result.Total != 0 {
		t.Errorf("%+v, %d lost, %v", result, lost, err)
	}
	if !strings.HasPrefix(result.HookReason, "impossible: ") || strings.Contains(result.HookReason, "\n") {
		t.Errorf("reason %q", result.HookReason)
	}
}
