package crossconnect

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// helperVariable says what the test binary does for TestHelper when it runs
// itself: it ends only by being killed.
const helperVariable = "EBPFTOP_TEST_HELPER"

// helper starts another process in the hub, and waits until it is done.
func (b *bench) helper(task string) *exec.Cmd {
	b.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelper$")
	cmd.Env = append(os.Environ(), helperVariable+"="+task)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	b.check(err)
	b.check(b.hub.Start(cmd))
	b.t.Cleanup(func() { b.kill(cmd) })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "done\n" {
		b.t.Fatalf("the other process says %q (%v)", line, err)
	}
	return cmd
}

func (b *bench) kill(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, as is wanted
	}
}

// TestHelper is no test, but the other process.
func TestHelper(t *testing.T) {
	task := os.Getenv(helperVariable)
	if task == "" {
		return
	}
	open := New
	if strings.HasPrefix(task, "kept") {
		open = OpenKept
	}
	w, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(task, "clsact") {
		filterHook(t, w)
	}
	if task == "kept watch" {
		ingresses, err := w.XDPIngresses()
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range ingresses {
			if _, err := x.Watch(counting(t, x)); err != nil {
				t.Fatal(err)
			}
		}
	} else if err := w.Set([]Pair{pair(0, 1, XDP, TC), pair(2, 3)}, 0); err != nil {
		t.Fatal(err)
	}
	fmt.Println("done")
	time.Sleep(time.Minute)
}

// TestKilled leaves nothing behind, or what is kept. For filters, see TestLease.
func TestKilled(t *testing.T) {
	needsLinks(t)
	b := newXDPBench(t, 4)
	cmd := b.helper("own")
	b.expectWires(1, 0, 3, 2)
	b.expectPromiscuity(1, 1, 1, 1)
	b.kill(cmd)
	b.await("nothing is attached", func() bool { return len(b.attached()) == 0 })
	b.await("nothing is promiscuous", func() bool { return fmt.Sprint(b.promiscuity()) == "[0 0 0 0]" })
	b.expectWires(-1, -1, -1, -1)

	b.kill(b.helper("kept"))
	b.expectWires(1, 0, 3, 2)
	b.set(b.kept())
}

// TestLease kills a process that has filters: they let pass within 2 s, and the
// next start removes them.
func TestLease(t *testing.T) {
	b := newBench(t, 4)
	b.check(b.far.PrepareForXDP("f1"))
	cmd := b.helper("own clsact")
	time.Sleep(2 * leaseTime) // renewed
	b.expectWires(1, 0, 3, 2)
	b.kill(cmd)
	time.Sleep(2*time.Second - 200*time.Millisecond) // which is what leads takes
	b.expectWires(-1, -1, -1, -1)
	if got := b.attached(); len(got) != 3 {
		t.Errorf("attached %q, want three filters", got)
	}
	// They are nobody's: to connect is allowed, and to clean up first.
	w := b.own()
	filterHook(t, w)
	b.set(w, pair(1, 2), pair(3, 0))
	b.expectWires(3, 2, 1, 0)
	b.do(func() error {
		links, err := listLinks()
		for _, l := range links {
			if err := attach.RemoveStaleFilters([]netlink.Link{l}); err != nil {
				return err
			}
		}
		return err
	})
	b.expectWires(3, 2, 1, 0)
	b.do(w.Close)
	b.expectAttached()
}

// TestWatcherKilled leaves a program that counts, until the next change.
func TestWatcherKilled(t *testing.T) {
	b := newXDPBench(t, 4)
	w := b.kept()
	b.set(w, pair(0, 1, XDP, TC))
	cmd := b.helper("kept watch")
	b.expectProgram("counting")
	x := b.xdpIngress(w)
	b.fails(fmt.Sprintf("p0 is watched by process %d already", cmd.Process.Pid), func() error {
		_, err := x.Watch(counting(t, x))
		return err
	})
	b.follow(w)
	b.expectProgram("counting") // by a process that lives
	b.kill(cmd)
	b.expectWires(1, 0, -1, -1)
	b.follow(w)
	b.expectProgram("connect_xdp")
	b.expectWires(1, 0, -1, -1)
}
