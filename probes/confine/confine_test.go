package confine

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// The tests run what they look at as processes of their own: this test binary,
// told by its environment what to do. What is taken from a process is not given
// back.
const (
	attemptsVariable = "EBPFTOP_TEST_ATTEMPTS" // in this folder
	confinedVariable = "EBPFTOP_TEST_CONFINED" // as this kind
	executeVariable  = "EBPFTOP_TEST_EXECUTE"  // confined, but for files
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(attemptsVariable); folder != "" {
		makeAttempts(folder, os.Getenv(confinedVariable))
		return
	}
	if os.Getenv(executeVariable) != "" {
		executeConfined()
		return
	}
	os.Exit(m.Run())
}

// executeConfined has another program say what a process may do that a confined
// one executes.
func executeConfined() {
	if err := Process(Needs{Capabilities: Watching, ExecutesOthers: true}); err != nil {
		panic(err)
	}
	cmd := exec.Command("cat", "/proc/self/status")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		panic(err)
	}
}

// TestExecuteGainsNothing: a program gets none of the capabilities, which root's would.
func TestExecuteGainsNothing(t *testing.T) {
	labtest.RequireRoot(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), executeVariable+"=1")
	cmd.Stderr = os.Stderr
	status, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if want := fmt.Sprintf("%s:\t%016x\n", set, 0); !strings.Contains(string(status), want) {
			t.Errorf("want %q in\n%s", want, status)
		}
	}
}

// kind is a kind of process of ebpftop, with what it keeps.
type kind struct {
	initial byte // in attempt
	title   string
	user    uint32 // who starts it
	needs   func(folder string) Needs
}

// anybody starts a program that was given capabilities.
const anybody = 1234

var once = Needs{Capabilities: slices.Concat(Watching, Inspecting, []libcap.Value{libcap.SYS_RESOURCE}), StayRoot: true, Asks: true, Pins: true}

var kinds = []kind{
	{'w', "dashboard, `stats`, `xconnect run`", 0, watching},
	{'u', "the same by `setcap` or in the unit", anybody, watching},
	{'h', "`serve`", 0, func(folder string) Needs {
		needs := watching(folder)
		needs.Capabilities, needs.Serves = Serving, true
		return needs
	}},
	{'i', "inspector", 0, func(string) Needs { return Needs{Capabilities: Inspecting, StayRoot: true, Looks: true} }},
	{'k', "keeper", 0, func(folder string) Needs {
		return Needs{Capabilities: Keeping, StayRoot: true, Pins: true, Files: &Files{Change: []string{folder + "/change"}}}
	}},
	{'f', "follower", 0, func(string) Needs { return Needs{Capabilities: Following, StayRoot: true, Follows: true} }},
	{'n', "saver", anybody, func(folder string) Needs {
		return Needs{StayRoot: true, Files: &Files{Make: []string{folder + "/save"}}}
	}},
	{'s', "supervisor", 0, func(string) Needs { return Needs{Capabilities: Supervising, StayRoot: true, PassedOn: true} }},
	{'o', "`xconnect add` and the like", 0, func(string) Needs { return once }},
	{'t', "`doctor`", 0, func(string) Needs {
		needs := once
		needs.Tries = true
		return needs
	}},
	{'d', "`demo`", 0, func(string) Needs {
		return Needs{Capabilities: append(slices.Clone(Watching), libcap.SYS_ADMIN), ExecutesOthers: true}
	}},
}

func watching(string) Needs {
	return Needs{Capabilities: Watching, Asks: true, Files: &Files{}}
}

// publicCopy copies this program to where everybody may execute it.
func publicCopy(t *testing.T) string {
	t.Helper()
	copied := publicFolder(t) + "/program"
	program, err := os.ReadFile("/proc/self/exe")
	if err := errors.Join(err, os.WriteFile(copied, program, 0o755)); err != nil {
		t.Fatal(err)
	}
	return copied
}

// publicFolder makes one that everybody may look into, and nobody else change.
func publicFolder(t *testing.T) string {
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
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

func tryAll(t *testing.T, initial string, user uint32) (failures []string) {
	t.Helper()
	n := labtest.Namespace(t)
	folder := publicFolder(t)
	for _, dir := range []string{"/read", "/change"} {
		if err := os.Mkdir(folder+dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(folder+"/save", 0o700), os.Chmod(folder+"/save", 0o777)); err != nil {
		t.Fatal(err)
	}
	for file, mode := range map[string]os.FileMode{"/save/there": 0o600, "/other": 0o600, "/public": 0o644} {
		if err := os.WriteFile(folder+file, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(folder+"/save/there", 0o666); err != nil {
		t.Fatal(err)
	}
	service, err := net.Listen("unix", folder+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	if err := os.Chmod(folder+"/socket", 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), attemptsVariable+"="+folder, confinedVariable+"="+initial)
	cmd.Stderr = os.Stderr
	if user != 0 {
		cmd.Path = publicCopy(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		for _, value := range Watching {
			cmd.SysProcAttr.AmbientCaps = append(cmd.SysProcAttr.AmbientCaps, uintptr(value))
		}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(out).Decode(&failures); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return failures
}

// TestUnconfined: root may do all of it, or the attempts show nothing.
func TestUnconfined(t *testing.T) {
	for i, failure := range tryAll(t, "", 0) {
		if failure != "" {
			t.Errorf("%s: %s", attempts[i].name, failure)
		}
	}
}

// TestConfined makes each attempt as each kind of process.
func TestConfined(t *testing.T) {
	version, _, err := Landlock()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		for i, failure := range tryAll(t, string(k.initial), k.user) {
			a := attempts[i]
			may := strings.IndexByte(a.may, k.initial) >= 0
			byLandlock := strings.IndexByte(a.landlock, k.initial) >= 0
			switch {
			case byLandlock && a.version > version:
				t.Logf("%s: needs Landlock %d, the kernel has %d", a.name, a.version, version)
			case may && failure != "":
				t.Errorf("%s: %s: %s", k.title, a.name, failure)
			case !may && failure == "":
				t.Errorf("%s: %s: is possible", k.title, a.name)
			}
		}
	}
}

var write = flag.Bool("write", false, "write the table of docs/security.md")

// TestSecurityTable: docs/security.md says what TestConfined tries.
func TestSecurityTable(t *testing.T) {
	const path = "../../docs/security.md"
	const begin, end = "<!-- what each process may do: made by TestSecurityTable -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Skip("the sources are not here")
	}
	before, rest, isThere := strings.Cut(string(text), begin)
	_, after, hasEnd := strings.Cut(rest, end)
	if !isThere || !hasEnd {
		t.Fatalf("%s has no place for the table", path)
	}
	want := before + begin + securityTable() + end + after
	if *write {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s is not what is tried: go test ./probes/confine -run TestSecurityTable -write", path)
	}
}

func securityTable() string {
	head, line := "| may it", "|---"
	for _, k := range kinds {
		head += " | " + k.title
		line += "|---"
	}
	table := head + " |\n" + line + "|\n"
	for _, a := range attempts {
		row := "| " + a.name
		for _, k := range kinds {
			switch {
			case strings.IndexByte(a.may, k.initial) >= 0:
				row += " | yes"
			case strings.IndexByte(a.landlock, k.initial) >= 0:
				row += " | no, by Landlock"
			default:
				row += " | no"
			}
		}
		table += row + " |\n"
	}
	return table
}
