package live

import (
	"errors"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/impact"
)

// Live is a PairEditor. The goroutine that owns the probes makes all changes, so that no
// lock is needed and no sample shows half of a change.
var _ probes.PairEditor = (*Live)(nil)

var errEnding = errors.New("ebpftop is ending")

// do calls fn on the goroutine that owns the probes.
func (l *Live) do(fn func() error) error {
	result := make(chan error, 1)
	select {
	case l.requests <- func() { result <- fn() }:
	case <-l.stopped:
		return errEnding
	}
	select {
	case err := <-result:
		return l.opts.explain(err)
	case <-l.stopped:
		return errEnding
	}
}

// Impact says what a change would do to what uses the interfaces now.
func (l *Live) Impact(c probes.Change) (told probes.Impact, err error) {
	err = l.do(func() error {
		told, err = impact.Of(c, l.connectionsOn, l.inspector.Sessions)
		return err
	})
	return told, err
}

// connectionsOn counts the connections that an interface carried within the
// last minute, as of the last sample.
func (l *Live) connectionsOn(iface string) (n int) {
	now := time.Now()
	for i := range l.seen {
		if c := &l.seen[i]; c.Passes(iface) && now.Sub(c.LastSeen) < time.Minute {
			n++
		}
	}
	return n
}

// change is do for what must wait if another process is changing cross-connects. The
// caller waits, not the goroutine that owns the probes.
func (l *Live) change(fn func() error) error {
	for start := time.Now(); ; {
		err := l.do(fn)
		if !errors.Is(err, crossconnect.ErrLocked) || time.Since(start) >= crossconnect.Patience(err) {
			return err
		}
	}
}

// Apply makes a change, all of it or nothing.
func (l *Live) Apply(c probes.Change) error {
	return l.change(func() error { return l.pairs.apply(c) })
}

// Confirm makes what is on trial stay.
func (l *Live) Confirm() error { return l.change(l.pairs.confirm) }

// Undo takes back what is on trial, or else the last change; once more, it
// makes it again.
func (l *Live) Undo() error { return l.change(l.pairs.undo) }

// KeepAll lets all pairs stay when ebpftop ends.
func (l *Live) KeepAll() error { return l.change(l.pairs.keepAll) }
