package probes

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

// ring collects the events of a BPF ring buffer until they are asked for. Its
// goroutine sleeps until the kernel wakes it, which programs do when the
// buffer is half full, or until drain does.
type ring[T any] struct {
	reader  *ringbuf.Reader
	decode  func(record []byte) (T, error)
	limit   int
	batches chan batch[T]
	done    chan struct{}
	err     error // set before done is closed
}

// batch is what came between two drains, and what was lost since the start.
type batch[T any] struct {
	events []T
	lost   uint64
}

// newRing reads from m, which stays the caller's. Decode must not keep the
// record. More than limit events between two drains count as lost.
func newRing[T any](m *ebpf.Map, limit int, decode func(record []byte) (T, error)) (*ring[T], error) {
	reader, err := ringbuf.NewReader(m)
	if err != nil {
		return nil, fmt.Errorf("open ring buffer: %w", err)
	}
	r := &ring[T]{
		reader:  reader,
		decode:  decode,
		limit:   limit,
		batches: make(chan batch[T]),
		done:    make(chan struct{}),
	}
	go r.run()
	return r, nil
}

// drain returns the events that came since it was last called, oldest first,
// and how many were lost in user space since the start.
func (r *ring[T]) drain() (events []T, lost uint64, err error) {
	if err := r.reader.Flush(); err != nil && !errors.Is(err, os.ErrClosed) {
		return nil, 0, fmt.Errorf("flush ring buffer: %w", err)
	}
	select {
	case b := <-r.batches:
		return b.events, b.lost, nil
	case <-r.done:
		return nil, 0, r.err
	}
}

// Close ends the reading.
func (r *ring[T]) Close() error {
	err := r.reader.Close()
	<-r.done
	return err
}

func (r *ring[T]) run() {
	defer close(r.done)
	var record ringbuf.Record
	var b batch[T]
	for {
		err := r.reader.ReadInto(&record)
		switch {
		case err == nil:
			if err := r.collect(&b, record.RawSample); err != nil {
				r.err = err
				return
			}
		case errors.Is(err, ringbuf.ErrFlushed):
			// The one who flushed is waiting for it.
			r.batches <- b
			b.events = nil
		default:
			r.err = fmt.Errorf("read ring buffer: %w", err)
			return
		}
	}
}

func (r *ring[T]) collect(b *batch[T], record []byte) error {
	if len(b.events) >= r.limit {
		b.lost++
		return nil
	}
	event, err := r.decode(record)
	if err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	b.events = append(b.events, event)
	return nil
}
