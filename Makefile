# Debian keeps asm/types.h, which <linux/types.h> needs, in a folder for each
# architecture; the types in it are the same on all.
generate: export BPF2GO_CFLAGS = -idirafter /usr/include/$(shell uname -m)-linux-gnu

.PHONY: generate
generate:
	go generate ./bpf
