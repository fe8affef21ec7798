package supervise

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Failure is an error as one process tells another of it. The zero value is none.
type Failure struct {
	Errno unix.Errno `json:",omitempty"` // 0: not of the kernel
	Text  string     `json:",omitempty"`
}

// FailureOf is for an error that may be nil.
func FailureOf(err error) (f Failure) {
	if err != nil {
		f.Text = err.Error()
		_ = errors.As(err, &f.Errno) // or it is 0
	}
	return f
}

// Err returns the error, nil if there is none.
func (f Failure) Err() error {
	if f == (Failure{}) {
		return nil
	}
	return told(f)
}

// told is the error of another process.
type told Failure

func (t told) Error() string { return t.Text }

func (t told) Unwrap() error {
	if t.Errno == 0 {
		return nil
	}
	return t.Errno
}
