package crossconnect

import (
	"sync"
	"time"
)

// A filter on a clsact qdisc outlives the process that added it: it redirects
// only as long as the process renews its lease.
const (
	leaseTime  = 1500 * time.Millisecond
	leaseRenew = 500 * time.Millisecond
)

// renewal keeps a control word's lease from running out, until it is stopped.
type renewal struct {
	quit    chan struct{}
	stopped sync.WaitGroup
}

// keepLease renews the lease from now on, until Close.
func (c *control) keepLease() error {
	if c.renewal != nil {
		return nil
	}
	if err := c.renewLease(); err != nil {
		return err
	}
	r := &renewal{quit: make(chan struct{})}
	c.renewal = r
	r.stopped.Go(func() { r.run(c) })
	return nil
}

func (c *control) renewLease() error {
	now, err := monotonic()
	if err != nil {
		return err
	}
	return c.lease(now + leaseTime)
}

func (r *renewal) run(c *control) {
	ticker := time.NewTicker(leaseRenew)
	defer ticker.Stop()
	for {
		select {
		case <-r.quit:
			return
		case <-ticker.C:
			_ = c.renewLease() // should it fail, the pairs stop, which shows
		}
	}
}

// stop returns when the lease is not renewed any more. A nil *renewal renews none.
func (r *renewal) stop() {
	if r != nil {
		close(r.quit)
		r.stopped.Wait()
	}
}
