package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLockHeld has another holder of the lock, whom an error names, while pairs can be
// listed.
func TestLockHeld(t *testing.T) {
	b := newBench(t, 2)
	kept := b.kept()
	b.check(b.hub.Do(func() error { return kept.Set([]Pair{pair(0, 1)}, 0) }))
	var other lock
	b.check(other.take(time.Minute, nil))
	kept.Patience = 50 * time.Millisecond
	err := b.hub.Do(func() error { return kept.Set(nil, 0) })
	if want := fmt.Sprintf("process %d (", os.Getpid()); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want ErrLocked and %q", err, want)
	}
	b.check(b.hub.Do(func() error {
		pairs, err := kept.Pairs()
		if len(pairs) != 1 {
			t.Errorf("pairs %v, want one", pairs)
		}
		return err
	}))
	kept.Patience = time.Hour
	stop := make(chan struct{})
	close(stop)
	kept.Stop = stop
	if err := b.hub.Do(func() error { return kept.Set(nil, 0) }); !errors.Is(err, ErrLocked) {
		t.Errorf("error %v of a wait that was ended, want ErrLocked", err)
	}
	b.check(other.release())
	b.check(b.hub.Do(func() error { return kept.Set(nil, 0) }))
}

// TestTrialEndsWithoutTheLock: whoever has the lock, a trial is confirmed, and taken back.
func TestTrialEndsWithoutTheLock(t *testing.T) {
	b := newBench(t, 3)
	kept := b.kept()
	kept.Patience = 50 * time.Millisecond
	var other lock
	for _, end := range []struct {
		by   func() error
		want Pair
	}{{kept.Confirm, pair(1, 2)}, {kept.Rollback, pair(0, 1)}} {
		b.check(b.hub.Do(func() error {
			err := errors.Join(kept.Set([]Pair{pair(0, 1)}, 0), kept.Set([]Pair{pair(1, 2)}, time.Hour), other.take(time.Minute, nil))
			if err != nil {
				return err
			}
			err = end.by()
			left, errLeft := kept.Trial()
			pairs, errPairs := kept.Pairs()
			if left != 0 || len(pairs) != 1 || !pairs[0].Joins(end.want.A, end.want.B) {
				t.Errorf("a trial of %v, pairs %v, want none, %v", left, pairs, end.want)
			}
			return errors.Join(err, errLeft, errPairs, other.release())
		}))
	}
	b.check(b.hub.Do(func() error { return kept.Set(nil, 0) }))
}

// TestNamespaceLocked has somebody lock what every user may open.
func TestNamespaceLocked(t *testing.T) {
	b := newBench(t, 2)
	kept := b.kept()
	b.check(b.hub.Do(func() error {
		namespace, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer namespace.Close()
		if err := unix.Flock(int(namespace.Fd()), unix.LOCK_EX); err != nil {
			return err
		}
		return errors.Join(kept.Set([]Pair{pair(0, 1)}, 0), kept.Set(nil, 0))
	}))
}
