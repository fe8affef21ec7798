// Package fake has what the tests of the screen show in place of a host: a
// source, and samples of which nothing exists.
package fake

import (
	"sync"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Source is a source whose samples the test decides on.
type Source struct {
	samples chan probes.Sample

	mu        sync.Mutex
	err       error
	intervals []time.Duration
}

// NewSource makes a source that has not sent anything.
func NewSource() *Source { return &Source{samples: make(chan probes.Sample, 1)} }

// Send delivers a sample once the one before was taken.
func (f *Source) Send(s probes.Sample) { f.samples <- s }

// Samples returns the channel of the samples that were sent.
func (f *Source) Samples() <-chan probes.Sample { return f.samples }

// SetInterval notes the interval.
func (f *Source) SetInterval(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.intervals = append(f.intervals, d)
}

// Err returns the error that End was called with.
func (f *Source) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Close does nothing.
func (f *Source) Close() error { return nil }

// End closes the source as if it had failed with err.
func (f *Source) End(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
	close(f.samples)
}

// LastInterval returns the argument of the last SetInterval.
func (f *Source) LastInterval() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.intervals) == 0 {
		return 0
	}
	return f.intervals[len(f.intervals)-1]
}
