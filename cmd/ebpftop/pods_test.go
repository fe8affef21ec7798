package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// startPod runs a process in a namespace, with a host name of its own, until the test ends.
func startPod(t *testing.T, in *lab.Namespace, hostname string) {
	t.Helper()
	cmd := exec.Command("sleep", "3600")
	if err := in.Do(func() (err error) {
		own, err := os.Open("/proc/thread-self/ns/uts")
		if err != nil {
			return err
		}
		defer own.Close()
		if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unix.Setns(int(own.Fd()), unix.CLONE_NEWUTS)) }()
		if err := unix.Sethostname([]byte(hostname)); err != nil {
			return err
		}
		return cmd.Start()
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says that it was killed
	})
}

// TestBusyPod: of 112 interfaces, the one that leads to a busy pod is in the first row, by
// the pod's name, on the smallest usual terminal.
func TestBusyPod(t *testing.T) {
	const pods, busy, hostname = 110, 77, "web-7f9"
	host, far, pod := labtest.Namespace(t), labtest.Namespace(t), labtest.Namespace(t)
	b := &bench{t: t}
	var ports []string
	for n := range pods {
		name, to := fmt.Sprintf("veth%08x", n*2654435761), far
		if n == busy {
			to = pod
		}
		b.check(lab.QuietVeth(host, name, to, fmt.Sprint("eth", n)))
		ports = append(ports, name)
	}
	b.check(lab.QuietVeth(host, "uplink", far, "uplink"))
	b.check(host.AddBridge("cni0", ports...))
	b.check(host.AddAddress("cni0", "10.244.0.1/16"))
	b.check(pod.AddAddress(fmt.Sprint("eth", busy), "10.244.0.79/16"))
	startPod(t, pod, hostname)
	// The traffic has begun before, so that no time goes to that.
	go func() {
		for t.Context().Err() == nil {
			_ = pod.Ping(t.Context(), netip.MustParseAddr("10.244.0.1"), 100)
		}
	}()
	cmd := ebpftop(t)
	cmd.Env = append(cmd.Env, screenEnvironment...)
	start := time.Now()
	s := openScreen(t, host, cmd)
	b.check(s.Resize(80, 24))
	s.awaitText("the busy pod in the first row", func(text string) bool {
		lines := strings.Split(text, "\n")
		return len(lines) > 4 && strings.HasPrefix(lines[4], "┃ ● "+hostname+" ")
	})
	labtest.Report(t, "ms until the busy pod was in the first row", int(time.Since(start).Milliseconds()))
	s.press("/", hostname, enter, "z")
	s.await("where the pod is", "10.244.0.79, in namespace ", " of host "+hostname, "cni0")
	s.press("q")
	s.ended(0)
}
