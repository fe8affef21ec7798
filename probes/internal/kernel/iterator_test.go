package kernel

import (
	"errors"
	"io"
	"testing"
	"time"

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
	text, err := io.ReadAll(boundedReader{&stubborn{times: 3, left: 3, pieces: []string{"ab", "c"}}, time.Now().Add(time.Hour)})
	if string(text) != "abc" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := io.ReadAll(boundedReader{&stubborn{left: 1 << 60}, time.Now().Add(time.Millisecond)}); !errors.Is(err, ErrTooMany) {
		t.Errorf("error %v", err)
	}
}
