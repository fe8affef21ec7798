package crossconnect

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cilium/ebpf"
)

// attachJob is an ingress that is to get its way.
type attachJob struct {
	port            *ingress
	generation      int
	ingress, egress netlink.Link
	try             []Datapath // in this order
	reason          string
	loaded          chan struct{} // closed when the next two are set
	program         *ebpf.Program // for the first of them, if it was loaded
	err             error
}

// realize attaches what a generation needs and directs its frames, or fails if
// that cannot be done for a pair that is new in it, unless that may wait.
func (w *PairSet) realize(generation int, links links) error {
	var errs []error
	for _, p := range w.ingresses {
		if p.isNew(generation) && p.plan(generation).MayWait == 0 && links[p.name()] == nil {
			errs = append(errs, refuse(ErrMissing, "no interface %q here: `ip -br link` lists those there are", p.name()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	w.connect(generation, links)
	for _, p := range w.ingresses {
		problem := p.ways[generation].problem
		// An interface may go while it is connected; then its pair waits.
		mayWait := p.plan(generation).MayWait != 0 && errors.Is(problem, unix.ENODEV)
		if problem != nil && p.isNew(generation) && !mayWait {
			errs = append(errs, problem)
		}
	}
	return errors.Join(errs...)
}

// connect attaches what a generation needs and directs its frames. What cannot
// be done becomes the problem of the ingress, whose pair then waits.
func (w *PairSet) connect(generation int, links links) {
	connections := w.toConnect(generation, links)
	w.load(connections)
	for _, c := range connections {
		<-c.loaded
		if c.err == nil {
			c.err = w.attach(c)
		}
	}
	for w.fallBack(connections) {
		// The opposite direction may have to as well.
	}
	for _, c := range connections {
		if c.err == nil && c.egress != nil {
			c.err = w.directFrames(c)
		}
	}
	for _, c := range connections {
		if c.err != nil {
			w.giveUp(c)
		}
	}
}

// toConnect lists the ingresses whose way in a generation is not what it should be.
func (w *PairSet) toConnect(generation int, links links) []*attachJob {
	var list []*attachJob
	for _, p := range w.ingresses {
		plan := p.plan(generation)
		if !isThere(plan) {
			continue
		}
		c := &attachJob{port: p, generation: generation}
		c.ingress, c.egress = links[p.name()], links[text(plan.Peer)]
		switch {
		case c.ingress == nil || c.egress == nil:
			p.ways[generation].problem = p.stop(generation)
			if c.ingress != nil && p.xdp == nil && p.tc == nil {
				c.err = w.reserve(c)
				list = append(list, c)
			}
		case !p.leads(generation, c.egress.Attrs().Index):
			c.try, c.reason, c.err = w.datapaths(p, wish(plan.Wish), c.ingress, c.egress)
			list = append(list, c)
		}
	}
	return list
}

// reserve is for the interface of a pair whose other one is missing: a program
// that redirects nothing tells other processes whose the interface is.
func (w *PairSet) reserve(c *attachJob) error {
	c.try = []Datapath{TC}
	c.port.isBare = !describe(c.ingress).hasEthernet
	return w.errTaken(c.ingress)
}

// datapaths are those to try, given what is attached already.
func (w *PairSet) datapaths(p *ingress, wish Datapath, ingress, egress netlink.Link) ([]Datapath, string, error) {
	from, err := deviceOf(ingress)
	if err != nil {
		return nil, "", err
	}
	to, err := deviceOf(egress)
	if err != nil {
		return nil, "", err
	}
	p.isBare = !from.hasEthernet
	if p.xdp == nil && p.tc == nil {
		if err := w.errTaken(ingress); err != nil {
			return nil, "", err
		}
	}
	if from.foreignXDP {
		// If XDP is it but for a program that is ours or gives way, then let it.
		from.foreignXDP = false
		try, _, err := datapathsToTry(wish, from, to)
		wanted := err == nil && try[0] != TC
		yields := func() bool { return w.YieldXDP != nil && w.YieldXDP(ingress.Attrs().Index) }
		from.foreignXDP = p.xdp == nil && !(wanted && yields())
		if program, err := w.LookAt(ebpf.ProgramID(ingress.Attrs().Xdp.ProgId)); err == nil {
			from.xdpProgram = program.Name
		}
	}
	return datapathsToTry(wish, from, to)
}

// load begins to load the programs that are most likely needed, on all CPUs, in
// the order of the connections. To verify one takes milliseconds, and so does to
// attach one: the kernel attaches one at a time, and waits for a grace period of
// RCU each time (tcx_entry_sync() in include/net/tcx.h).
func (w *PairSet) load(connections []*attachJob) {
	next := make(chan *attachJob, len(connections))
	for _, c := range connections {
		c.loaded = make(chan struct{})
		next <- c
	}
	close(next)
	for range min(runtime.NumCPU(), len(connections)) {
		go func() {
			for c := range next {
				w.loadFirst(c)
				close(c.loaded)
			}
		}()
	}
}

// loadFirst loads the program for the first of the datapaths to try, unless that
// is attached already.
func (w *PairSet) loadFirst(c *attachJob) {
	if c.err == nil && c.port.attached(c.try[0]) == nil {
		c.program, c.err = w.loader.load(c.port, c.try[0])
	}
}

// attach attaches the program for the first datapath that the kernel grants.
func (w *PairSet) attach(c *attachJob) error {
	var refused []error
	for len(c.try) > 0 {
		err := w.attachFirst(c)
		if err == nil {
			if len(refused) > 0 {
				c.reason += "; " + inOneLine(errors.Join(refused...)).Error()
			}
			return errors.Join(w.setPromisc(c), w.keepLease(c.port))
		}
		refused = append(refused, fmt.Errorf("%s refused on %s: %w", c.try[0], c.ingress.Attrs().Name, err))
		c.try = c.try[1:]
	}
	return errors.Join(refused...)
}

// setPromisc makes the interface of a pair take any frame.
func (w *PairSet) setPromisc(c *attachJob) error {
	if c.egress == nil {
		return nil
	}
	return w.promiscuity.enter(c.port, c.ingress)
}

// attachFirst attaches the program for the first of the datapaths to try.
func (w *PairSet) attachFirst(c *attachJob) error {
	program, d := c.program, c.try[0]
	c.program = nil
	if c.port.attached(d) != nil {
		return nil
	}
	if program == nil {
		var err error
		if program, err = w.loader.load(c.port, d); err != nil {
			return err
		}
	}
	defer program.Close() // the link keeps it
	return c.port.attach(program, w.loader.hook(d), c.ingress.Attrs().Index)
}

// fallBack takes to the next datapath where an interface does not send what XDP
// redirects to it, and tells whether there was one. That may depend on the
// interface having an XDP program itself, so only when all are attached can it
// be told.
func (w *PairSet) fallBack(connections []*attachJob) (found bool) {
	for _, c := range connections {
		if c.err != nil || c.try[0] != XDP || len(c.try) == 1 {
			continue
		}
		egress, err := deviceOf(c.egress)
		if err != nil {
			c.err = err
			continue
		}
		if unable := errNoXDPSend(egress); unable != nil {
			found = true
			c.try, c.reason = c.try[1:], unable.Error()
			c.err = errors.Join(c.port.trim(1-c.generation), w.attach(c))
		}
	}
	return found
}

// directFrames directs the frames of an ingress that has its program.
func (w *PairSet) directFrames(c *attachJob) error {
	next := leg{datapath: c.try[0], reason: c.reason, egress: c.egress.Attrs().Index}
	plan, other := c.port.plan(c.generation), 1-c.generation
	if was := c.port.ways[other]; was.egress == next.egress && was.datapath == next.datapath {
		plan.DroppedBefore = c.port.plan(other).DroppedBefore
	} else {
		dropped, err := w.droppedSoFar(c.port, next.datapath, c.egress)
		if err != nil {
			return err
		}
		plan.DroppedBefore = dropped
	}
	return c.port.send(c.generation, next)
}

// giveUp makes the pair wait whose direction has an error: one direction alone
// is no wire.
func (w *PairSet) giveUp(c *attachJob) {
	errs := []error{c.err, c.port.stop(c.generation)}
	if peer := w.ingress(text(c.port.plan(c.generation).Peer)); peer != nil {
		errs = append(errs, peer.stop(c.generation))
	}
	c.port.ways[c.generation].problem = inOneLine(errors.Join(errs...))
}
