package confine

import "golang.org/x/sys/unix"

// architecture is what the kernel calls it.
const architecture = unix.AUDIT_ARCH_LOONGARCH64

// cloneFlags is which argument of clone has the flags.
const cloneFlags = 0

// callsOfArchitecture are those of callsOfGo that not all architectures have.
var callsOfArchitecture = []uintptr{}

// oldCallsOfNobody are those of callsOfNobody that not all architectures have.
var oldCallsOfNobody = []uintptr{unix.SYS_KEXEC_FILE_LOAD}
