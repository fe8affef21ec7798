package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// The tests run what they look at as processes of their own: this test binary,
// told by its environment what to do. What is taken from a process is not given
// back.
const (
	attemptsVariable = "EBPFTOP_TEST_ATTEMPTS" // in this folder
	confinedVariable = "EBPFTOP_TEST_CONFINED" // and confined
	executeVariable  = "EBPFTOP_TEST_EXECUTE"  // confined, but for files
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(attemptsVariable); folder != "" {
		makeAttempts(folder, os.Getenv(confinedVariable) != "")
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
	if err := Process(Needs{Capabilities: Watching}); err != nil {
		panic(err)
	}
	cmd := exec.Command("cat", "/proc/self/status")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		panic(err)
	}
}

// TestExecuteGainsNothing: root would get all that the bounding set holds, but
// for no_new_privs.
func TestExecuteGainsNothing(t *testing.T) {
	labtest.RequireRoot(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), executeVariable+"=1")
	cmd.Stderr = os.Stderr
	status, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	mask := uint64(0)
	for _, value := range Watching {
		mask |= 1 << value
	}
	for _, set := range []string{"CapPrm", "CapEff"} {
		if want := fmt.Sprintf("%s:\t%016x\n", set, mask); !strings.Contains(string(status), want) {
			t.Errorf("want %q in\n%s", want, status)
		}
	}
}

// attempt is something that a confined process may do or not.
type attempt struct {
	name    string
	allowed bool
	// landlock is the version that it takes to forbid it, 0 if capabilities do.
	landlock int
	do       func(folder string) error
}

var attempts = []attempt{
	{"read what the kernel tells", true, 0, func(string) error { return read("/proc/self/status") }},
	{"read a file that is needed", true, 0, func(folder string) error { return read(folder + "/read/file") }},
	{"make a directory where it may", true, 0, func(folder string) error { return os.MkdirAll(folder+"/change/new/in", 0o700) }},
	{"remove it", true, 0, func(folder string) error { return os.RemoveAll(folder + "/change/new") }},
	{"make a map", true, 0, makeMap},
	{"open a packet socket", true, 0, func(string) error {
		return closed(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0))
	}},

	{"read another file", false, 1, func(folder string) error { return read(folder + "/other") }},
	{"write to a file that is needed", false, 1, func(folder string) error {
		return os.WriteFile(folder+"/read/file", nil, 0o600)
	}},
	{"write to what the kernel tells", false, 1, func(string) error {
		return os.WriteFile("/proc/self/comm", []byte("other"), 0)
	}},
	{"make a file elsewhere", false, 1, func(folder string) error {
		return os.WriteFile(folder+"/file", nil, 0o600)
	}},
	{"execute a program", false, 1, func(string) error { return exec.Command("/bin/true").Run() }},
	{"look into another process", false, 1, func(string) error {
		_, err := os.Readlink("/proc/" + strconv.Itoa(os.Getppid()) + "/exe")
		return err
	}},
	{"talk TCP", false, 4, func(string) error {
		conn, err := net.Dial("tcp4", "127.0.0.1:1")
		if errors.Is(err, unix.ECONNREFUSED) {
			return nil // nobody is there, but that was said over TCP
		}
		if err != nil {
			return err
		}
		return conn.Close()
	}},
	{"signal another process", false, 6, func(string) error { return unix.Kill(os.Getppid(), 0) }},

	{"own another's file", false, 0, func(folder string) error { return os.Chown(folder+"/read/file", 1, 1) }},
	{"open programs by number", false, 0, func(string) error {
		_, err := ebpf.NewProgramFromID(1)
		return missingIsFine(err)
	}},
	{"mount", false, 0, func(folder string) error {
		if err := unix.Mount("tmpfs", folder+"/read", "tmpfs", 0, ""); err != nil {
			return err
		}
		return unix.Unmount(folder+"/read", 0)
	}},
	{"make a network namespace", false, 0, func(string) error { return unix.Unshare(unix.CLONE_NEWNET) }},
	{"become another user", false, 0, func(string) error {
		_, _, errno := unix.RawSyscall(unix.SYS_SETUID, 1, 0, 0) // of this thread alone
		if errno != 0 {
			return errno
		}
		return nil
	}},
}

func read(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func closed(fd int, err error) error {
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func missingIsFine(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func makeMap(string) error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return err
	}
	return m.Close()
}

// makeAttempts prints why each attempt failed, on a thread that was there
// before the process was confined.
func makeAttempts(folder string, confined bool) {
	confine, failures := make(chan struct{}), make(chan []string)
	go func() {
		runtime.LockOSThread() // to the end: it may have become another user's
		<-confine
		var list []string
		for _, a := range attempts {
			failure := ""
			if err := a.do(folder); err != nil {
				failure = err.Error()
			}
			list = append(list, failure)
		}
		failures <- list
	}()
	if confined {
		err := Process(Needs{
			Capabilities: Watching,
			Files:        &Files{Read: []string{folder + "/read"}, Change: []string{folder + "/change"}},
		})
		if err != nil {
			panic(err)
		}
	}
	close(confine)
	if err := json.NewEncoder(os.Stdout).Encode(<-failures); err != nil {
		panic(err)
	}
}

func tryAll(t *testing.T, confined string) (failures []string) {
	t.Helper()
	n := labtest.Namespace(t)
	folder := t.TempDir()
	for _, dir := range []string{"/read", "/change"} {
		if err := os.Mkdir(folder+dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"/read/file", "/other"} {
		if err := os.WriteFile(folder+file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), attemptsVariable+"="+folder, confinedVariable+"="+confined)
	cmd.Stderr = os.Stderr
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

// TestUnconfined shows that all attempts succeed, but for the confinement.
func TestUnconfined(t *testing.T) {
	for i, failure := range tryAll(t, "") {
		if failure != "" {
			t.Errorf("%s: %s", attempts[i].name, failure)
		}
	}
}

func TestConfined(t *testing.T) {
	version, _, err := Landlock()
	if err != nil {
		t.Fatal(err)
	}
	for i, failure := range tryAll(t, "1") {
		a := attempts[i]
		switch {
		case a.landlock > version:
			t.Logf("%s: needs Landlock %d, the kernel has %d", a.name, a.landlock, version)
		case a.allowed && failure != "":
			t.Errorf("%s: %s", a.name, failure)
		case !a.allowed && failure == "":
			t.Errorf("%s: is possible", a.name)
		}
	}
}
