package crossconnect

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// reserve is choose for an interface whose peer is missing. It gets a program that
// redirects nothing, by which other processes see who has the interface.
func (c *connector) reserve(j *attachJob) error {
	j.try = []Datapath{TC}
	j.ingress.isOf(describe(j.device))
	return c.errTaken(j.device, nil)
}

// errRing fails if what enters would come round to where it entered.
func (c *connector) errRing(p *ingress) error {
	if way := c.ways.ring(p.name()); way != nil {
		return refuse(ErrRing, "a frame would go round for ever: %s", strings.Join(way, " > "))
	}
	return nil
}

// choose finds the datapaths to try, given what is attached already.
func (c *connector) choose(j *attachJob) error {
	p := j.ingress
	from, err := deviceOf(j.device)
	if err != nil {
		return err
	}
	to, err := deviceOf(j.egress)
	if err != nil {
		return err
	}
	p.isOf(from)
	if !p.attached.any() {
		if err := c.errTaken(j.device, nil); err != nil {
			return err
		}
	}
	requested := datapathOf(p.plan(c.generation).Requested)
	if from.foreignXDP {
		// XDP is not taken if the program is ours, or if it is to be XDP and the
		// program gives way.
		from.foreignXDP = false
		try, _, err := datapathsToTry(requested, from, to)
		wanted := err == nil && try[0] != TC
		from.foreignXDP = p.attached.xdp == nil && !(wanted && c.yields(j.device))
		if program, err := c.lookAt(ebpf.ProgramID(j.device.Attrs().Xdp.ProgId)); err == nil {
			from.xdpProgram = program.Name
		}
	}
	j.try, j.reason, err = datapathsToTry(requested, from, to)
	return err
}

// yields makes an XDP program of the caller's give way, and tells whether it did.
func (c *connector) yields(device netlink.Link) bool {
	return c.yieldXDP != nil && c.yieldXDP(device.Attrs().Index)
}

// errTakenMeanwhile is errTaken once the ingress has its program. Because not all who
// connect have the same lock (one that may not keep pairs has none, and each bpffs has its
// own), another set may have connected the device since it was looked at. If all look
// again after they attached, one at least sees the other.
func (c *connector) errTakenMeanwhile(j *attachJob) error {
	device, err := netlink.LinkByIndex(j.device.Attrs().Index)
	if _, isGone := errors.AsType[netlink.LinkNotFoundError](err); isGone {
		err = unix.ENODEV // for which a pair may wait
	}
	if err != nil {
		return fmt.Errorf("look at %s again: %w", j.ingress.name(), err)
	}
	return c.errTaken(device, j.program)
}

// errTaken returns ErrTaken, wrapped, if the device is in a pair of another set of pairs,
// or will be in one again when a trial ends. It does not look at attached, a program of this
// set, because that may take another process: nil is none.
func (c *connector) errTaken(device netlink.Link, attached *ebpf.Program) error {
	lookAt, err := c.lookAt.but(attached)
	if err != nil {
		return err
	}
	ingresses, err := findIngresses(device, lookAt)
	if err != nil || len(ingresses) == 0 {
		return err
	}
	own, err := mapID(c.set.control.m)
	if err != nil {
		return err
	}
	now, err := monotonic()
	if err != nil {
		return err
	}
	for _, f := range ingresses {
		if f.Control != own && f.isOwned() && !f.isLeftOver(now) {
			advice := f.advice()
			if f.isKeptElsewhere(device) {
				advice = "it is kept by pins in another bpffs, a container's or one that another is mounted over: `ebpftop xconnect del` there ends that"
			}
			return refuse(ErrTaken, "%s is in a pair already: %s", device.Attrs().Name, advice)
		}
	}
	return nil
}
