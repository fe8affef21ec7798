package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

func TestDiagnoseAsRoot(t *testing.T) {
	labtest.RequireRoot(t)
	for name, f := range checkedFindings(t, Diagnose()) {
		if f.Fatal() {
			t.Errorf("%s: %s", name, f.Detail)
		}
		if f.Status == StatusUnknown && name != "JIT compiler" {
			t.Errorf("%s: root may look at everything", name)
		}
	}
}

const nobodyVariable = "EBPFTOP_TEST_NOBODY"

func TestDiagnoseAsNobody(t *testing.T) {
	found := diagnoseAsNobody(t)
	for _, name := range []string{"capabilities", "bpf() system call"} {
		if !found[name].Fatal() {
			t.Errorf("%s: %+v", name, found[name])
		}
	}
	for _, name := range []string{"packet program", "tcx link", "exec btf raw tracepoint"} {
		if found[name].Status != StatusUnknown {
			t.Errorf("%s: %+v", name, found[name])
		}
	}
}

// TestDiagnoseCapabilitiesAlone as somebody who may watch, and no more.
func TestDiagnoseCapabilitiesAlone(t *testing.T) {
	found := diagnoseAsNobody(t, unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN)
	for name, want := range map[string]struct {
		status Status
		detail string
	}{
		"capabilities":        {StatusOK, "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN"},
		"packet program":      {StatusOK, "accepted by the verifier"},
		"packet sockets":      {StatusMissing, "without CAP_NET_RAW"},
		"programs of others":  {StatusMissing, "without CAP_SYS_ADMIN"},
		"processes of others": {StatusMissing, "without CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH"},
		"kept while running":  {StatusOK, "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, and no_new_privs"},
	} {
		if f := found[name]; f.Status != want.status || f.Detail != want.detail || f.Fatal() {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// diagnoseAsNobody is for a test that does nothing before. It runs the test
// anew, as nobody with capabilities.
func diagnoseAsNobody(t *testing.T, capabilities ...uintptr) map[string]Finding {
	t.Helper()
	if os.Getenv(nobodyVariable) != "" {
		if err := json.NewEncoder(os.Stdout).Encode(Diagnose()); err != nil {
			t.Fatal(err)
		}
		os.Exit(0) // leave the test's own output out of it
	}
	labtest.RequireRoot(t)
	path := labtest.Program(t, os.Args[0])
	labtest.LetEveryoneRun(t, path)
	cmd := exec.Command(path, "-test.run=^"+t.Name()+"$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), nobodyVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: capabilities,
	}
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var findings []Finding
	if err := json.Unmarshal(output, &findings); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return checkedFindings(t, findings)
}

// checkedFindings are the findings by name, each in itself complete.
func checkedFindings(t *testing.T, findings []Finding) map[string]Finding {
	t.Helper()
	byName := make(map[string]Finding)
	for _, f := range findings {
		if _, twice := byName[f.Name]; twice {
			t.Errorf("%s: found twice", f.Name)
		}
		byName[f.Name] = f
		well, known := f.Status == StatusOK, f.Status != StatusUnknown
		if f.Detail == "" || strings.Contains(f.Detail, "\n") {
			t.Errorf("%s: detail %q", f.Name, f.Detail)
		}
		if (f.Remedy == "") != well || (f.Cost == "") != (well || !known) {
			t.Errorf("%s is %s: cost %q, remedy %q", f.Name, f.Status, f.Cost, f.Remedy)
		}
	}
	return byName
}

// TestDiagnoseWithoutBPFFS says what that is for.
func TestDiagnoseWithoutBPFFS(t *testing.T) {
	labtest.RequireRoot(t)
	if !labtest.InOwnMounts() {
		labtest.RerunInOwnMounts(t)
		return
	}
	const bpffs = "/sys/fs/bpf"
	for unix.Unmount(bpffs, unix.MNT_DETACH) == nil { // one above the other
	}
	t.Cleanup(func() {
		if err := unix.Mount("bpf", bpffs, "bpf", 0, "mode=0700"); err != nil {
			t.Error(err)
		}
	})
	if f := checkedFindings(t, Diagnose())["bpffs"]; f.Status != StatusMissing || f.Fatal() || !strings.Contains(f.Cost, "No pair can be kept") {
		t.Errorf("%+v", f)
	}
}

func TestFeatureStatus(t *testing.T) {
	for _, test := range []struct {
		err    error
		detail string
		want   Status
		text   string
	}{
		{nil, "there", StatusOK, "there"},
		{fmt.Errorf("probe: %w", ebpf.ErrNotSupported), "thing", StatusMissing, "thing: not in this kernel"},
		{fmt.Errorf("probe: %w", unix.EPERM), "", StatusUnknown, "not permitted to look"},
		{errors.Join(errors.New("one"), errors.New("two")), "", StatusMissing, "one; two"},
		{degraded("switched off"), "", StatusDegraded, "switched off"},
		// The verifier's answer is not a lack of privilege.
		{fmt.Errorf("load: %w", unix.EACCES), "", StatusMissing, "load: permission denied"},
	} {
		look := func() (string, error) { return test.detail, test.err }
		f := feature{name: "feature", look: look, required: true, cost: "cost", remedy: "remedy"}.diagnose()
		if f.Status != test.want || f.Detail != test.text || f.Fatal() != (test.want == StatusMissing) {
			t.Errorf("%v: %+v", test.err, f)
		}
	}
}
