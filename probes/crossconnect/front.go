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

// front is what was beside the tcx program of an ingress when that was looked at last.
type front struct {
	neighbours []ebpf.ProgramID
	obstacle   string // those ahead that may keep frames from it
	deprived   string // those behind, of somebody else
}

// isNew tells whether the neighbours are others now.
func (f *front) isNew(tc *attachment, r *ingressRecord) (bool, error) {
	n, err := tc.neighbours(r)
	return !slices.Equal(n.ids(), f.neighbours), err
}

// neighbours are the tcx programs that run before that of an ingress, and after it.
type neighbours struct{ ahead, behind []link.AttachedProgram }

// ids are the numbers of the programs, with 0 for that of the ingress. It returns none if
// there are no others.
func (n neighbours) ids() []ebpf.ProgramID {
	if len(n.ahead)+len(n.behind) == 0 {
		return nil
	}
	return slices.Concat(programIDs(n.ahead), []ebpf.ProgramID{0}, programIDs(n.behind))
}

// neighbours lists the tcx programs on r's interface beside this one. It returns none if a
// is nil or not on tcx.
func (a *attachment) neighbours(r *ingressRecord) (n neighbours, err error) {
	if a == nil || a.hook != probes.HookTC {
		return n, nil
	}
	info, err := a.link.(link.Link).Info()
	if err != nil {
		return n, fmt.Errorf("ask for the tcx link of %s: %w", r.name(), err)
	}
	programs, err := attach.TCXIngress(r.ifindex())
	if err != nil {
		return n, err
	}
	own := slices.IndexFunc(programs, func(p link.AttachedProgram) bool {
		id, _ := p.LinkID()
		return id == info.ID
	})
	if own < 0 {
		return n, nil // it was detached meanwhile
	}
	return neighbours{ahead: programs[:own], behind: programs[own+1:]}, nil
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
	n, err := p.attached.tc.neighbours(&p.ingressRecord)
	if err != nil {
		return err
	}
	fresh := false
	for _, id := range programIDs(n.ahead) {
		at := place{p.ifindex(), id}
		if !c.set.overtaken[at] && !c.lookAt.counts(id) {
			c.set.overtaken[at], fresh = true, true
		}
	}
	if fresh {
		if err := p.moveToFront(c.set.loader, c.lookAt.lastCounter(n.ahead)); err != nil {
			return err
		}
		if n, err = p.attached.tc.neighbours(&p.ingressRecord); err != nil {
			return err
		}
	}
	p.front = front{neighbours: n.ids(), obstacle: c.lookAt.foreign(n.ahead), deprived: c.lookAt.foreign(n.behind)}
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

// foreign names the programs that are of somebody else.
func (lookAt LookAt) foreign(programs []link.AttachedProgram) string {
	var foreign []string
	for _, id := range programIDs(programs) {
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
