package packets

import (
	"encoding/hex"
	"errors"
	"iter"
	"maps"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// tracedFrames are how many generated frames go through a veth for each way to read
// them: some microseconds each.
const tracedFrames = 20_000

// tracedBench has a real interface hand frames to the packet program on the
// tracepoints, and compares what it counts with the oracle.
type tracedBench struct {
	t          *testing.T
	host, peer *lab.Namespace
	subject    *parserSubject
	oracle     parserOracle
	buffers    parserBuffers
}

func newTracedBench(t *testing.T, kind int) *tracedBench {
	t.Helper()
	b := &tracedBench{t: t}
	b.host, b.peer = newPair(t)
	var err error
	if b.buffers, err = newParserBuffers(); err != nil {
		t.Fatal(err)
	}
	link, err := b.host.Link(hostInterface)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.host.Do(func() error {
		b.subject = newParserSubject(t, kind, link)
		p := b.subject.packets
		if kind == parserCopied {
			p.entries.trace = p.entries.copy
			kernel.Forgo(p.spec, kernel.DynptrFromSkb, kernel.ReadOnlyCast)
		}
		return b.subject.probe.attachAt(probes.HookTracepoint)
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

// differences sends frames both ways, and returns how what was counted differs from
// what must be; "" if it does not. Frames may take their time.
func (b *tracedBench) differences(frames [][]byte) string {
	b.t.Helper()
	want, got := make(parserCensus), make(parserCensus)
	for direction := range directions {
		entry := parserEntry{kind: b.subject.kind, direction: direction}
		for _, frame := range frames {
			want.expect(&entry, b.oracle.judge(frame), len(frame))
		}
	}
	err := errors.Join(b.peer.Inject(peerInterface, frames...), b.host.Inject(hostInterface, frames...))
	for deadline := time.Now().Add(2 * time.Second); err == nil; time.Sleep(time.Millisecond) {
		err = b.subject.read(&b.buffers, got)
		if maps.Equal(want, got) {
			return ""
		}
		if time.Now().After(deadline) {
			return want.differences(got)
		}
	}
	b.t.Fatal(err)
	return ""
}

// compare reports the first frame of a batch of which program and oracle make
// different things, again and again.
func (b *tracedBench) compare(frames [][]byte) {
	b.t.Helper()
	for range tracedAttempts {
		if b.differences(frames) == "" {
			return
		}
		for _, frame := range frames {
			if differences := b.differsAlways(frame); differences != "" {
				b.t.Fatalf("program and oracle differ on the frame\n%s%x\n%s", hex.Dump(frame), frame, differences)
			}
		}
	}
	b.t.Fatalf("%d frames differ, though none does by itself", len(frames))
}

// differsAlways returns the differences on a frame, "" if there were none once.
func (b *tracedBench) differsAlways(frame []byte) (differences string) {
	b.t.Helper()
	for range tracedAttempts {
		if differences = b.differences([][]byte{frame}); differences == "" {
			break
		}
	}
	return differences
}

// TestParserTraced compares on all known frames, on all their truncations, and on
// random frames, whatever functions of the kernel the program may call.
func TestParserTraced(t *testing.T) {
	labtest.RequireRoot(t)
	t.Logf("seed %d", *parserSeed)
	for _, kind := range []int{parserTraced, parserCopied} {
		t.Run(parserKinds[kind].name, func(t *testing.T) {
			t.Parallel()
			b := newTracedBench(t, kind)
			frames := first(min(tracedFrames, *parserFrames), newParserGenerator(*parserSeed, uint64(kind)).all())
			labtest.Report(t, "frames compared", b.runAll(frames))
		})
	}
}

// runAll compares on known and on other frames, and says how many that were. Those that
// the interface is too small for are left out.
func (b *tracedBench) runAll(others iter.Seq[[]byte]) (count int) {
	const most = 1514
	batch := make([][]byte, 0, parserBatch)
	add := func(frame []byte) {
		if len(frame) > most {
			return
		}
		if batch = append(batch, frame); len(batch) == parserBatch {
			b.compare(batch)
			count += len(batch)
			batch = batch[:0]
		}
	}
	for _, frame := range knownFrames() {
		for size := parserFrameMin; size <= len(frame); size++ {
			add(frame[:size])
		}
	}
	for frame := range others {
		add(frame)
	}
	b.compare(batch)
	return count + len(batch)
}

// TestNoRecursion of the packet program: a frame on the way of which it runs again
// would not be counted.
func TestNoRecursion(t *testing.T) {
	b := newTracedBench(t, parserTraced)
	b.compare(knownFrames()[:1])
	for _, program := range b.subject.packets.tracing.programs {
		stats, err := program.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if stats.RecursionMisses != 0 {
			t.Errorf("%s: %d recursions", program, stats.RecursionMisses)
		}
	}
}
