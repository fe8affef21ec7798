package confine

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// call is a system call that stays allowed, if its arguments are as all conditions say. Of
// several of one call, any is enough.
type call struct {
	number     uintptr
	conditions []condition
}

// condition says what an argument has to be: argument & mask one of values, or none of
// them if isNot.
type condition struct {
	argument int
	mask     uint32
	values   []uint32
	isNot    bool
}

// callIf allows a call if its arguments are as the conditions say.
func callIf(number uintptr, conditions ...condition) call { return call{number, conditions} }

// argumentIs is the condition that an argument is one of values.
func argumentIs(argument int, values ...uint32) condition {
	return condition{argument: argument, mask: exactly, values: values}
}

// argumentIsNot is the condition that an argument is none of values.
func argumentIsNot(argument int, values ...uint32) condition {
	return condition{argument: argument, mask: exactly, values: values, isNot: true}
}

// anyOf allows calls whatever their arguments are.
func anyOf(numbers ...uintptr) []call {
	calls := make([]call, 0, len(numbers))
	for _, number := range numbers {
		calls = append(calls, call{number: number})
	}
	return calls
}

const (
	// exactly is the mask of an argument that has to be a value.
	exactly = 1<<32 - 1
	// tiocsti and tioclinux put input into a terminal as if somebody typed it.
	tiocsti, tioclinux = 0x5412, 0x541c
	// fioSetOwn and siocSetGroup are F_SETOWN for sockets: asm-generic/sockios.h.
	fioSetOwn, siocSetGroup = 0x8901, 0x8902
)

// signalling are what has the kernel signal another process, whichever it is, when there is
// something to read: no less than kill(2) for a process that is root's.
var signalling = []uint32{unix.F_SETOWN, unix.F_SETOWN_EX, unix.F_SETSIG}

// callsOfGo are what the Go runtime, and a process that handles files and descriptors it
// has, go on to need.
func callsOfGo() []call {
	calls := anyOf(
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64,
		unix.SYS_CLOSE, unix.SYS_LSEEK, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2, unix.SYS_FLOCK,
		unix.SYS_STATX, unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_READLINKAT, unix.SYS_GETDENTS64, unix.SYS_FACCESSAT,
		unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS, unix.SYS_RSEQ, unix.SYS_RESTART_SYSCALL,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
		unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER,
		unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETRANDOM,
		unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
		unix.SYS_GETRUSAGE, unix.SYS_PRCTL, unix.SYS_CAPGET, unix.SYS_CAPSET, unix.SYS_GETCWD,
		unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF, unix.SYS_SECCOMP,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2,
		unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_WAITID, unix.SYS_WAIT4, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	)
	calls = append(calls, anyOf(callsOfArchitecture...)...)
	return append(calls,
		callIf(unix.SYS_CLONE, condition{argument: cloneFlags, mask: unix.CLONE_THREAD, values: []uint32{unix.CLONE_THREAD}}),
		// Not tkill, which tells no process, nor pidfd_send_signal, for which a directory of
		// /proc will do: who is root's would end any process of root by them.
		callIf(unix.SYS_TGKILL, argumentIs(0, uint32(os.Getpid()))),
		// Its own limits: that of another's CPU time ends the other.
		callIf(unix.SYS_PRLIMIT64, argumentIs(0, 0)),
		callIf(unix.SYS_FCNTL, argumentIsNot(1, signalling...)),
		// Whether a process is there is asked by signal 0.
		callIf(unix.SYS_KILL, argumentIs(1, 0)),
	)
}

// callsOfDevices are for terminals, and what the kernel is asked of interfaces by ioctl. Who
// has CAP_SYS_ADMIN can have file systems frozen by it, and disks rearranged.
func callsOfDevices() []call {
	return []call{callIf(unix.SYS_IOCTL, argumentIsNot(1, tiocsti, tioclinux, fioSetOwn, siocSetGroup))}
}

// callsOfTerminal are what a screen takes: it asks for its process group, to see whether
// that has the terminal.
func callsOfTerminal() []call { return anyOf(unix.SYS_GETPGID) }

