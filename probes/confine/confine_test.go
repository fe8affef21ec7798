package confine

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
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

// attempt is something that a confined process may do or not. Root may do it all.
type attempt struct {
	name string
	may  string // initials of kinds
	// landlock are those whom Landlock alone forbids it, from a version on.
	landlock string
	version  int
	do       func(folder string) error
}

var attempts = []attempt{
	{"read what the kernel tells", "wuiknfsotd", "", 0, func(string) error {
		return errors.Join(read("/proc/self/status"), read("/proc/self/fdinfo/0"))
	}},
	{"read a file that everybody may read", "ifsotd", "wukn", 1, func(folder string) error { return read(folder + "/public") }},
	{"read a file that is root's alone", "ifsot", "k", 1, func(folder string) error { return read(folder + "/other") }},
	{"look into another process", "isot", "k", 1, func(string) error {
		_, err := os.Readlink("/proc/" + strconv.Itoa(os.Getppid()) + "/exe")
		return err
	}},
	{"make a directory where kept pairs are, and remove it", "ksot", "", 0, func(folder string) error {
		if err := os.MkdirAll(folder+"/change/new/in", 0o700); err != nil {
			return err
		}
		return os.RemoveAll(folder + "/change/new")
	}},
	{"make a directory elsewhere", "sot", "k", 1, func(folder string) error {
		if err := os.Mkdir(folder+"/new", 0o700); err != nil {
			return err
		}
		return os.Remove(folder + "/new")
	}},
	{"make a file where root alone may", "", "", 0, func(folder string) error { return os.WriteFile(folder+"/file", nil, 0o600) }},
	{"make a file where everybody may", "d", "", 0, func(string) error {
		file, err := os.CreateTemp("/tmp", "ebpftop-test-")
		if err != nil {
			return err
		}
		return errors.Join(file.Close(), os.Remove(file.Name()))
	}},
	{"make a file, that is not there yet, where screens are saved", "nd", "", 0, func(folder string) error {
		const made = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW
		return closed(unix.Open(fmt.Sprintf("%s/save/%d", folder, os.Getpid()), made, 0o600))
	}},
	{"write to a file there that is there already, and everybody's", "td", "", 0, func(folder string) error { return appendTo(folder + "/save/there") }},
	{"write to a file of root's", "t", "", 0, func(folder string) error { return appendTo(folder + "/other") }},
	{"write to a setting of the kernel", "t", "", 0, func(string) error {
		file, err := os.OpenFile("/proc/sys/kernel/core_pattern", os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return file.Close()
	}},
	{"make a file one that gives its owner's rights (chmod u+s)", "", "", 0, func(folder string) error {
		return os.Chmod(folder+"/other", 0o700|os.ModeSetuid)
	}},
	{"give a file away (chown)", "", "", 0, func(folder string) error { return os.Chown(folder+"/other", 1, 1) }},
	{"make a map", "wusotd", "", 0, makeMap},
	{"load a program", "wusotd", "", 0, loadProgram},
	{"open maps and programs of others by number", "isotd", "", 0, func(string) error {
		_, err := ebpf.NewProgramFromID(1)
		return missingIsFine(err)
	}},
	{"open a packet socket", "wuotd", "", 0, func(string) error { return closed(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)) }},
	{"talk TCP", "d", "", 0, func(string) error { return dial("tcp4", "127.0.0.1:1") }},
	{"talk UDP", "d", "", 0, func(string) error { return dial("udp4", "127.0.0.1:1") }},
	{"connect to the socket of a service that everybody may", "d", "", 0, func(folder string) error { return dial("unix", folder+"/socket") }},
	{"signal another process", "sd", "", 0, signalParent},
	{"set limits of another process", "", "", 0, func(string) error {
		var limit unix.Rlimit
		return errors.Join(unix.Prlimit(os.Getppid(), unix.RLIMIT_CORE, nil, &limit), unix.Prlimit(os.Getppid(), unix.RLIMIT_CORE, &limit, nil))
	}},
	{"trace another process (ptrace)", "", "", 0, func(string) error {
		const seize = 0x4206 // PTRACE_SEIZE in linux/ptrace.h, which does not stop it; it ends with the thread
		_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, seize, uintptr(os.Getppid()), 0, 0, 0, 0)
		return errorOf(errno)
	}},
	{"execute a program", "sd", "", 0, executeTrue},
	{"make a file in memory that can be executed", "", "", 0, func(string) error { return closed(unix.MemfdCreate("x", 0)) }},
	{"command what it has open (ioctl)", "wusotd", "", 0, func(string) error {
		_, err := unix.IoctlGetInt(1, unix.TIOCINQ) // of a pipe, how much is in it
		return err
	}},
	{"mount", "", "", 0, func(folder string) error {
		if err := unix.Mount("tmpfs", folder+"/read", "tmpfs", 0, ""); err != nil {
			return err
		}
		return unix.Unmount(folder+"/read", 0)
	}},
	{"make a network namespace", "t", "", 0, func(string) error { return unix.Unshare(unix.CLONE_NEWNET) }},
	{"become another user", "", "", 0, func(string) error {
		_, _, errno := unix.RawSyscall(unix.SYS_SETUID, 1, 0, 0) // of this thread alone
		return errorOf(errno)
	}},
}

// signalParent does so in each way that there is. It returns an error if none works.
func signalParent(string) error {
	parent := os.Getppid()
	errs := []error{unix.Kill(parent, unix.SIGCONT)}
	_, _, errno := unix.RawSyscall(unix.SYS_TKILL, uintptr(parent), uintptr(unix.SIGCONT), 0)
	errs = append(errs, errorOf(errno))
	directory, err := unix.Open("/proc/"+strconv.Itoa(parent), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.PidfdSendSignal(directory, unix.SIGCONT, nil, 0), unix.Close(directory))
	}
	errs = append(errs, err, haveSignalled(parent))
	if slices.Contains(errs, nil) {
		return nil
	}
	return errors.Join(errs...)
}

// haveSignalled has the kernel signal a process when something can be read.
func haveSignalled(process int) error {
	_, byFcntl := unix.FcntlInt(1, unix.F_SETOWN, process)
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err == nil {
		const setOwner = 0x8901 // FIOSETOWN in asm-generic/sockios.h
		err = errors.Join(unix.IoctlSetPointerInt(socket, setOwner, process), unix.Close(socket))
	}
	if byFcntl == nil || err == nil {
		return nil
	}
	return errors.Join(byFcntl, err)
}

func executeTrue(string) error {
	cmd := exec.Command("/bin/true")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr // else /dev/null is opened to write to
	return cmd.Run()
}

// appendTo writes to a file that is there.
func appendTo(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString("x")
	return errors.Join(err, file.Close())
}

func errorOf(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// dial connects, or is told that nobody is there, which takes the same rights.
func dial(network, address string) error {
	conn, err := net.Dial(network, address)
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil
	}
	if err != nil {
		return err
	}
	return conn.Close()
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

func loadProgram(string) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{asm.LoadImm(asm.R0, 0, asm.DWord), asm.Return()},
	})
	if err != nil {
		return err
	}
	return p.Close()
}

// makeAttempts prints why each attempt failed. It makes them on a thread that was there before the process was confined as a
// kind is; empty is unconfined.
func makeAttempts(folder, initial string) {
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
	for _, k := range kinds {
		if string(k.initial) == initial {
			if err := Process(k.needs(folder)); err != nil {
				panic(err)
			}
		}
	}
	close(confine)
	if err := json.NewEncoder(os.Stdout).Encode(<-failures); err != nil {
		panic(err)
	}
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
