package confine

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// call is a system call that stays allowed.
type call struct {
	number uintptr
	// If mask is not 0, argument & mask has to be one of values, or none of them if isNot.
	argument int
	mask     uint32
	values   []uint32
	isNot    bool
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
)

// callsOfGo are what the Go runtime, and a process that handles files and descriptors it
// has, go on to need.
func callsOfGo() []call {
	calls := anyOf(
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64,
		unix.SYS_CLOSE, unix.SYS_LSEEK, unix.SYS_FCNTL, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2, unix.SYS_FLOCK,
		unix.SYS_STATX, unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_READLINKAT, unix.SYS_GETDENTS64, unix.SYS_FACCESSAT,
		unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS, unix.SYS_RSEQ, unix.SYS_RESTART_SYSCALL,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
		unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER,
		unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETRANDOM,
		unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
		unix.SYS_PRLIMIT64, unix.SYS_GETRUSAGE, unix.SYS_PRCTL, unix.SYS_CAPGET, unix.SYS_CAPSET, unix.SYS_GETCWD,
		unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF, unix.SYS_SECCOMP,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2,
		unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_WAITID, unix.SYS_WAIT4, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		unix.SYS_PIDFD_SEND_SIGNAL, // to a child: a descriptor of any other process takes pidfd_open
	)
	calls = append(calls, anyOf(callsOfArchitecture...)...)
	return append(calls,
		call{number: unix.SYS_CLONE, argument: cloneFlags, mask: unix.CLONE_THREAD, values: []uint32{unix.CLONE_THREAD}},
		call{number: unix.SYS_TGKILL, argument: 0, mask: exactly, values: []uint32{uint32(os.Getpid())}},
		call{number: unix.SYS_TKILL, argument: 1, mask: exactly, values: []uint32{0}, isNot: true},
		// Whether a process is there is asked by signal 0.
		call{number: unix.SYS_KILL, argument: 1, mask: exactly, values: []uint32{0}},
		call{number: unix.SYS_IOCTL, argument: 1, mask: exactly, values: []uint32{tiocsti, tioclinux}, isNot: true},
	)
}

// callsOfWatching are what watching and connecting take besides.
func callsOfWatching() []call {
	return append(anyOf(
		unix.SYS_BPF, unix.SYS_BIND, unix.SYS_GETSOCKNAME, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKOPT,
		unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_SHUTDOWN,
		unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_INOTIFY_RM_WATCH,
	), call{number: unix.SYS_SOCKET, argument: 0, mask: exactly, values: []uint32{unix.AF_NETLINK, unix.AF_PACKET}})
}

// callsOfExecuting are what it takes to execute a program, and to end it. They come first,
// because they are restricted otherwise.
func callsOfExecuting() []call {
	return anyOf(unix.SYS_CLONE, unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_EXECVE, unix.SYS_SETPGID, unix.SYS_PIDFD_OPEN)
}

// calls returns what the process may call from now on. If a call is listed several times,
// the first entry counts.
func (n *Needs) calls() []call {
	var calls []call
	// Nothing is made, and opened to be read only; but a terminal is opened to be written
	// to, and /dev/null for a program that is executed.
	openat := call{number: unix.SYS_OPENAT, argument: 2, mask: unix.O_CREAT | unix.O_TRUNC, values: []uint32{0}}
	if n.PassedOn {
		calls = callsOfExecuting()
	} else if n.Files == nil || len(n.Files.Terminals) == 0 {
		openat.mask |= unix.O_ACCMODE
	}
	calls = append(calls, openat)
	calls = append(calls, callsOfGo()...)
	calls = append(calls, callsOfWatching()...)
	if n.Files != nil && len(n.Files.Change) > 0 {
		calls = append(calls, anyOf(unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2)...)
	}
	return calls
}

// restrictCalls allows these system calls. All others fail with EPERM, but clone3 with
// ENOSYS: a filter cannot see its arguments, and C libraries then use clone. It holds for
// all threads, and for all programs that they execute. Without seccomp in the kernel, it
// restricts nothing.
func restrictCalls(calls []call) error {
	filter, err := bpf.Assemble(filterOf(calls))
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
		if c.mask != 0 {
			match, otherwise := allow, refuse
			if c.isNot {
				match, otherwise = refuse, allow
			}
			then = []bpf.Instruction{
				bpf.LoadAbsolute{Off: offsetArguments + 8*uint32(c.argument) + lowWord(), Size: 4},
				bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: c.mask},
			}
			for _, value := range c.values {
				then = append(then, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: value, SkipTrue: 1}, match)
			}
			then = append(then, otherwise)
		}
		filter = append(filter, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(c.number), SkipTrue: uint8(len(then))})
		filter = append(filter, then...)
	}
	return append(filter, refuse)
}

// lowWord is where the lower half of an argument is.
func lowWord() uint32 {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return 0
	}
	return 4
}
