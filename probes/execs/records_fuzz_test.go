package execs

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// FuzzRecords decodes records of any length and content.
func FuzzRecords(f *testing.F) {
	for _, size := range []uintptr{0, 1, unsafe.Sizeof(bpf.ExecsExecEvent{}), unsafe.Sizeof(bpf.ExecsExecEvent{}) + 9, 4096} {
		f.Add(make([]byte, size))
		f.Add(bytes.Repeat([]byte{0xff}, int(size)))
		f.Add(bytes.Repeat([]byte{1, 0, 0, 0}, int(size)/4))
	}
	decode := execDecoder{clock: kernel.NewClock()}.decode
	f.Fuzz(func(t *testing.T, record []byte) {
		record = slices.Clone(record) // aligned as those of the ring
		if e, err := decode(record); err == nil && len(e.Filename)+len(strings.Join(e.Args, "")) > len(record) {
			t.Errorf("%d bytes hold %+v", len(record), e)
		}
	})
}
