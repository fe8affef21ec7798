package packets

import (
	"flag"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// The packet program against an independent parser, the oracle, on the same
// frames. Both hooks and both directions are run by BPF_PROG_TEST_RUN: it needs
// root, and no interface. More frames, the same frames once more, and frames of
// yours:
//
//	go test ./probes/packets -v -run Parser -args -frames 5000000
//	go test ./probes/packets -v -run Parser -args -seed 4711
//	go test ./probes/packets -v -run Parser -args -pcap FILE_OR_DIRECTORY
//	go test ./probes/packets -run '^$' -fuzz FuzzParser
var (
	parserFrames = flag.Int("frames", 300_000, "generated frames to run through the packet program")
	parserSeed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "what the generated frames are made from")
	parserPcap   = flag.String("pcap", "", "pcap or pcapng file, or directory of them, to run through the packet program")
)

// runAll compares on all frames, and says how many that were.
func (b *parserBench) runAll(t testing.TB, frames iter.Seq[[]byte]) (count int) {
	t.Helper()
	batch := make([][]byte, 0, parserBatch)
	for frame := range frames {
		if batch = append(batch, frame); len(batch) == parserBatch {
			b.compare(t, batch)
			count += len(batch)
			batch = batch[:0]
		}
		if t.Failed() {
			return count // one frame is enough to look at
		}
	}
	b.compare(t, batch)
	return count + len(batch)
}

// TestParserKinds compares on every kind of frame and the frames of the rules,
// on all their truncations, and with every bit flipped.
func TestParserKinds(t *testing.T) {
	labtest.RequireRoot(t)
	t.Parallel()
	b := newParserBench(t)
	count := b.runAll(t, func(yield func([]byte) bool) {
		for _, frame := range knownFrames() {
			for variant := range everyVariant(frame) {
				if !yield(variant) {
					return
				}
			}
		}
	})
	labtest.Report(t, "frames compared", count)
}

// knownFrames are those that tests expect something of.
func knownFrames() (frames [][]byte) {
	for _, kind := range frameKinds() {
		frames = append(frames, kind.frame)
	}
	for _, c := range parserRuleCases() {
		frames = append(frames, c.frame)
	}
	return frames
}

func everyVariant(frame []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for size := parserFrameMin; size <= len(frame); size++ {
			if !yield(frame[:size]) {
				return
			}
		}
		for bit := range 8 * len(frame) {
			if !yield(patched(frame, bit/8, frame[bit/8]^1<<(bit%8))) {
				return
			}
		}
	}
}

// TestParserGenerated compares on random frames.
func TestParserGenerated(t *testing.T) {
	labtest.RequireRoot(t)
	t.Parallel()
	const workers = 2
	t.Logf("seed %d", *parserSeed)
	var compared atomic.Int64
	start := time.Now()
	t.Run("workers", func(t *testing.T) {
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				frames := first(*parserFrames/workers, newParserGenerator(*parserSeed, uint64(worker)).all())
				compared.Add(int64(newParserBench(t).runAll(t, frames)))
				if t.Failed() {
					t.Logf("again by -args -seed %d", *parserSeed)
				}
			})
		}
	})
	labtest.Report(t, "frames compared", int(compared.Load()))
	t.Logf("%.0f/s", float64(compared.Load())/time.Since(start).Seconds())
}

func first[T any](n int, values iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for value := range values {
			if n--; n < 0 || !yield(value) {
				return
			}
		}
	}
}

// FuzzParser compares on what the fuzzer makes of the known frames and its
// corpus, looking for frames that take the oracle new ways.
func FuzzParser(f *testing.F) {
	labtest.RequireRoot(f)
	for _, frame := range knownFrames() {
		f.Add(frame)
	}
	b := newParserBench(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if parserFrameMin <= len(frame) && len(frame) <= parserFrameMax {
			b.compare(t, [][]byte{slices.Clone(frame)})
		}
	})
}
