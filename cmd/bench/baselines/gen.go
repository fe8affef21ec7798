// Package baselines holds the programs that ebpftop's are measured against. The C
// is in this folder; `make generate` compiles it.
package baselines

//go:generate -command compile go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel,bpfeb -go-package baselines
//go:generate compile XDP xdp.bpf.c -- -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v3
//go:generate compile Trace trace.bpf.c -- -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -mcpu=v3
