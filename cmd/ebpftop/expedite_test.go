package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf/features"
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

// TestExpedited connects many pairs, and is killed. Grace periods are expedited meanwhile,
// and while the kernel takes back what is attached; not before, nor after, nor for few pairs.
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
	noted := noteExpedited(ours)
	file.swap("sw0: sw1")
	b.awaitPath(0, 1)
	if noted.seen() {
		t.Error("expedited for a pair")
	}
	noted = noteExpedited(ours)
	file.swap("sw0: sw1", "sw2: sw3", "sw4: sw5", "sw6: sw7", "sw8: sw9")
	for i := 1; i < len(b.hosts); i += 2 {
		b.awaitPath(i, i-1)
	}
	if !noted.seen() {
		t.Error("not expedited for many pairs")
	}
	noted = noteExpedited(ours)
	r.end(syscall.SIGKILL)
	for i := range b.hosts {
		b.awaitBare(b.hub, port(i))
	}
	if !noted.seen() {
		t.Error("not expedited while many pairs ended")
	}
	b.await(func() error {
		if readExpedited(t) == ours {
			return errors.New("grace periods stay expedited")
		}
		return nil
	})
}

// noting looks at the setting again and again.
type noting struct {
	quit chan struct{}
	saw  chan bool
}

func noteExpedited(value string) *noting {
	n := &noting{quit: make(chan struct{}), saw: make(chan bool, 1)}
	go func() {
		saw := false
		for {
			select {
			case <-n.quit:
				n.saw <- saw
				return
			default:
				text, _ := os.ReadFile(rcuExpedited)
				saw = saw || strings.TrimSpace(string(text)) == value
				time.Sleep(100 * time.Microsecond)
			}
		}
	}()
	return n
}

// seen ends the noting, and returns whether the setting had the value.
func (n *noting) seen() bool {
	close(n.quit)
	return <-n.saw
}
