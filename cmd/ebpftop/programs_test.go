package main

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// shortest is a program that does nothing but end.
func shortest(t *testing.T) string {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		return "/bin/true"
	}
	// ELF header, one segment, and: mov $60, %eax; xor %edi, %edi; syscall.
	code := []byte{0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}
	const base, headers = 0x400000, 64 + 56
	var elf []byte
	elf = append(elf, 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	put := binary.LittleEndian
	elf = put.AppendUint16(put.AppendUint16(elf, 2), 62) // an executable, x86-64
	elf = put.AppendUint32(elf, 1)
	elf = put.AppendUint64(elf, base+headers) // entry
	elf = put.AppendUint64(elf, 64)           // where the segments are described
	elf = put.AppendUint64(elf, 0)
	elf = put.AppendUint32(elf, 0)
	for _, size := range []uint16{64, 56, 1, 0, 0, 0} {
		elf = put.AppendUint16(elf, size)
	}
	elf = put.AppendUint32(put.AppendUint32(elf, 1), 5) // load it, to read and execute
	size := uint64(headers + len(code))
	for _, word := range []uint64{0, base, base, size, size, 0x1000} {
		elf = put.AppendUint64(elf, word)
	}
	path := filepath.Join(t.TempDir(), "shortest")
	if err := os.WriteFile(path, append(elf, code...), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

const programsASecond = 2000

// spawners are several, for each waits while the kernel starts and ends one.
const spawners = 4

// executions are of a program, that often or as often as the machine can.
type executions struct {
	path string
	done atomic.Int64
	stop func()
}

func executing(t *testing.T, path string) *executions {
	t.Helper()
	labtest.Alone(t, "programs")
	ctx, cancel := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	x := &executions{path: path}
	x.stop = sync.OnceFunc(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	var tickets atomic.Int64
	start := time.Now()
	for range spawners {
		group.Go(func() error {
			for {
				due := start.Add(time.Duration(tickets.Add(1)) * time.Second / programsASecond)
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(time.Until(due)):
				}
				if err := spawn(path); err != nil {
					return err
				}
				x.done.Add(1)
			}
		})
	}
	t.Cleanup(x.stop)
	return x
}

// end returns how many there were.
func (x *executions) end() int {
	x.stop()
	return int(x.done.Load())
}

// overrun stops a process until there were more than it can be told of at a time.
func (x *executions) overrun(t *testing.T, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	events := int64(2 << 20 / len(longArgument)) // of a ring of 1 MiB
	for before := x.done.Load(); x.done.Load() < before+events && !t.Failed(); time.Sleep(time.Millisecond) {
	}
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// longArgument lets few events fill the ring.
var longArgument = strings.Repeat("x", 500)

// spawn is exec.Cmd.Run without what that does besides.
func spawn(path string) error {
	pid, err := syscall.ForkExec(path, []string{path, longArgument}, nil)
	if err != nil {
		return err
	}
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			return err
		}
	}
}

// TestProgramsFlood counts thousands of short programs a second, while it cannot
// be told of all of them.
func TestProgramsFlood(t *testing.T) {
	host, _ := pair(t)
	s := openStats(t, host)
	before := s.next()
	x := executing(t, shortest(t))
	own := 0
	see := func(o sample) sample {
		for _, e := range o.Execs.Events {
			if e.Filename == x.path {
				own++
			}
		}
		return o
	}
	start := time.Now()
	x.overrun(t, s.cmd.Process)
	for time.Since(start) < *floodTime {
		see(s.next())
	}
	runs := x.end()
	seconds := time.Since(start).Seconds()
	see(s.next())
	o := see(s.next())
	total, lost := o.Execs.Total-before.Execs.Total, int(o.Lost.ExecEvents-before.Lost.ExecEvents)
	t.Logf("%d programs, %.0f a second; %d counted, %d told of, %d lost", runs, float64(runs)/seconds, total, own, lost)
	// Others execute programs, too.
	if total < uint64(runs) || own > runs || own+lost < runs || lost == 0 {
		t.Errorf("of %d programs, %d were counted, %d told of, %d lost", runs, total, own, lost)
	}
	labtest.Report(t, "programs executed", runs)
	s.stop(syscall.SIGTERM)
}

// TestScreenUnderPrograms presses keys meanwhile.
func TestScreenUnderPrograms(t *testing.T) {
	host, _ := pair(t)
	s := openDashboard(t, host)
	x := executing(t, shortest(t))
	s.keysAnswer(*floodTime)
	x.overrun(t, s.cmd.Process)
	s.awaitText("that events are lost", regexp.MustCompile(`lost [1-9]`).MatchString)
	t.Logf("%d programs", x.end())
	s.press("q")
	s.ended(0)
}
