package procfs

import (
	"os/exec"
	"strconv"
	"testing"
)

func TestProcessEnds(t *testing.T) {
	cmd := exec.Command("cat")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	start, err := startOf("/proc/" + strconv.Itoa(cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	child := Process{PID: uint32(cmd.Process.Pid), Namespace: self.Namespace, Start: start}
	later, elsewhere := child, child
	later.Start++
	elsewhere.Namespace++
	if self.HasEnded() || child.HasEnded() {
		t.Error("a process that lives has ended")
	}
	if !later.HasEnded() {
		t.Error("a process whose pid another one has by now has not ended")
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !child.HasEnded() {
		t.Error("a process that is gone has not ended")
	}
	if elsewhere.HasEnded() {
		t.Error("a process of another PID namespace is known to have ended")
	}
}

func TestParseProcess(t *testing.T) {
	p := Process{PID: 7, Namespace: 4026531836, Start: 123456}
	if got, ok := ParseProcess(p.String()); got != p || !ok {
		t.Errorf("%v is read as %v, %v", p, got, ok)
	}
	for _, text := range []string{"", "7", "7:8", "7:8:9 ", "7:8:9:10", "-7:8:9", "kept", "07:8:9"} {
		if got, ok := ParseProcess(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
