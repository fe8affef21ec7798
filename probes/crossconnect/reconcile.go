package crossconnect

import "errors"

// catchUp does what is due since the last change: a trial is over, devices came or
// went, or a process that watched was killed.
func (c *change) catchUp() error {
	if err := errors.Join(c.followDevices(), c.unwatchDead()); err != nil {
		return err
	}
	if c.isTrialOver() {
		if err := c.set.commit(c.active()); err != nil {
			return err
		}
	}
	if !c.isOnTrial() {
		c.word = newControlWord(c.active(), 0)
	}
	return nil
}

// reconcile connects what can be connected by now.
func (c *change) reconcile() error {
	c.connector(c.active()).connect()
	if c.isOnTrial() {
		c.connector(1 - c.active()).connect()
		return c.overtake()
	}
	return errors.Join(c.set.prune(c.active()), c.overtake())
}

// followDevices makes ingresses lose devices that are gone, and take new names.
func (c *change) followDevices() error {
	present := make(map[int]string, len(c.links))
	for name, l := range c.links {
		present[l.Attrs().Index] = name
	}
	var errs []error
	lost := false
	for _, p := range c.set.ingresses {
		if p.ifindex() == 0 {
			continue
		}
		attached, err := p.attached.areAt(p.ifindex())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		home, err := p.maps.devices.isHome()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		name, here := present[p.ifindex()]
		switch {
		case !here, !attached, !home, name != p.name() && c.set.ingresses.find(name) != nil:
			// Gone, gone and back, gone and another has its ifindex, or under a name that another ingress waits for.
			errs = append(errs, c.set.restoreDevice(p), p.lose())
			lost = true
		case name != p.name():
			errs = append(errs, c.set.ingresses.rename(p, name))
		}
	}
	if lost {
		// A device may be back with our programs, which are detached by now.
		var err error
		c.links, err = listLinks()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// unwatchDead brings back the programs that only redirect where the process that
// watched was killed.
func (c *change) unwatchDead() error {
	var errs []error
	for _, p := range c.set.ingresses {
		if p.isWatcherDead() {
			errs = append(errs, p.unwatch(c.set.loader))
		}
	}
	return errors.Join(errs...)
}
