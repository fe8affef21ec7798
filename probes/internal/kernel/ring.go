package kernel

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

// Ring makes a T of the events of a BPF ring buffer, until that is asked for.
// Its goroutine sleeps until the kernel wakes it, which programs do when the
// buffer is half full, or until drain does.
type Ring[T any] struct {
	reader  *ringbuf.Reader
	add     func(to *T, record []byte) error
	batches chan T
	done    chan struct{}
	err     error // set before done is closed
}

// NewRing reads from m, which stays the caller's. Add is called for each event,
// oldest first, and must not keep the record; an error of it ends the reading.
func NewRing[T any](m *ebpf.Map, add func(to *T, record []byte) error) (*Ring[T], error) {
	reader, err := ringbuf.NewReader(m)
	if err != nil {
		return nil, fmt.Errorf("open ring buffer: %w", err)
	}
	r := &Ring[T]{
		reader:  reader,
		add:     add,
		batches: make(chan T),
		done:    make(chan struct{}),
	}
	go r.run()
	return r, nil
}

// Drain returns what was made of the events that came since it was last called.
func (r *Ring[T]) Drain() (batch T, err error) {
	if err := r.reader.Flush(); err != nil && !errors.Is(err, os.ErrClosed) {
		return batch, fmt.Errorf("flush ring buffer: %w", err)
	}
	select {
	case batch = <-r.batches:
		return batch, nil
	case <-r.done:
		return batch, r.err
	}
}

// Close ends the reading.
func (r *Ring[T]) Close() error {
	err := r.reader.Close()
	<-r.done
	return err
}

func (r *Ring[T]) run() {
	defer close(r.done)
	var record ringbuf.Record
	var batch, empty T
	for {
		err := r.reader.ReadInto(&record)
		switch {
		case err == nil:
			if err := r.add(&batch, record.RawSample); err != nil {
				r.err = fmt.Errorf("decode event: %w", err)
				return
			}
		case errors.Is(err, ringbuf.ErrFlushed):
			// The one who flushed is waiting for it.
			r.batches <- batch
			batch = empty
		default:
			r.err = fmt.Errorf("read ring buffer: %w", err)
			return
		}
	}
}
