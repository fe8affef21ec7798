package kernel

import (
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// stubborn says EAGAIN a few times before each piece.
type stubborn struct {
	times, left int
	pieces      []string
}

func (s *stubborn) Read(to []byte) (int, error) {
	if s.left > 0 {
		s.left--
		return 0, unix.EAGAIN
	}
	if s.left = s.times; len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(to, s.pieces[0])
	s.pieces = s.pieces[1:]
	return n, nil
}

func (s *stubborn) Close() error { return nil }

// TestIteratorGoesOn reads on where the kernel says that there is more, but not for ever.
func TestIteratorGoesOn(t *testing.T) {
	text, err := io.ReadAll(againReader{&stubborn{times: 3, left: 3, pieces: []string{"ab", "c"}}})
	if string(text) != "abc" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := io.ReadAll(againReader{&stubborn{left: 1 << 30}}); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("error %v", err)
	}
}
