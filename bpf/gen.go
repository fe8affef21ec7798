// Package bpf holds the programs that run in the kernel, as Go values that
// load them. The C is in this folder and in ../headers; `make generate`
// compiles it, so that building ebpftop needs Go alone.
package bpf

//go:generate -command compile go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel,bpfeb -go-package bpf
//go:generate compile -type traffic -type protocol_counts -type interface -type other_key -type connection -type connection_key4 -type connection_key6 -type connection_event -type connection_slot -type connection_counts -no-global-types Packets packets.bpf.c -- -I../headers -O2 -g -Wall -Wextra -Werror -mcpu=v3
//go:generate compile -type traffic -type cross_connect -type cross_connect_plan -type process -type generation_control -no-global-types CrossConnects cross_connects.bpf.c -- -I../headers -O2 -g -Wall -Wextra -Werror -mcpu=v3
//go:generate compile -type exec_event -type exec_flags -type exec_ancestor Execs execs.bpf.c -- -I../headers -O2 -g -Wall -Wextra -Werror -mcpu=v3
//go:generate compile -type process -type cgroup_path -type host_name -type certainty -type owned -type socket_tuple -type owner_change -type stream_quality -type stream_report -no-global-types Owners owners.bpf.c -- -I../headers -O2 -g -Wall -Wextra -Werror -mcpu=v3
//go:generate compile -type row -type frames Redirects redirects.bpf.c -- -I../headers -O2 -g -Wall -Wextra -Werror -mcpu=v3
//go:generate compile -type drop_key -type drop_count -type drop_rest -type drop_event -type drop_source -type drop_protocol -no-global-types Drops drops.bpf.c -- -I../headers -O2 -g -Wall -Wextra -Werror -mcpu=v3
//go:generate compile -type hostname Hostnames hostnames.bpf.c -- -I../headers -O2 -g -Wall -Wextra -Werror -mcpu=v3
