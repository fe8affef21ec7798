package confine

import "golang.org/x/sys/unix"

// architecture is what the kernel calls it.
const architecture = unix.AUDIT_ARCH_PPC64LE

// cloneFlags is which argument of clone has the flags.
const cloneFlags = 0

// callsOfArchitecture are those of callsOfGo that not all architectures have.
var callsOfArchitecture = []uintptr{unix.SYS_FSTAT, unix.SYS_NEWFSTATAT, unix.SYS_POLL, unix.SYS_SELECT}

// oldCallsOfNobody are those of callsOfNobody that not all architectures have.
var oldCallsOfNobody = []uintptr{unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_MKNOD, unix.SYS_KEXEC_FILE_LOAD}