// callsOfAsking are what asking the kernel takes besides.
func callsOfAsking() []call {
	return append(anyOf(
		unix.SYS_BPF, unix.SYS_BIND, unix.SYS_GETSOCKNAME, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKOPT, unix.SYS_RECVFROM,
	), callIf(unix.SYS_SENDTO, connectsNothing(3)), callIf(unix.SYS_SOCKET, argumentIs(0, unix.AF_NETLINK, unix.AF_PACKET)))
}

// bpfOfLooking are the commands of bpf(2) that open programs and maps of others, and read
// them. With more, CAP_SYS_ADMIN would write to the memory of any process, by a program.
var bpfOfLooking = []uint32{
	unix.BPF_PROG_GET_FD_BY_ID, unix.BPF_MAP_GET_FD_BY_ID, unix.BPF_OBJ_GET_INFO_BY_FD, unix.BPF_MAP_LOOKUP_ELEM,
}

// callsOfLooking are callsOfAsking without what changes anything.
func callsOfLooking() []call {
	return append(anyOf(
		unix.SYS_BIND, unix.SYS_GETSOCKNAME, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKOPT, unix.SYS_RECVFROM,
	), callIf(unix.SYS_SENDTO, connectsNothing(3)), callIf(unix.SYS_SOCKET, argumentIs(0, unix.AF_NETLINK)), callIf(unix.SYS_BPF, argumentIs(0, bpfOfLooking...)))
}

// callsOfMessages are for sockets that are there: with descriptors, for pins.
func callsOfMessages() []call {
	return append(anyOf(unix.SYS_RECVMSG, unix.SYS_SHUTDOWN), callIf(unix.SYS_SENDMSG, connectsNothing(2)))
}

// connectsNothing is the condition that what is sent goes where the socket is connected to.
// By TCP Fast Open, a socket that was listened at, and shut down since, connects to anybody.
func connectsNothing(flags int) condition {
	return condition{argument: flags, mask: unix.MSG_FASTOPEN, values: []uint32{0}}
}

// bpfOfPinning are the commands of bpf(2) for pins, and to find out whether what is pinned is
// of a network namespace that is gone.
var bpfOfPinning = []uint32{unix.BPF_OBJ_PIN, unix.BPF_OBJ_GET, unix.BPF_OBJ_GET_INFO_BY_FD, unix.BPF_MAP_LOOKUP_ELEM}

// callsOfPinning are for pins.
func callsOfPinning() []call {
	return append(anyOf(unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2),
		callIf(unix.SYS_BPF, argumentIs(0, bpfOfPinning...)))
}

// callsOfFollowing are for files that change.
func callsOfFollowing() []call {
	return anyOf(unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_INOTIFY_RM_WATCH)
}

// callsOfServing are for connections to sockets that are listened at. No socket is made for
// that, or begins to listen.
func callsOfServing() []call { return anyOf(unix.SYS_ACCEPT4) }

// callsOfTrying are for what doctor tries.
func callsOfTrying() []call {
	return anyOf(unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_PERF_EVENT_OPEN)
}

// callsOfExecuting are what it takes to execute a program, and to end it.
func callsOfExecuting() []call {
	return anyOf(unix.SYS_CLONE, unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_EXECVE, unix.SYS_SETPGID,
		unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL)
}

// calls returns what the process may call from now on.
func (n *Needs) calls() []call {
	calls := append(callsOfGo(), callsOfMessages()...)
	// Nothing is made, and opened to be read only; but a terminal is opened to be written
	// to, and by doctor a setting of a network namespace that it made.
	opened := condition{argument: 2, mask: unix.O_CREAT | unix.O_TRUNC, values: []uint32{0}}
	terminal := n.Files != nil && len(n.Files.Terminals) > 0
	if !n.Tries && !terminal {
		opened.mask |= unix.O_ACCMODE
	}
	calls = append(calls, callIf(unix.SYS_OPENAT, opened))
	if n.Files != nil && len(n.Files.Make) > 0 {
		// A file that is not there yet, and not through a link.
		const made = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW
		calls = append(calls, callIf(unix.SYS_OPENAT, condition{argument: 2, mask: made | unix.O_ACCMODE | unix.O_TRUNC, values: []uint32{made}}))
	}
	if n.PassedOn {
		calls = append(calls, callsOfExecuting()...)
	}
	if terminal && !n.PassedOn {
		calls = append(calls, callsOfTerminal()...)
	}
	if n.Tries {
		calls = append(calls, callsOfTrying()...)
	}
	if n.Asks || n.PassedOn {
		calls = append(calls, callsOfAsking()...)
	}
	if n.Looks && !n.PassedOn {
		calls = append(calls, callsOfLooking()...)
	}
	if n.Asks || n.PassedOn || terminal {
		calls = append(calls, callsOfDevices()...)
	}
	if n.Pins || n.PassedOn {
		calls = append(calls, callsOfPinning()...)
	}
	if n.Follows || n.PassedOn {
		calls = append(calls, callsOfFollowing()...)
	}
	if n.Serves {
		calls = append(calls, callsOfServing()...)
	}
	return calls
}

