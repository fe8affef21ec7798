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
	"slices"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

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
	{"read what the kernel tells", "wuhiknfsotd", "", 0, func(string) error {
		return errors.Join(read("/proc/self/status"), read("/proc/self/fdinfo/0"))
	}},
	{"read a file that everybody may read", "ifsotd", "wuhkn", 1, func(folder string) error { return read(folder + "/public") }},
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
	{"make a map", "wuhsotd", "", 0, makeMap},
	{"load a program", "wuhsotd", "", 0, loadProgram},
	{"open maps and programs of others by number", "isotd", "", 0, func(string) error {
		_, err := ebpf.NewProgramFromID(1)
		return missingIsFine(err)
	}},
	{"open a packet socket", "wuotd", "", 0, func(string) error { return closed(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)) }},
	{"talk TCP", "d", "", 0, func(string) error { return dial("tcp4", "127.0.0.1:1") }},
	{"talk UDP", "d", "", 0, func(string) error { return dial("udp4", "127.0.0.1:1") }},
	{"connect to the socket of a service that everybody may", "d", "", 0, func(folder string) error { return dial("unix", folder+"/socket") }},
	{"serve who connects to a socket that is open", "hd", "", 0, func(string) error {
		conn, err := open.Accept()
		if err != nil {
			return err
		}
		return conn.Close()
	}},
	{"listen at another socket", "d", "", 0, func(string) error {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		return listener.Close()
	}},
	{"talk TCP by the socket that it listened at", "d", "", 0, func(string) error { return turnListener() }},
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
	{"command what it has open (ioctl)", "wuhsotd", "", 0, func(string) error {
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

// open is a socket that was listened at before the process was confined, and to which
// somebody has connected; openTCP one of TCP.
var (
	open    net.Listener
	openTCP int
)

// listen opens them.
func listen() (err error) {
	name := "@ebpftop-test-" + strconv.Itoa(os.Getpid())
	if open, err = net.Listen("unix", name); err != nil {
		return err
	}
	if _, err = net.Dial("unix", name); err != nil { // it stays until the process ends
		return err
	}
	if openTCP, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	return unix.Listen(openTCP, 1)
}

// turnListener makes the TCP socket one that connects, without connect(2): after shutdown(2), by
// TCP Fast Open, in each way that there is. It returns an error if none works.
func turnListener() error {
	_ = unix.Shutdown(openTCP, unix.SHUT_RDWR) // it may be refused, too
	to := &unix.SockaddrInet4{Port: 1, Addr: [4]byte{127, 0, 0, 1}}
	_, byMessage := unix.SendmsgN(openTCP, []byte("x"), nil, to, unix.MSG_FASTOPEN)
	byData := unix.Sendto(openTCP, []byte("x"), unix.MSG_FASTOPEN, to)
	for _, err := range []error{byMessage, byData} {
		if err == nil || errors.Is(err, unix.ECONNREFUSED) { // it was tried, which takes the same rights
			return nil
		}
	}
	return errors.Join(byMessage, byData)
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
	if err := listen(); err != nil {
		panic(err)
	}
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
