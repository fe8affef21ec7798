package crossconnect

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"

	"github.com/cilium/ebpf"
)

// connection is a port that is to get its way.
type connection struct {
	port            *port
	generation      int
	ingress, egress netlink.Link
	try             []Datapath // in this order
	reason          string
	program         *ebpf.Program // for the first of them, if it was loaded
	err             error
}

// realize attaches what a generation needs and directs its frames, or fails
// if that cannot be done for a pair that may not wait.
func (w *Wiring) realize(generation int, links links) error {
	var errs []error
	for _, p := range w.ports {
		plan := p.plan(generation)
		if isThere(plan) && plan.MayWait == 0 && links[p.name()] == nil {
			errs = append(errs, fmt.Errorf("no interface %q here: `ip -br link` lists those there are", p.name()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	w.connect(generation, links)
	for _, p := range w.ports {
		if problem := p.ways[generation].problem; problem != nil {
			errs = append(errs, problem)
		}
	}
	return errors.Join(errs...)
}

// connect attaches what a generation needs and directs its frames. What cannot
// be done becomes the problem of the port, whose pair then waits.
func (w *Wiring) connect(generation int, links links) {
	connections := w.toConnect(generation, links)
	w.load(connections)
	for _, c := range connections {
		if c.err == nil {
			c.err = w.attach(c)
		}
	}
	// Whether an interface sends what XDP redirects to it may depend on its
	// having an XDP program itself, so only now can be told.
	for _, c := range connections {
		if c.err == nil {
			c.err = w.direct(c)
		}
		if c.err != nil {
			c.err = errors.Join(c.err, c.port.send(generation, way{}))
			c.port.ways[generation].problem = c.err
		}
	}
}

// toConnect lists the ports whose way in a generation is not what it should be.
func (w *Wiring) toConnect(generation int, links links) []*connection {
	var list []*connection
	for _, p := range w.ports {
		plan := p.plan(generation)
		c := &connection{port: p, generation: generation}
		c.ingress, c.egress = links[p.name()], links[text(plan.Peer)]
		now := p.ways[generation]
		switch {
		case !isThere(plan) || c.ingress == nil || c.egress == nil:
			if now.datapath != "" {
				c.err = p.send(generation, way{})
			}
			p.ways[generation].problem = c.err
			continue
		case now.egress == c.egress.Attrs().Index && p.attached(now.datapath) != nil:
			continue
		}
		c.try, c.reason, c.err = w.datapaths(p, wish(plan.Wish), c.ingress, c.egress)
		list = append(list, c)
	}
	return list
}

// datapaths are those to try, given what is attached already.
func (w *Wiring) datapaths(p *port, wish Datapath, ingress, egress netlink.Link) ([]Datapath, string, error) {
	from, err := deviceOf(ingress)
	if err != nil {
		return nil, "", err
	}
	to, err := deviceOf(egress)
	if err != nil {
		return nil, "", err
	}
	p.isBare = !from.hasEthernet
	if from.foreignXDP && p.xdp == nil {
		// If XDP is it but for a program that gives way, then let it.
		from.foreignXDP = false
		try, _, err := datapathsToTry(wish, from, to)
		wanted := err == nil && try[0] != TC
		from.foreignXDP = !wanted || w.YieldXDP == nil || !w.YieldXDP(ingress.Attrs().Index)
	} else {
		from.foreignXDP = false
	}
	return datapathsToTry(wish, from, to)
}

// load loads the programs that are most likely needed, on all CPUs: verifying
// one takes milliseconds.
func (w *Wiring) load(connections []*connection) {
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for _, c := range connections {
		if c.err != nil || c.port.attached(c.try[0]) != nil {
			continue
		}
		group.Go(func() error {
			c.program, c.err = w.loader.load(c.port, c.try[0])
			return nil
		})
	}
	_ = group.Wait() // errors are the connections'
}

// attach attaches the program for the first datapath that the kernel grants.
func (w *Wiring) attach(c *connection) error {
	if c.program != nil {
		defer c.program.Close() // the link keeps it
	}
	var refused []error
	for i, d := range c.try {
		program := c.program
		if i > 0 && c.port.attached(d) == nil {
			var err error
			if program, err = w.loader.load(c.port, d); err != nil {
				return err
			}
			defer program.Close()
		}
		err := c.port.attach(program, d, c.ingress)
		if err == nil {
			c.try = c.try[i:]
			if len(refused) > 0 {
				c.reason += "; " + errors.Join(refused...).Error()
			}
			return errors.Join(w.promiscuity.enter(c.port, c.ingress), w.keepLease(c.port))
		}
		refused = append(refused, fmt.Errorf("%s refused on %s: %w", d, c.ingress.Attrs().Name, err))
	}
	return errors.Join(refused...)
}

// direct directs the frames of a port that has its program.
func (w *Wiring) direct(c *connection) error {
	d := c.try[0]
	if d == XDP && len(c.try) > 1 {
		egress, err := deviceOf(c.egress)
		if err != nil {
			return err
		}
		if unable := errNoXDPSend(egress); unable != nil {
			c.try, c.reason, c.program = c.try[1:], unable.Error(), nil
			w.load([]*connection{c})
			if c.err != nil {
				return c.err
			}
			if err := w.attach(c); err != nil {
				return err
			}
			d = c.try[0]
		}
	}
	next := way{datapath: d, reason: c.reason, egress: c.egress.Attrs().Index}
	plan, other := c.port.plan(c.generation), c.port.ways[1-c.generation]
	if other.egress != next.egress || other.datapath != d {
		dropped, err := w.droppedSoFar(c.port, d, c.egress)
		if err != nil {
			return err
		}
		plan.DroppedBefore = dropped
	}
	return c.port.send(c.generation, next)
}

// followDevices makes ports lose devices that are gone, and take new names.
func (w *Wiring) followDevices(links links) error {
	present := make(map[int]string, len(links))
	for name, l := range links {
		present[l.Attrs().Index] = name
	}
	var errs []error
	for _, p := range w.ports {
		if p.ifindex == 0 {
			continue
		}
		name, ok := present[p.ifindex]
		switch {
		case !ok, name != p.name() && w.port(name) != nil:
			// Gone; or now under a name that another port waits for.
			errs = append(errs, w.promiscuity.leave(p), p.lose())
		case name != p.name():
			errs = append(errs, w.rename(p, name))
		}
	}
	return errors.Join(errs...)
}

// rename follows a device to its new name, in all plans.
func (w *Wiring) rename(p *port, name string) error {
	old := p.record.Name
	p.record.Name = interfaceName(name)
	errs := []error{p.write()}
	for _, other := range w.ports {
		for generation := range generations {
			if plan := other.plan(generation); plan.Peer == old {
				plan.Peer = p.record.Name
				errs = append(errs, other.write())
			}
		}
	}
	return errors.Join(errs...)
}
