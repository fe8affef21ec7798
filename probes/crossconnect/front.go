package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// tcx programs run one after the other, until one decides about the frame. So that of a
// cross-connect runs before those of others, but behind those of ebpftop, which count and
// pass on.

// place is where a program of somebody else came first.
type place struct {
	ifindex int
	program ebpf.ProgramID
}

// front is what was ahead of the tcx program of an ingress when that was looked at last.
type front struct {
	programs []ebpf.ProgramID
	obstacle string // those of them that may keep frames from it
}

// isNew tells whether other programs are ahead now.
func (f *front) isNew(tc *attachment, r *ingressRecord) (bool, error) {
	programs, err := tc.ahead(r)
	return !slices.Equal(programIDs(programs), f.programs), err
}

// ahead lists the tcx programs on r's interface that run before this one. It returns none
// if a is nil or not on tcx.
func (a *attachment) ahead(r *ingressRecord) ([]link.AttachedProgram, error) {
	if a == nil || a.hook != probes.HookTC {
		return nil, nil
	}
	info, err := a.link.(link.Link).Info()
	if err != nil {
		return nil, fmt.Errorf("ask for the tcx link of %s: %w", r.name(), err)
	}
	programs, err := attach.TCXIngress(r.ifindex())
	if err != nil {
		return nil, err
	}
	own := slices.IndexFunc(programs, func(p link.AttachedProgram) bool {
		id, _ := p.LinkID()
		return id == info.ID
	})
	return programs[:max(own, 0)], nil // none if it was detached meanwhile
}

func programIDs(programs []link.AttachedProgram) (ids []ebpf.ProgramID) {
	for _, a := range programs {
		ids = append(ids, a.ID)
	}
	return ids
}

// overtake moves programs in front of those of others, and notes what is still ahead.
func (c *change) overtake() error {
	var errs []error
	for _, p := range c.set.ingresses {
		if err := c.overtakeOn(p); err != nil {
			errs = append(errs, fmt.Errorf("put the cross-connect of %s in front: %w", p.name(), err))
		}
	}
	return errors.Join(errs...)
}

// overtakeOn does so on one ingress, and once for each program of others: two that both
// insist would never end.
func (c *change) overtakeOn(p *ingress) error {
	ahead, err := p.attached.tc.ahead(&p.ingressRecord)
	if err != nil {
		return err
	}
	fresh := false
	for _, id := range programIDs(ahead) {
		at := place{p.ifindex(), id}
		if !c.set.overtaken[at] && !c.lookAt.counts(id) {
			c.set.overtaken[at], fresh = true, true
		}
	}
	if fresh {
		if err := p.moveToFront(c.set.loader, c.lookAt.lastCounter(ahead)); err != nil {
			return err
		}
		if ahead, err = p.attached.tc.ahead(&p.ingressRecord); err != nil {
			return err
		}
	}
	p.front = front{programs: programIDs(ahead), obstacle: c.lookAt.obstacle(ahead)}
	return nil
}

// moveToFront attaches the tcx program anew, right behind a link. Because both redirect
// alike, the new one can come first: no frame is lost.
func (p *ingress) moveToFront(l *loader, behind link.ID) error {
	program, err := l.load(p, TC)
	if err != nil {
		return err
	}
	defer program.Close()
	made, err := newAttachment(program, probes.HookTC, p.ifindex(), p.isKept(), behind)
	if err != nil {
		return err
	}
	if err := p.pins.replace(linkPin(made.hook), made.link); err != nil {
		return errors.Join(err, made.end())
	}
	old := p.attached.tc
	p.attached.tc, p.changed = made, true
	return old.end()
}

// obstacle says which of the programs ahead may keep frames from a cross-connect.
func (lookAt LookAt) obstacle(ahead []link.AttachedProgram) string {
	var foreign []string
	for _, id := range programIDs(ahead) {
		if lookAt.counts(id) {
			continue
		}
		program, _ := lookAt(id) // without a name if it may not be looked at
		foreign = append(foreign, strings.TrimSpace(fmt.Sprintf("%s (program %d)", program.Name, id)))
	}
	return strings.Join(foreign, ", ")
}

// lastCounter returns the link of the last of those programs of ebpftop that run first and
// count, 0 if there is none.
func (lookAt LookAt) lastCounter(programs []link.AttachedProgram) (last link.ID) {
	for _, a := range programs {
		if !lookAt.counts(a.ID) {
			break
		}
		last, _ = a.LinkID()
	}
	return last
}

// counts tells whether a program is of an ebpftop, and passes on every frame.
func (lookAt LookAt) counts(id ebpf.ProgramID) bool {
	program, err := lookAt(id)
	if errors.Is(err, os.ErrPermission) {
		return ownPrograms()[id]
	}
	return err == nil && program.Counts
}
