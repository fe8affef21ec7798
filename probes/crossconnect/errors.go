package crossconnect

import (
	"errors"
	"fmt"
)

// Reasons for which a change is refused, or pairs cannot be listed. Errors wrap one of
// these, or an error of the kernel; their text is for people.
var (
	// ErrMissing: an interface does not exist, and its pair may not wait for it.
	ErrMissing = errors.New("no such interface")
	// ErrTaken: an interface is in another pair, of this or of another set.
	ErrTaken = errors.New("the interface is in another pair")
	// ErrUnknown: what is attached to interfaces may be other processes' pairs, and is
	// not for this process to look at.
	ErrUnknown = errors.New("other processes' pairs are not known")
	// ErrRing: a frame would go round for ever.
	ErrRing = errors.New("a frame would go round for ever")
	// ErrLocked: another process is changing cross-connects, and does not get done.
	ErrLocked = errors.New("another process is changing cross-connects")
	// errStopped is an ErrLocked: the other process was stopped meanwhile.
	errStopped = fmt.Errorf("%w and is stopped", ErrLocked)
	// ErrTrial: a trial is under way, and nothing else may change meanwhile.
	ErrTrial = errors.New("a trial is under way: confirm it or take it back first")
	// ErrNoTrial: there is none to confirm or to take back.
	ErrNoTrial = errors.New("no trial is under way: it was confirmed or taken back, or its time is over")
)

// refusal is an error of a kind, in words of its own.
type refusal struct {
	kind error
	text string
}

func refuse(kind error, format string, args ...any) error {
	return refusal{kind: kind, text: fmt.Sprintf(format, args...)}
}

func (r refusal) Error() string { return r.text }

func (r refusal) Unwrap() error { return r.kind }
