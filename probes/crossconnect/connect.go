package crossconnect

import (
	"errors"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// connector connects a generation of a set of pairs: it attaches what the generation
// needs, and directs its frames.
type connector struct {
	set        *kernelSet
	generation int
	links      links
	lookAt     LookAt
	yieldXDP   func(ifindex int) bool // nil: nothing gives way
	ways       *ways
}

// realize is connect, but fails if a pair that is new in the generation cannot be
// connected, unless that pair may wait.
func (c *connector) realize() error {
	var errs []error
	for _, p := range c.set.ingresses {
		if p.isNew(c.generation) && p.plan(c.generation).MayWait == 0 && c.links[p.name()] == nil {
			errs = append(errs, refuse(ErrMissing, "no interface %q here: `ip -br link` lists those there are", p.name()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.connect()
	for _, p := range c.set.ingresses {
		problem := p.legs[c.generation].problem
		// An interface may go while it is connected; then its pair waits.
		mayWait := p.plan(c.generation).MayWait != 0 && errors.Is(problem, unix.ENODEV)
		if problem == nil || !p.isNew(c.generation) || mayWait {
			continue
		}
		// Both directions may have the same.
		if !slices.ContainsFunc(errs, func(said error) bool { return said.Error() == problem.Error() }) {
			errs = append(errs, problem)
		}
	}
	return errors.Join(errs...)
}

// connect attaches what the generation needs and directs its frames. What cannot
// be done becomes the problem of the ingress, whose pair then waits.
func (c *connector) connect() {
	jobs := c.jobs()
	defer c.set.expediteFor(len(jobs))()
	c.load(jobs)
	for _, j := range jobs {
		<-j.loaded
		if j.err == nil {
			j.err = c.attach(j)
		}
	}
	for c.fallBack(jobs) {
		// The opposite direction may have to as well.
	}
	for _, j := range jobs {
		if j.err == nil && j.egress != nil {
			j.err = c.directFrames(j)
		}
	}
	for _, j := range jobs {
		if j.err != nil {
			c.giveUp(j)
		}
	}
}

// jobs lists the ingresses whose leg in the generation is not what it should be.
func (c *connector) jobs() []*attachJob {
	c.ways = newWays(c.set.ingresses, c.generation, c.links)
	var jobs []*attachJob
	for _, p := range c.set.ingresses {
		plan := p.plan(c.generation)
		if !isThere(plan) {
			continue
		}
		j := &attachJob{ingress: p, device: c.links[p.name()], egress: c.links[text(plan.Peer)]}
		switch {
		case j.device == nil || j.egress == nil:
			p.legs[c.generation].problem = p.stop(c.generation)
			if j.device != nil && !p.attached.any() {
				j.err = c.reserve(j)
				jobs = append(jobs, j)
			}
		case !p.leads(c.generation, j.egress.Attrs().Index):
			if j.err = c.errRing(p); j.err == nil {
				j.err = c.choose(j)
			}
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// load begins to load the programs that are most likely needed, on all CPUs, in
// the order of the jobs. To verify a program takes milliseconds, and so does to
// attach it. The kernel attaches one at a time, and waits for a grace period of
// RCU each time (tcx_entry_sync() in include/net/tcx.h).
func (c *connector) load(jobs []*attachJob) {
	next := make(chan *attachJob, len(jobs))
	for _, j := range jobs {
		j.loaded = make(chan struct{})
		next <- j
	}
	close(next)
	for range min(runtime.NumCPU(), len(jobs)) {
		go func() {
			for j := range next {
				j.loadFirst(c.set.loader)
				close(j.loaded)
			}
		}()
	}
}

// attach attaches the program for the first datapath that the kernel grants, and
// makes the ingress ready for frames.
func (c *connector) attach(j *attachJob) error {
	programs, err := attach.TCXIngress(j.device.Attrs().Index)
	if err != nil {
		return err
	}
	j.behind = c.lookAt.lastCounter(programs)
	isFirst := !j.ingress.attached.any()
	if err := j.attachAny(c.set.loader); err != nil {
		return err
	}
	if isFirst {
		if err := c.errTakenMeanwhile(j); err != nil {
			return errors.Join(err, j.ingress.detachAll(), j.done())
		}
	}
	return errors.Join(c.setPromisc(j), c.keepLease(j), j.done())
}

// setPromisc makes the interface of a pair take any frame.
func (c *connector) setPromisc(j *attachJob) error {
	if j.egress == nil {
		return nil
	}
	return c.set.promiscuity.enter(j.ingress, j.device)
}

// keepLease renews the lease of the control word from now on, if a filter of the
// ingress is to end with the process.
func (c *connector) keepLease(j *attachJob) error {
	tc := j.ingress.attached.tc
	if tc == nil || tc.hook != probes.HookClsact || j.ingress.isKept() {
		return nil
	}
	return c.set.control.keepLease()
}

// fallBack goes on to the next datapath where an interface does not send what XDP
// redirects to it. It returns whether there was such an interface. Because that may
// depend on the interface having an XDP program itself, it can be told only when all
// are attached.
func (c *connector) fallBack(jobs []*attachJob) (found bool) {
	for _, j := range jobs {
		if j.err != nil || j.try[0] != XDP || len(j.try) == 1 {
			continue
		}
		egress, err := deviceOf(j.egress)
		if err != nil {
			j.err = err
			continue
		}
		if unable := errNoXDPSend(egress); unable != nil {
			found = true
			j.try, j.reason = j.try[1:], unable.Error()
			j.err = errors.Join(j.ingress.trim(1-c.generation), c.attach(j))
		}
	}
	return found
}

// directFrames directs the frames of an ingress that has its program.
func (c *connector) directFrames(j *attachJob) error {
	p, other := j.ingress, 1-c.generation
	next := leg{datapath: j.try[0], reason: j.reason, egress: j.egress.Attrs().Index}
	plan := p.plan(c.generation)
	if was := p.legs[other]; was.egress == next.egress && was.datapath == next.datapath {
		plan.DroppedBefore = p.plan(other).DroppedBefore
	} else {
		// What was dropped so far is not to be blamed on this pair.
		redirects, err := c.set.redirects.count()
		if err != nil {
			return err
		}
		plan.DroppedBefore = droppedBy(next.datapath, redirects[p.ifindex()], j.egress)
	}
	return p.send(c.generation, next)
}

// giveUp makes a pair wait if one of its directions has an error, because one
// direction alone is no wire.
func (c *connector) giveUp(j *attachJob) {
	errs := []error{j.err, j.ingress.stop(c.generation)}
	if peer := c.set.ingresses.find(text(j.ingress.plan(c.generation).Peer)); peer != nil {
		errs = append(errs, peer.stop(c.generation))
	}
	j.ingress.legs[c.generation].problem = inOneLine(errors.Join(errs...))
}
