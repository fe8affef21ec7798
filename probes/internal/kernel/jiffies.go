package kernel

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Jiffies relates the kernel's tick counter, by which BPF programs tell time because
// reading it costs them an instruction, to a clock: jiffies * Length + Offset is
// CLOCK_MONOTONIC in nanoseconds, off by a tick at most; late by more where the
// kernel's ticks are, on a machine whose processors are taken away from it. It
// counts its ticks on that clock (tick_do_update_jiffies64 in
// kernel/time/tick-sched.c), so the two never drift apart.
type Jiffies struct {
	Length uint64 // of a tick, ns
	Offset uint64 // ns, modulo 2^64
}

// Ticks is the count at a time of CLOCK_MONOTONIC, or the next one after it.
func (j Jiffies) Ticks(monotonic time.Duration) uint64 {
	return (uint64(monotonic) - j.Offset + j.Length - 1) / j.Length
}

// Time is when the count gets there, on CLOCK_MONOTONIC.
func (j Jiffies) Time(ticks uint64) time.Duration {
	return time.Duration(ticks*j.Length + j.Offset)
}

// ReadJiffies compares the two.
func ReadJiffies() (Jiffies, error) {
	var length unix.Timespec
	// The coarse clock's resolution is the tick: posix_get_coarse_res() in
	// kernel/time/posix-timers.c.
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &length); err != nil {
		return Jiffies{}, fmt.Errorf("ask for the length of a tick: %w", err)
	}
	ticks, at, err := readBoth()
	if err != nil {
		return Jiffies{}, fmt.Errorf("read the tick counter: %w", err)
	}
	j := Jiffies{Length: uint64(length.Nano())}
	j.Offset = at - ticks*j.Length
	return j, nil
}

// readBoth reads the counter, and the coarse clock, which says when that last counted:
// both are late together on a machine whose processors are taken away from it. Only a BPF
// program can read the counter.
func readBoth() (ticks, at uint64, err error) {
	counter, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, counter.Close()) }()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "read_ticks", Type: ebpf.RawTracepoint, License: "Dual MIT/GPL",
		Instructions: asm.Instructions{
			asm.FnJiffies64.Call(),
			asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
			asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, -16, asm.R1, asm.DWord),
			asm.LoadMapPtr(asm.R1, counter.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -16),
			asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -8),
			asm.Mov.Imm(asm.R4, 0),
			asm.FnMapUpdateElem.Call(),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, program.Close()) }()
	for range 10 { // until no tick came between
		var before, after unix.Timespec
		errBefore := unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &before)
		_, errRun := program.Run(&ebpf.RunOptions{})
		errAfter := unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &after)
		if err := errors.Join(errBefore, errRun, errAfter); err != nil {
			return 0, 0, err
		}
		if at = uint64(after.Nano()); before == after {
			break
		}
	}
	return ticks, at, counter.Lookup(uint32(0), &ticks)
}
