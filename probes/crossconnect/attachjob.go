package crossconnect

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// attachJob is an ingress that is being attached.
type attachJob struct {
	ingress        *ingress
	device, egress netlink.Link  // its own, and its peer's
	try            []Datapath    // in this order
	reason         string        // why the first of them
	behind         link.ID       // that it goes behind on tcx, 0: none
	loaded         chan struct{} // closed when the next two are set
	program        *ebpf.Program // for the first of them, if it was loaded; once attached, that
	err            error
}

// loadFirst loads the program for the first of the datapaths to try, unless that
// is attached already.
func (j *attachJob) loadFirst(l *loader) {
	if j.err == nil && j.ingress.attached.serving(j.try[0]) == nil {
		j.program, j.err = l.load(j.ingress, j.try[0])
	}
}

// attachAny attaches the program for the first datapath that the kernel grants.
func (j *attachJob) attachAny(l *loader) error {
	var refused []error
	for len(j.try) > 0 {
		err := j.attachFirst(l)
		if err == nil {
			if len(refused) > 0 {
				j.reason += "; " + inOneLine(errors.Join(refused...)).Error()
			}
			return nil
		}
		refused = append(refused, fmt.Errorf("%s refused on %s: %w", j.try[0], j.device.Attrs().Name, err))
		j.try = j.try[1:]
	}
	return errors.Join(refused...)
}

// attachFirst attaches the program for the first of the datapaths to try, and keeps its
// descriptor until done.
func (j *attachJob) attachFirst(l *loader) error {
	program, d := j.program, j.try[0]
	j.program = nil
	if j.ingress.attached.serving(d) != nil {
		return nil
	}
	if program == nil {
		var err error
		if program, err = l.load(j.ingress, d); err != nil {
			return err
		}
	}
	if err := j.ingress.attach(program, l.hook(d), j.device.Attrs().Index, j.behind); err != nil {
		return errors.Join(err, program.Close())
	}
	j.program = program
	return nil
}

// done closes the descriptor of the program, which what it is attached by keeps.
func (j *attachJob) done() error {
	program := j.program
	j.program = nil
	return program.Close() // nil closes nothing
}
