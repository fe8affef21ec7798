package probes

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/ebpftop/ebpftop/probes/lab"
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
	lab.RequireRoot(t)
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

func decodeTime(record []byte) (uint64, error) {
	return binary.NativeEndian.Uint64(record), nil
}

func openRing[T any](t *testing.T, s *source, limit int, decode func([]byte) (T, error)) *ring[T] {
	t.Helper()
	r, err := newRing(s.ring, limit, decode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRingDrains(t *testing.T) {
	s := newSource(t, noWakeup)
	r := openRing(t, s, 1000, decodeTime)
	for _, n := range []int{0, 1, 100, 0, 3} {
		if n > 0 {
			s.send(t, n)
		}
		events, lost, err := r.drain()
		if len(events) != n || lost != 0 || err != nil {
			t.Fatalf("sent %d: got %d, lost %d, %v", n, len(events), lost, err)
		}
		for i := 1; i < n; i++ {
			if events[i] < events[i-1] {
				t.Fatalf("event %d is older than the one before", i)
			}
		}
	}
}

func TestRingCountsLost(t *testing.T) {
	s := newSource(t, noWakeup)
	r := openRing(t, s, 10, decodeTime)
	for drains := range uint64(3) {
		s.send(t, 25)
		events, lost, err := r.drain()
		if len(events) != 10 || lost != 15*(drains+1) || err != nil {
			t.Errorf("got %d, lost %d, %v", len(events), lost, err)
		}
	}
}

func TestRingReadsWhenWoken(t *testing.T) {
	s := newSource(t, forceWakeup)
	read := make(chan uint64)
	openRing(t, s, 10, func(record []byte) (uint64, error) {
		event, err := decodeTime(record)
		read <- event
		return event, err
	})
	s.send(t, 1)
	<-read // hangs unless it is read without a drain
}

func TestRingReportsFailure(t *testing.T) {
	s := newSource(t, noWakeup)
	failure := errors.New("failure")
	r := openRing(t, s, 10, func([]byte) (int, error) { return 0, failure })
	s.send(t, 1)
	for range 2 {
		if _, _, err := r.drain(); !errors.Is(err, failure) {
			t.Errorf("error %v", err)
		}
	}
}

func TestRingClose(t *testing.T) {
	s := newSource(t, noWakeup)
	r := openRing(t, s, 10, decodeTime)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := r.drain(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
}
