package kernel

import (
	"errors"
	"io"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// OpenIterator has a BPF iterator begin anew. Reading runs its program.
func OpenIterator(iterator *link.Iter) (io.ReadCloser, error) {
	file, err := iterator.Open()
	if err != nil {
		return nil, err
	}
	return againReader{file}, nil
}

// againReader reads again where the kernel says so: it went through a million objects of which
// the program wrote nothing, or the program could not run (bpf_seq_read() in
// kernel/bpf/bpf_iter.c). It then goes on where it was.
type againReader struct{ io.ReadCloser }

// mostAgain bounds the reads in a row that bring nothing: a thousand million objects.
const mostAgain = 1000

func (r againReader) Read(to []byte) (n int, err error) {
	for range mostAgain {
		if n, err = r.ReadCloser.Read(to); !errors.Is(err, unix.EAGAIN) {
			break
		}
	}
	return n, err
}
