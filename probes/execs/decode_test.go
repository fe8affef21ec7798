package execs

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

func TestDecodeRefusesShortRecords(t *testing.T) {
	decoder := execDecoder{clock: kernel.NewClock()}
	for _, size := range []int{0, 8, 47} {
		if _, err := decoder.decode(make([]byte, size)); err == nil {
			t.Errorf("decoded %d bytes", size)
		}
	}
	long := make([]byte, 48)
	long[24] = 1 // filename_len, on a machine of either byte order
	if _, err := decoder.decode(long); err == nil {
		t.Error("decoded a record without the filename it announces")
	}
}

// TestExecBatchIsBounded has more programs executed than one sample may list.
func TestExecBatchIsBounded(t *testing.T) {
	const surplus = 3
	var batch execBatch
	decoder := execDecoder{clock: kernel.NewClock()}
	record := make([]byte, unsafe.Sizeof(bpf.ExecsExecEvent{}))
	for range execEventsMax + surplus {
		if err := decoder.add(&batch, record); err != nil {
			t.Fatal(err)
		}
	}
	if len(batch.events) != execEventsMax || batch.lost != surplus {
		t.Errorf("%d events, %d lost, want %d and %d", len(batch.events), batch.lost, execEventsMax, surplus)
	}
}

func TestSplitArgs(t *testing.T) {
	for text, want := range map[string][]string{
		"":               {},
		"\x00":           {""},
		"a\x00":          {"a"},
		"a\x00b":         {"a", "b"},
		"a\x00\x00b\x00": {"a", "", "b"},
		"a\x00\x00":      {"a", ""},
	} {
		if got := splitArgs([]byte(text)); !slices.Equal(got, want) || got == nil {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
