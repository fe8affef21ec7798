package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"
)

// rcuExpedited is a setting of the whole machine, which others may have made, too. Values of
// ours name the supervisor.
const rcuExpedited = "/sys/kernel/rcu_expedited"

func expeditedBy(supervisor int) string { return fmt.Sprint(1<<30 | supervisor) }

func readExpedited(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(rcuExpedited)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// TestExpedited connects many pairs, and is killed. Grace periods are expedited meanwhile;
// not before, nor after, nor for few pairs. While the kernel takes back what a process had that
// was killed, the supervisor may come too late for a few of them.
func TestExpedited(t *testing.T) {
	if version, err := features.LinuxVersionCode(); err == nil && version < 6<<16|6<<8 {
		t.Skip("before Linux 6.6 pairs are filters, which wait for no grace period")
	}
	if value := readExpedited(t); value == "1" {
		t.Skip("the setting is somebody else's")
	}
	b := newBench(t, 10)
	file := newLinksFile(t, "sw0: sw0")
	r := b.start(file)
	r.awaitWords("pair up")
	ours := expeditedBy(supervisorOf(t, r.cmd.Process.Pid))
	noted := noteExpedited(t)
	file.swap("sw0: sw1")
	b.awaitPath(0, 1)
	if noted.seen() {
		t.Error("expedited for a pair")
	}
	noted = noteExpedited(t)
	file.swap("sw0: sw1", "sw2: sw3", "sw4: sw5", "sw6: sw7", "sw8: sw9")
	for i := 1; i < len(b.hosts); i += 2 {
		b.awaitPath(i, i-1)
	}
	if !noted.seen() {
		t.Error("not expedited for many pairs")
	}
	r.end(syscall.SIGKILL)
	for i := range b.hosts {
		b.awaitBare(b.hub, port(i))
	}
	b.await(func() error {
		if readExpedited(t) == ours {
			return errors.New("grace periods stay expedited")
		}
		return nil
	})
}

// noting is told by the kernel when the setting is written to, however short it has a value.
type noting struct {
	t       *testing.T
	inotify int
}

func noteExpedited(t *testing.T) *noting {
	t.Helper()
	inotify, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		_, err = unix.InotifyAddWatch(inotify, rcuExpedited, unix.IN_MODIFY)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &noting{t, inotify}
}

// seen ends the noting, and returns whether the setting was written to.
func (n *noting) seen() bool {
	read, err := unix.Read(n.inotify, make([]byte, 4096))
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		n.t.Error(err)
	}
	_ = unix.Close(n.inotify)
	return read > 0
}
