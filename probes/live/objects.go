package live

import "github.com/ebpftop/ebpftop/bpf"

// KernelObjects returns the SHA-256 of the compiled kernel programs that are linked in.
func KernelObjects() string { return bpf.Digest() }
