package kernel

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// source is a ring buffer, and a program that puts the time into it whenever
// it is run.
type source struct {
	ring    *ebpf.Map
	program *ebpf.Program
}

const (
	noWakeup    = 1 // BPF_RB_NO_WAKEUP
	forceWakeup = 2 // BPF_RB_FORCE_WAKEUP
)

func newSource(t *testing.T, wakeup int32) *source {
	t.Helper()
	labtest.RequireRoot(t)
	ring, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ring.Close() })
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:    ebpf.SocketFilter,
		License: "Dual MIT/GPL",
		Instructions: asm.Instructions{
			asm.FnKtimeGetNs.Call(),
			asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
			asm.LoadMapPtr(asm.R1, ring.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -8),
			asm.Mov.Imm(asm.R3, 8),
			asm.Mov.Imm(asm.R4, wakeup),
			asm.FnRingbufOutput.Call(),
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return &source{ring, program}
}

// send puts n events into the ring.
func (s *source) send(t *testing.T, n int) {
	t.Helper()
	if _, err := s.program.Run(&ebpf.RunOptions{Data: make([]byte, 14), Repeat: uint32(n)}); err != nil {
		t.Fatal(err)
	}
}

func addTime(times *[]uint64, record []byte) error {
	*times = append(*times, binary.NativeEndian.Uint64(record))
	return nil
}

func openRing[T any](t *testing.T, s *source, add func(*T, []byte) error) *Ring[T] {
	t.Helper()
	r, err := NewRing(s.ring, add)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRingDrains(t *testing.T) {
	s := newSource(t, noWakeup)
	r := openRing(t, s, addTime)
	for _, n := range []int{0, 1, 100, 0, 3} {
		if n > 0 {
			s.send(t, n)
		}
		events, err := r.Drain()
		if len(events) != n || err != nil {
			t.Fatalf("sent %d: got %d, %v", n, len(events), err)
		}
		for i := 1; i < n; i++ {
			if events[i] < events[i-1] {
				t.Fatalf("event %d is older than the one before", i)
			}
		}
	}
}

func TestRingReadsWhenWoken(t *testing.T) {
	s := newSource(t, forceWakeup)
	read := make(chan struct{})
	openRing(t, s, func(*struct{}, []byte) error {
		read <- struct{}{}
		return nil
	})
	s.send(t, 1)
	<-read // hangs unless it is read without a drain
}

func TestRingReportsFailure(t *testing.T) {
	s := newSource(t, noWakeup)
	failure := errors.New("failure")
	r := openRing(t, s, func(*struct{}, []byte) error { return failure })
	s.send(t, 1)
	for range 2 {
		if _, err := r.Drain(); !errors.Is(err, failure) {
			t.Errorf("error %v", err)
		}
	}
}

func TestRingClose(t *testing.T) {
	s := newSource(t, noWakeup)
	r := openRing(t, s, addTime)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Drain(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
}
