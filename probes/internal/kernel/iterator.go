package kernel

import (
	"errors"
	"io"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// iteratorPatience is how long an iterator may take: of files, that is enough for three million.
// Whoever may open files without end must not hold up who counts.
const iteratorPatience = 200 * time.Millisecond

// ErrTooMany is for an iterator that did not come to its end, because there are too many objects.
var ErrTooMany = errors.New("too many to look at all of them")

// OpenIterator has a BPF iterator begin anew. Reading runs its program. It returns ErrTooMany if
// that takes longer than 0.2 s.
func OpenIterator(iterator *link.Iter) (io.ReadCloser, error) {
	file, err := iterator.Open()
	if err != nil {
		return nil, err
	}
	return boundedReader{file, time.Now().Add(iteratorPatience)}, nil
}

// boundedReader reads again where the kernel says so: it went through a million objects of which
// the program wrote nothing, or the program could not run (bpf_seq_read() in
// kernel/bpf/bpf_iter.c). It then goes on where it was.
type boundedReader struct {
	io.ReadCloser
	deadline time.Time
}

func (r boundedReader) Read(to []byte) (n int, err error) {
	for {
		if !time.Now().Before(r.deadline) {
			return 0, ErrTooMany
		}
		if n, err = r.ReadCloser.Read(to); !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
	}
}

// ReadIterator has a BPF iterator begin anew, and returns the records that its program writes, in
// place of those in records, whose room is used again. If there are too many, some are missing.
func ReadIterator[T any](iterator *link.Iter, records []T) ([]T, error) {
	from, err := OpenIterator(iterator)
	if err != nil {
		return records[:0], err
	}
	defer from.Close()
	const more = 512
	size := int(unsafe.Sizeof(*new(T)))
	records = records[:0]
	for {
		// The kernel hands over whole records, no more of them than there is room for.
		known := len(records)
		records = append(records, make([]T, more)...)
		n, err := from.Read(unsafe.Slice((*byte)(unsafe.Pointer(&records[known])), more*size))
		records = records[:known+n/size]
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, ErrTooMany):
			return records, nil
		case err != nil:
			return records, err
		}
	}
}
