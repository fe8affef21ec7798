package kernel

import (
	"sync/atomic"

	"github.com/cilium/ebpf/btf"
)

// vethSkbOffset is 0 as long as it is not known.
var vethSkbOffset atomic.Uint32

// VethSkbOffset is where the skb of a frame is from the struct xdp_buff on that native XDP
// of a veth sees: veth_xdp_buff.skb in drivers/net/veth.c. It is 0 where there is none
// (before Linux 6.3), the kernel does not describe it, or lets no program read it. The driver may
// be a module that comes with the first veth.
func VethSkbOffset() uint32 {
	if !callable() {
		return 0
	}
	if offset := vethSkbOffset.Load(); offset != 0 {
		return offset
	}
	offset := findVethSkbOffset()
	vethSkbOffset.Store(offset)
	return offset
}

func findVethSkbOffset() uint32 {
	var buff *btf.Struct
	if typeByName("veth_xdp_buff", &buff) == nil {
		return skbOffset(buff)
	}
	types.modules.Lock()
	defer types.modules.Unlock()
	spec, err := cachedTypes().Module("veth")
	if err != nil || spec.TypeByName("veth_xdp_buff", &buff) != nil {
		return 0
	}
	return skbOffset(buff)
}

func skbOffset(buff *btf.Struct) uint32 {
	for _, m := range buff.Members {
		if m.Name == "skb" {
			return m.Offset.Bytes()
		}
	}
	return 0
}
