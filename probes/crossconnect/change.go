package crossconnect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// change is a change of a set of pairs that nobody else changes meanwhile. It has what
// there was when it began, and whom to ask about programs of others.
type change struct {
	moment
	set      *kernelSet
	links    links
	lookAt   LookAt
	yieldXDP func(ifindex int) bool // nil: nothing gives way
}

// connector connects a generation of the set.
func (c *change) connector(generation int) *connector {
	return &connector{set: c.set, generation: generation, links: c.links, lookAt: c.lookAt, yieldXDP: c.yieldXDP}
}

// replace makes plans the set, instead of that of the active generation.
func (c *change) replace(plans map[string]plan, trial time.Duration) error {
	if err := c.set.prepare(); err != nil {
		return err
	}
	next, err := c.fillIdle(plans, trial)
	if err == nil {
		err = c.set.put(next)
	}
	if err != nil {
		return errors.Join(err, c.restore())
	}
	if trial != 0 {
		return nil
	}
	return c.set.clear(1 - c.active())
}

// fillIdle puts plans into the idle generation, and connects it. It returns the control
// word that makes this generation active.
func (c *change) fillIdle(plans map[string]plan, trial time.Duration) (next controlWord, err error) {
	idle := 1 - c.active()
	if err := c.write(plans); err != nil {
		return 0, err
	}
	if trial != 0 {
		if err := c.errTwoModes(); err != nil {
			return 0, err
		}
	}
	if err := c.connector(idle).realize(); err != nil {
		return 0, err
	}
	now, err := monotonic()
	if err != nil {
		return 0, err
	}
	if trial == 0 {
		return newControlWord(idle, 0), nil
	}
	return newControlWord(idle, now+trial), nil
}

// restore removes what a change brought that failed, and attaches again what
// it had to detach.
func (c *change) restore() error {
	err := c.set.prune(c.active())
	links, errLinks := listLinks() // what is attached has changed
	if errLinks == nil {
		c.links = links
		c.connector(c.active()).connect()
	}
	return errors.Join(err, errLinks)
}

// write writes the plans into the idle generation. Because frames in flight may still
// be directed by it, its leg of a pair that does not change stays the same as the
// active one all the time.
func (c *change) write(plans map[string]plan) error {
	for _, name := range slices.Sorted(maps.Keys(plans)) {
		if c.set.ingresses.find(name) == nil {
			if err := c.set.addIngress(name); err != nil {
				return err
			}
		}
	}
	active, idle := c.active(), 1-c.active()
	for _, p := range c.set.ingresses {
		traffic, err := p.readTraffic()
		if err != nil {
			return err
		}
		next, idleLeg := plans[p.name()], leg{}
		if isSame(&next, p.plan(active)) {
			idleLeg = p.legs[active]
		}
		traffic.setPlan(&p.record, idle, next)
		if err := p.send(idle, idleLeg); err != nil {
			return err
		}
	}
	return nil
}

// errTwoModes fails if the kernel could not end a trial, because one XDP program fits on
// an interface, of one mode, and generic XDP stands in for tc.
func (c *change) errTwoModes() error {
	active, idle := c.active(), 1-c.active()
	for _, p := range c.set.ingresses {
		requested, now := datapathOf(p.plan(idle).Requested), p.legs[active].datapath
		if p.isNew(idle) && now != "" && (requested == XDPGeneric) != (now == XDPGeneric) {
			return fmt.Errorf("%s: a trial cannot put %s in the place of %s: change it without a trial", p.name(), requested, now)
		}
	}
	return nil
}
