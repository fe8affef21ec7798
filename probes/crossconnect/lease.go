package crossconnect

import (
	"sync"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// A filter on a clsact qdisc outlives the process that added it: it redirects
// only as long as the process renews its lease.
const (
	leaseTime  = 1500 * time.Millisecond
	leaseRenew = 500 * time.Millisecond
)

// lease keeps a control word's lease from running out, until Close.
type lease struct {
	quit    chan struct{}
	stopped sync.WaitGroup
}

// keepLease renews the lease from now on, if a filter of the ingress is to end
// with the process.
func (w *PairSet) keepLease(p *ingress) error {
	isLeased := p.tc != nil && p.tc.hook == probes.HookClsact && p.record.Owner != 0
	if !isLeased || w.lease != nil {
		return nil
	}
	if err := renew(w.control); err != nil {
		return err
	}
	l := &lease{quit: make(chan struct{})}
	w.lease = l
	l.stopped.Go(func() { l.run(w.control) })
	return nil
}

func (l *lease) run(c *control) {
	ticker := time.NewTicker(leaseRenew)
	defer ticker.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-ticker.C:
			_ = renew(c) // should it fail, the pairs stop, which shows
		}
	}
}

func renew(c *control) error {
	now, err := monotonic()
	if err != nil {
		return err
	}
	return c.lease(now + leaseTime)
}

// Close lets the lease run out.
func (l *lease) Close() error {
	if l != nil {
		close(l.quit)
		l.stopped.Wait()
	}
	return nil
}
