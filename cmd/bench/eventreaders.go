package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// statsTable is an ebpftop that prints its table.
type statsTable struct {
	cmd     *exec.Cmd
	printed chan [2]uint64 // closed at the end: events lost of each kind so far
}

var lostEvents = regexp.MustCompile(`lost (\d+) connection and (\d+) exec events`)

// startTable starts it; it counts when this returns.
func startTable(ctx context.Context, b *bench, in *lab.Namespace) (*statsTable, error) {
	s := &statsTable{
		cmd: exec.CommandContext(ctx, b.program, "stats",
			"--interval", eventInterval.String(), "--max-connections", "1000"),
		printed: make(chan [2]uint64, 1),
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := in.Start(s.cmd); err != nil {
		return nil, err
	}
	go s.scan(out)
	if _, runs := <-s.printed; !runs {
		return nil, fmt.Errorf("%v: %w", s.cmd.Args, s.cmd.Wait())
	}
	return s, nil
}

// scan keeps the latest only.
func (s *statsTable) scan(out io.Reader) {
	defer close(s.printed)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		found := lostEvents.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		var lost [2]uint64
		for i := range lost {
			lost[i], _ = strconv.ParseUint(found[1+i], 10, 64) // digits, all of it
		}
		select {
		case <-s.printed:
		default:
		}
		s.printed <- lost
	}
}

func (s *statsTable) kill() error {
	err := s.cmd.Process.Kill()
	for range s.printed {
	}
	_ = s.cmd.Wait() // killed
	return err
}

// tableReader is ebpftop as a reader.
type tableReader struct {
	table  *statsTable
	kind   *eventKind
	before time.Duration
}

func (s *statsTable) read(kind *eventKind) (eventReader, error) {
	before, err := cpuTime(s.cmd.Process.Pid)
	return &tableReader{s, kind, before}, err
}

func (r *tableReader) stop(uint64) (cpu time.Duration, lost uint64, err error) {
	var all [2]uint64
	for range 3 { // what is in the box, what is on its way, and the rest
		printed, runs := <-r.table.printed
		if !runs {
			return 0, 0, errors.New("ebpftop ended")
		}
		all = printed
	}
	after, err := cpuTime(r.table.cmd.Process.Pid)
	return after - r.before, all[r.kind.column], err
}

// bareRingReader drains and does nothing else.
type bareRingReader struct {
	ring *ringbuf.Reader
	done chan struct{}
	read uint64
	cpu  time.Duration
}

// replace stops ebpftop and reads in its place: programs and maps stay.
func (s *statsTable) replace(ring *ebpf.Map) (eventReader, error) {
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return nil, err
	}
	reader, err := ringbuf.NewReader(ring)
	if err != nil {
		return nil, err
	}
	if err := reader.Flush(); err != nil {
		return nil, err
	}
	r := &bareRingReader{ring: reader, done: make(chan struct{})}
	go r.drain()
	return r, nil
}

// drain counts events until it is flushed for the second time.
func (r *bareRingReader) drain() {
	defer close(r.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	var record ringbuf.Record
	for flushed := 0; flushed < 2; {
		switch err := r.ring.ReadInto(&record); {
		case err == nil:
			r.read++
		case errors.Is(err, ringbuf.ErrFlushed):
			flushed++
		}
	}
	r.cpu = threadTime() - before
}

func (r *bareRingReader) stop(caused uint64) (cpu time.Duration, lost uint64, err error) {
	if err := r.ring.Flush(); err != nil {
		return 0, 0, err
	}
	<-r.done
	return r.cpu, caused - min(caused, r.read), r.ring.Close()
}
