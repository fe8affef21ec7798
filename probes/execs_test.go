package probes

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// openExecs attaches the probe for the length of the test.
func openExecs(t *testing.T) *execs {
	t.Helper()
	lab.RequireRoot(t)
	e, err := newExecs(newClock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestThousandExecs(t *testing.T) {
	e := openExecs(t)
	before, _, err := e.poll(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if err := exec.Command("/bin/true", t.Name()).Run(); err != nil {
			t.Fatal(err)
		}
	}
	after, lost, err := e.poll(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	own := slices.DeleteFunc(after.Events, func(e Exec) bool { return !slices.Contains(e.Args, t.Name()) })
	t.Logf("%+v", own[0])
	t.Log(after.Hook, after.HookReason, after.PerSecond, before.Total)
	if after.Total-before.Total < 1000 || len(own) != 1000 || lost != 0 {
		t.Errorf("total rose by %d, %d own events, %d lost", after.Total-before.Total, len(own), lost)
	}
}
