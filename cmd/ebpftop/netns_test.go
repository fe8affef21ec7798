package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// received is what was counted on an interface, false if that is not watched.
func (s *sample) received(name string) (packets uint64, ok bool) {
	for _, i := range s.Interfaces {
		if i.Name == name {
			return i.RXPackets, true
		}
	}
	return 0, false
}

// podName is a host name that nobody else's container has.
func podName(n int) string { return fmt.Sprintf("web-%d-%d", os.Getpid(), n) }

// TestNetns counts in other network namespaces, of pods whose interfaces all have one
// ifindex, as they come and go, without entering any.
func TestNetns(t *testing.T) {
	const pods = 12 // more than can share a place in the table of interfaces
	host := labtest.Namespace(t)
	b := &bench{t: t}
	b.check(lab.QuietVeth(host, "idle0", host, "idle1"))
	add := func(n int) {
		t.Helper()
		pod := labtest.Namespace(t)
		b.check(lab.QuietVethAt(40, pod, "eth0", host, fmt.Sprint("veth", n)))
		startPod(t, pod, podName(n))
	}
	for n := range pods {
		add(n)
	}
	s := openStats(t, host, "--netns", "all")
	for n := range pods {
		b.check(host.Inject(fmt.Sprint("veth", n), slices.Repeat([][]byte{udpFrame(t, 4000)}, n+1)...))
	}
	s.until(func(o sample) bool {
		for n := range pods {
			if got, ok := o.received(podName(n) + "/eth0"); !ok || got != uint64(n+1) {
				return false
			}
		}
		return true
	})
	add(pods)
	name := podName(pods) + "/eth0"
	s.until(func(o sample) bool { _, ok := o.received(name); return ok })
	b.check(host.Inject(fmt.Sprint("veth", pods), udpFrame(t, 4000)))
	s.until(func(o sample) bool { got, _ := o.received(name); return got == 1 })
	b.check(host.DeleteLink(fmt.Sprint("veth", pods)))
	s.until(func(o sample) bool { _, ok := o.received(name); return !ok })
	if status := s.stop(unix.SIGTERM); status != 0 || s.errOut.Len() > 0 {
		t.Errorf("status %d, %s", status, s.errOut.String())
	}
}

// TestNetnsFolds: what leads to a pod, and what is in it, is one row.
func TestNetnsFolds(t *testing.T) {
	host, pod := labtest.Namespace(t), labtest.Namespace(t)
	b := &bench{t: t}
	b.check(lab.QuietVeth(host, "veth0", pod, "eth0"))
	b.check(lab.QuietVeth(host, "veth1", pod, "net1"))
	startPod(t, pod, podName(0))
	cmd := ebpftop(t, "--netns", podName(0))
	cmd.Env = append(cmd.Env, screenEnvironment...)
	s := openScreen(t, host, cmd)
	s.await("all", "veth0", "veth1", podName(0)+"/eth0", podName(0)+"/net1")
	s.press("z", "f")
	s.await("one row, with the rest in its details", "4 folded", "veth0 +3", "veth1 "+podName(0)+"/eth0 "+podName(0)+"/net1")
	s.press("o")
	s.await("the pod's interfaces below those that lead to it", "▾ veth0", "+1")
	s.press("q")
	s.ended(0)
}

// TestNetnsChosen watches one namespace, and its interfaces alone where others are meant.
func TestNetnsChosen(t *testing.T) {
	host, peer := pair(t)
	startPod(t, peer, podName(7))
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "host0"},
		{[]string{"--netns", podName(7)}, "host0 " + podName(7) + "/peer0"},
		{[]string{"--netns", podName(7), "-i", "peer*"}, podName(7) + "/peer0"},
	} {
		s := openStats(t, host, c.args...)
		var names []string
		for _, i := range s.next().Interfaces {
			names = append(names, i.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%q: %s, want %s", c.args, got, c.want)
		}
		s.stop(unix.SIGTERM)
	}
	got := finish(t, host, ebpftop(t, "stats", "--netns", "nowhere"))
	if got.status != 1 {
		t.Errorf("status %d of a namespace that is not there", got.status)
	}
	wantOneLine(t, got, `no network namespace "nowhere"`)
}
