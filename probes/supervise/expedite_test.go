package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// setting is a file in the place of the kernel's setting.
type setting string

func newSetting(t *testing.T, value int64) setting {
	path := filepath.Join(t.TempDir(), "rcu_expedited")
	if err := os.WriteFile(path, fmt.Appendf(nil, "%#010x\n", value), 0o600); err != nil {
		t.Fatal(err)
	}
	return setting(path)
}

func (s setting) value(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(string(s))
	if err != nil {
		t.Fatal(err)
	}
	value, err := strconv.ParseInt(strings.TrimSpace(string(text)), 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// await waits until the setting has a value.
func (s setting) await(t *testing.T, wanted int64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.value(t) != wanted; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%#x, not %#x", s.value(t), wanted)
		}
	}
}

// expediting runs an Expediter for the setting.
func expediting(t *testing.T, s setting) (asked *Expedite, own int64, ended chan error) {
	asked, in, err := NewExpedite()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	expediter := openExpediter(string(s), in)
	expediter.asker = 0 // has ended
	ended = make(chan error, 1)
	go func() { ended <- Supervise(expediter) }()
	return asked, expediter.own, ended
}

// TestExpedite has grace periods expedited until the last of those who began is done.
func TestExpedite(t *testing.T) {
	s := newSetting(t, notExpedited)
	asked, own, ended := expediting(t, s)
	end, endOther := asked.Begin(), asked.Begin()
	s.await(t, own)
	end()
	end() // counts once
	other := asked.Begin()
	s.await(t, own)
	other()
	endOther()
	s.await(t, notExpedited)
	if err := asked.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestExpediteEndsWithWhoAsked has who asked killed before it was done.
func TestExpediteEndsWithWhoAsked(t *testing.T) {
	s := newSetting(t, notExpedited)
	asked, own, ended := expediting(t, s)
	_ = asked.Begin()
	s.await(t, own)
	asked.out.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if value := s.value(t); value != notExpedited {
		t.Errorf("stays %#x", value)
	}
}

// TestExpediteLeavesOthers has a setting of somebody else, which stays.
func TestExpediteLeavesOthers(t *testing.T) {
	s := newSetting(t, 1)
	asked, _, ended := expediting(t, s)
	asked.Begin()()
	_ = asked.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if value := s.value(t); value != 1 {
		t.Errorf("%#x in the place of 1", value)
	}
}

// TestExpediteLeftOver takes back what a process left that was killed with its supervisor,
// and not what one that runs has.
func TestExpediteLeftOver(t *testing.T) {
	child := exec.CommandContext(t.Context(), "true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pid    int
		wanted int64
	}{
		{child.Process.Pid, notExpedited},
		{os.Getpid(), int64(ourMark | os.Getpid())},
	} {
		s := newSetting(t, int64(ourMark|c.pid))
		expediter := openExpediter(string(s), nil)
		if value := s.value(t); value != c.wanted {
			t.Errorf("of process %d: %#x, not %#x", c.pid, value, c.wanted)
		}
		expediter.setting.Close()
	}
}

// TestExpediteOfKernel has the kernel take a value as it is written. Because the setting is of
// the whole machine, another ebpftop may come between.
func TestExpediteOfKernel(t *testing.T) {
	expediter := OpenExpediter(nil)
	if expediter == nil {
		t.Skipf("%s cannot be written to", rcuExpedited)
	}
	defer expediter.setting.Close()
	if value, err := expediter.read(); value != notExpedited && value&ourMark == 0 {
		t.Skipf("%s is %d, %v: somebody else's", rcuExpedited, value, err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for began, ended := false, false; !began || !ended; {
		errBegin := expediter.begin()
		value, errRead := expediter.read()
		began = began || value == expediter.own
		err := errors.Join(errBegin, errRead, expediter.end())
		value, errRead = expediter.read()
		if err := errors.Join(err, errRead); err != nil {
			t.Fatal(err)
		}
		if value == expediter.own {
			t.Fatal("stays expedited")
		}
		ended = ended || value == notExpedited
		if time.Now().After(deadline) {
			t.Fatalf("began: %v, ended: %v", began, ended)
		}
	}
}
