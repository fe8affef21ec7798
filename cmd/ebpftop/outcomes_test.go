package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/spf13/cobra"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// attachments lists what is attached to an interface.
func attachments(t *testing.T, in *lab.Namespace, iface string) (found []string) {
	t.Helper()
	if err := in.Do(func() error {
		l, err := netlink.LinkByName(iface)
		if err != nil {
			return err
		}
		if xdp := l.Attrs().Xdp; xdp != nil && xdp.Attached {
			found = append(found, "xdp")
		}
		for name, attach := range map[string]ebpf.AttachType{"tcx ingress": ebpf.AttachTCXIngress, "tcx egress": ebpf.AttachTCXEgress} {
			result, err := link.QueryPrograms(link.QueryOptions{Target: l.Attrs().Index, Attach: attach})
			if err == nil && len(result.Programs) > 0 {
				found = append(found, name)
			}
		}
		qdiscs, err := netlink.QdiscList(l)
		if err != nil {
			return err
		}
		for _, qdisc := range qdiscs {
			if qdisc.Type() == "clsact" {
				found = append(found, "clsact")
			}
		}
		for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
			filters, err := netlink.FilterList(l, parent)
			if err == nil && len(filters) > 0 { // an error: there is no qdisc
				found = append(found, "clsact filter")
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// awaitNothing waits until nothing is attached, but for what may be: the kernel
// detaches a link some time after its last descriptor is closed.
func awaitNothing(t *testing.T, in *lab.Namespace, but ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		left := slices.DeleteFunc(attachments(t, in, "host0"), func(what string) bool { return slices.Contains(but, what) })
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left attached: %v", left)
		}
	}
}

// TestNothingLeftAttached ends stats in an orderly way on every hook.
func TestNothingLeftAttached(t *testing.T) {
	for _, hook := range allHooks {
		t.Run(string(hook), func(t *testing.T) {
			host, _ := pair(t)
			s := openStats(t, host, "--hook", string(hook))
			wants := hook != probes.HookTracepoint // which is on no interface
			if attached := attachments(t, host, "host0"); (len(attached) > 0) != wants {
				t.Fatalf("attached: %v", attached)
			}
			s.stop(syscall.SIGTERM)
			awaitNothing(t, host)
		})
	}
}

// TestKilled kills stats at random moments of its start, on every hook. What
// has no link, clsact filters, the next start removes.
func TestKilled(t *testing.T) {
	const kills = 10
	for _, hook := range allHooks {
		t.Run(string(hook), func(t *testing.T) {
			host, _ := pair(t)
			for range kills {
				cmd := ebpftop(t, "stats", "--hook", string(hook))
				if err := host.Start(cmd); err != nil {
					t.Fatal(err)
				}
				time.Sleep(rand.N(300 * time.Millisecond)) // the random moment
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait() // it was killed
			}
			var but []string
			if hook == probes.HookClsact {
				// Killed between making the qdisc and its first filter, it leaves
				// an empty one. It does nothing, and may be somebody else's.
				but = []string{"clsact"}
				if got := finish(t, host, ebpftop(t, "stats", "--count", "1", "--interval", "50ms")); got.status != 0 {
					t.Fatal(got.errOut)
				}
			}
			awaitNothing(t, host, but...)
		})
	}
}

// TestErrorsAreOneLine covers what users get wrong.
func TestErrorsAreOneLine(t *testing.T) {
	host, _ := pair(t)
	for _, test := range []struct {
		args   string
		words  []string
		status exitStatus
	}{
		{"stats -i nosuch0", []string{`"nosuch0"`}, exitFailed},
		{"stats -i [", []string{`"["`}, exitWrongUse},
		{"stats --hook fast", []string{`"fast"`, "xdp-generic"}, exitWrongUse},
		{"stats --port 0", []string{"--port 0"}, exitWrongUse},
		{"stats --port 65536", []string{"--port 65536"}, exitWrongUse},
		{"stats --port x", []string{"--port"}, exitWrongUse},
		{"stats --interval 1ns", []string{"--interval"}, exitWrongUse},
		{"stats --max-connections 0", []string{"--max-connections"}, exitWrongUse},
		{"stats now", []string{`"now"`}, exitWrongUse},
		{"statz", []string{`"statz"`}, exitWrongUse},
		{"", []string{"not a terminal", "ebpftop stats"}, exitFailed},
	} {
		t.Run(test.args, func(t *testing.T) {
			got := finish(t, host, ebpftop(t, strings.Fields(test.args)...))
			wantOneLine(t, got, test.words...)
			if got.status != int(test.status) || got.out != "" {
				t.Errorf("status %d, want %d, printed %q", got.status, test.status, got.out)
			}
		})
	}
	awaitNothing(t, host)
}

// TestNotRoot runs as nobody.
func TestNotRoot(t *testing.T) {
	host, _ := pair(t)
	cmd := ebpftop(t, "stats", "--count", "1")
	cmd.Path = publicCopy(t, cmd.Path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	wantOneLine(t, finish(t, host, cmd), "root", "ebpftop doctor")
}

// publicCopy copies the binary to where anybody can execute it.
func publicCopy(t *testing.T, path string) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "ebpftop-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	binary, err := os.ReadFile(path)
	if err := errors.Join(err, os.Chmod(folder, 0o755), os.WriteFile(folder+"/ebpftop", binary, 0o755)); err != nil {
		t.Fatal(err)
	}
	return folder + "/ebpftop"
}

// TestHelpFitsAScreen of 80 columns and 24 lines, for every command, and says what the exit
// status means.
func TestHelpFitsAScreen(t *testing.T) {
	var check func(cmd *cobra.Command, args []string)
	check = func(cmd *cobra.Command, args []string) {
		var out strings.Builder
		command := newRootCommand()
		command.SetOut(&out)
		command.SetArgs(append(slices.Clone(args), "--help"))
		if err := command.Execute(); err != nil {
			t.Error(err)
		}
		lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
		if len(lines) > 23 {
			t.Errorf("%q: %d lines:\n%s", args, len(lines), out.String())
		}
		for _, line := range lines {
			if len(line) > 80 {
				t.Errorf("%q: %d columns: %s", args, len(line), line)
			}
		}
		if !strings.Contains(out.String(), exitStatusHelp) {
			t.Errorf("%q: no exit status:\n%s", args, out.String())
		}
		for _, sub := range cmd.Commands() {
			check(sub, append(slices.Clone(args), sub.Name()))
		}
	}
	check(newRootCommand(), nil)
}

// TestFullDisk has what is printed go where there is no room left.
func TestFullDisk(t *testing.T) {
	host, _ := pair(t)
	for _, args := range [][]string{
		{"stats", "--count", "1", "--interval", "50ms"},
		{"stats", "--json", "--interval", "50ms"},
		{"doctor"},
		{"doctor", "--json"},
		{"xconnect", "list"},
		{"xconnect", "list", "--json"},
		{"version"},
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		cmd := ebpftop(t, args...)
		var errOut bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &errOut
		if err := host.Start(cmd); err != nil {
			t.Fatal(err)
		}
		wantOneLine(t, finished{status: status(t, cmd.Wait()), errOut: errOut.String()}, "no space left on device")
	}
	awaitNothing(t, host)
}