// callsOfNobody are for who takes over the host: the memory of other processes, the kernel
// itself, mounts, modes and owners of files, keys, clocks. No program that shows a lab of
// network namespaces at work needs one.
func callsOfNobody() []uintptr {
	return append([]uintptr{
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSCONFIG,
		unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT,
		unix.SYS_MKNODAT, unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
		unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SETTIMEOFDAY,
		unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
		unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_MEMFD_CREATE, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
	}, oldCallsOfNobody...)
}

// filterWithout allows all but these system calls.
func filterWithout(numbers []uintptr) []bpf.Instruction {
	refuse := bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	filter := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArchitecture, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		refuse,
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		// Those of x32 are the same ones by other numbers: __X32_SYSCALL_BIT in asm/unistd.h.
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 1 << 30, SkipTrue: 1},
		refuse,
	}
	for _, number := range numbers {
		filter = append(filter, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(number), SkipTrue: 1}, refuse)
	}
	return append(filter, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
}

// filterCalls filters the system calls of all threads, and of all programs that they
// execute. Without seccomp in the kernel, it filters nothing.
func filterCalls(instructions []bpf.Instruction) error {
	before := IsFilteredByOthers()
	filteredBefore = &before
	filter, err := bpf.Assemble(instructions)
	if err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(filter)))}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL: // no seccomp, no filters
		return nil
	case errno != 0:
		return fmt.Errorf("filter system calls: %w", errno)
	case thread != 0: // then no thread has the filter: seccomp(2)
		return fmt.Errorf("filter system calls: thread %d has another filter", thread)
	}
	return nil
}

// Offsets in struct seccomp_data of linux/seccomp.h.
const (
	offsetNumber       = 0
	offsetArchitecture = 4
	offsetArguments    = 16
)

// filterOf allows these system calls and no others, which fail: EPERM, and clone3, whose
// arguments cannot be seen, ENOSYS, for which C libraries have clone.
func filterOf(calls []call) []bpf.Instruction {
	allow := bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	refuse := bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	filter := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArchitecture, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		refuse,
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE3, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
	}
	for _, c := range calls {
		then := []bpf.Instruction{allow}
		for _, condition := range slices.Backward(c.conditions) {
			then = append(condition.check(len(then)), then...)
		}
		if len(c.conditions) > 0 {
			then = append(then, bpf.LoadAbsolute{Off: offsetNumber, Size: 4}) // for the next call
		}
		filter = append(filter, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(c.number), SkipTrue: uint8(len(then))})
		filter = append(filter, then...)
	}
	return append(filter, refuse)
}

// check goes on with the instructions after it if the condition holds, else it skips this
// many of them.
func (c *condition) check(skip int) []bpf.Instruction {
	check := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArguments + 8*uint32(c.argument) + lowWord(), Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: c.mask},
	}
	for i, value := range c.values {
		left := len(c.values) - 1 - i // comparisons after this one
		jump := bpf.JumpIf{Cond: bpf.JumpEqual, Val: value}
		switch {
		case c.isNot:
			jump.SkipTrue = uint8(left + skip)
		case left > 0:
			jump.SkipTrue = uint8(left)
		default:
			jump.SkipFalse = uint8(skip)
		}
		check = append(check, jump)
	}
	return check
}

// lowWord is where the lower half of an argument is.
func lowWord() uint32 {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return 0
	}
	return 4
}
