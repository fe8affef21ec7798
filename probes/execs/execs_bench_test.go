package execs

import (
	"testing"
	"unsafe"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// BenchmarkDecodeExecEvent is what an event costs on its way out of the ring.
func BenchmarkDecodeExecEvent(b *testing.B) {
	const filename, args = "/usr/bin/ls\x00", "ls\x00-l\x00--color=auto\x00/var/log\x00"
	event := bpf.ExecsExecEvent{Pid: 4711, FilenameLen: uint32(len(filename)), ArgsLen: uint32(len(args))}
	header := unsafe.Slice((*byte)(unsafe.Pointer(&event)), unsafe.Sizeof(event))
	record := append(append(append([]byte{}, header...), filename...), args...)
	decoder := execDecoder{clock: kernel.NewClock()}
	b.ReportAllocs()
	for b.Loop() {
		if e, err := decoder.decode(record); err != nil || len(e.Args) != 4 {
			b.Fatalf("%+v, %v", e, err)
		}
	}
}
