package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// stages are the system calls that change something.
const stages = "bpf,mkdirat,unlinkat,sendto,setsockopt,flock"

// TestKilledAtEachStep kills commands that keep pairs at each of the system
// calls that change something. It needs strace.
func TestKilledAtEachStep(t *testing.T) {
	labtest.RequireRoot(t)
	if !*eachStep {
		t.Skip("only with -each-step")
	}
	file := newLinksFile(t, "sw1: sw2", "sw3: sw0")
	for _, test := range []struct {
		args   string
		before []string // kept
	}{
		{args: "xconnect add sw0 sw1"},
		{args: "xconnect del sw1", before: []string{keptPair}},
		{args: "xconnect apply --trial 1m -f " + file.path, before: []string{keptPair}},
		{args: "xconnect apply --trial 1m -f " + file.path},
	} {
		t.Run(strings.TrimSuffix(test.args, file.path), func(t *testing.T) {
			v := &victims{bench: newBench(t, 4)}
			for step := 1; ; step++ {
				if len(v.kept) > len(test.before) {
					v.run("del", port(0))
				} else if len(v.kept) < len(test.before) {
					v.run("add", port(0), port(1))
				}
				v.kept = test.before
				v.cut = fmt.Sprintf("%q, killed at call %d", test.args, step)
				cmd := straced(t, test.args, "/dev/null", stages, fmt.Sprintf("signal=SIGKILL:when=%d", step))
				got := finish(t, v.hub, cmd)
				names := v.names()
				if slices.ContainsFunc(v.list(), func(s crossconnect.Status) bool { return s.State == crossconnect.Trial }) {
					v.run("rollback")
				} else if !strings.Contains(test.args, "--trial") && !slices.Equal(names, test.before) {
					v.kept = names
					if len(names)+len(test.before) != 1 {
						t.Errorf("pairs %q", names)
					}
				}
				v.sound()
				if t.Failed() {
					t.Fatal(v.cut)
				}
				if got.status == 0 {
					labtest.Report(t, "processes killed", step-1)
					return
				}
			}
		})
	}
}

// TestRefusedAtEachStep has the kernel refuse, as if it were full, each call in
// turn that makes something. Some are questions that may be answered by no; after
// any other, all is undone. It needs strace.
func TestRefusedAtEachStep(t *testing.T) {
	labtest.RequireRoot(t)
	if !*eachStep {
		t.Skip("only with -each-step")
	}
	for _, args := range []string{
		"stats --count 1 --interval 50ms",
		"stats --count 1 --interval 50ms --hook xdp",
		"xconnect add sw0 sw1",
		"xconnect add sw0 sw1 --datapath xdp-generic",
		"xconnect del sw1",
	} {
		t.Run(args, func(t *testing.T) {
			v := &victims{bench: newBench(t, 4)}
			refused := 0
			for step, before := 1, ""; ; step++ {
				if strings.Contains(args, " del ") && len(v.kept) == 0 {
					v.run("add", port(0), port(1))
					v.kept = []string{keptPair}
				}
				v.cut = fmt.Sprintf("%q, refused call %d", args, step)
				trace := filepath.Join(t.TempDir(), "trace")
				got := finish(t, v.hub, straced(t, args, trace, "bpf,mkdirat", fmt.Sprintf("error=ENOSPC:when=%d", step)))
				if text, err := os.ReadFile(trace); err != nil || !strings.Contains(string(text), "(INJECTED)") {
					t.Logf("%d of the calls are fatal (%v)", refused, err)
					labtest.Report(t, "system calls refused", step-1)
					return
				}
				names := v.names()
				if got.status != 0 {
					refused++
					wantOneLine(t, got)
					if got.errOut != before {
						before = got.errOut
						t.Logf("call %d: %s", step, strings.TrimSpace(got.errOut))
					}
					if !slices.Equal(names, v.kept) && !strings.Contains(got.errOut, "it is done") {
						t.Errorf("pairs %q", names)
					}
				}
				if len(names) > 0 && strings.Contains(args, " add ") {
					v.run("del", port(0))
					names = nil
				}
				v.kept = names
				v.sound()
				if t.Failed() {
					t.Fatal(v.cut)
				}
			}
		})
	}
}

// straced is the command under strace, which does something to its system calls.
func straced(t *testing.T, args, trace, calls, injection string) *exec.Cmd {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal(err)
	}
	cmd := ebpftop(t, strings.Fields(args)...)
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1") // strace counts the calls of each thread
	cmd.Args = append([]string{strace, "-f", "-qq", "-o", trace, "-e", "trace=" + calls,
		"-e", "inject=" + calls + ":" + injection, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = strace
	return cmd
}
