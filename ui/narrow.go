package ui

import (
	"slices"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// narrowing is what all panes are narrowed to: an interface, or the connections of an owner, a
// host, ... The zero value is nothing.
type narrowing struct {
	subject snapshot.Subject
	// choices are what the key goes through while it is pressed again and again, because the
	// row that they are of may no longer be there. Any other key ends that.
	choices []snapshot.Subject
}

func (n *narrowing) isNone() bool { return n.subject.Kind == snapshot.OfNothing }

// ask puts it into q.
func (n *narrowing) ask(q *snapshot.Query) {
	switch n.subject.Kind {
	case snapshot.OfInterface:
		q.Scope = n.subject.Name
	case snapshot.OfGroup:
		q.Narrow = n.subject
	}
}

// next goes through what a row can narrow to, and back to all.
func (n *narrowing) next(choices []snapshot.Subject) {
	at := slices.Index(choices, n.subject) + 1 // of none: -1
	if n.subject = (snapshot.Subject{}); at < len(choices) {
		n.subject = choices[at]
	}
}

// follow follows the interface that is narrowed to: to another name, or, if it is gone and
// another one has its name, to that.
func (n *narrowing) follow(rows []probes.Interface) {
	if n.subject.Kind != snapshot.OfInterface {
		return
	}
	at := slices.IndexFunc(rows, func(i probes.Interface) bool { return i.Key() == n.subject.Interface })
	if at < 0 {
		at = slices.IndexFunc(rows, func(i probes.Interface) bool { return i.Name == n.subject.Name })
	}
	if at >= 0 {
		n.subject = snapshot.InterfaceSubject(&rows[at])
	}
}

// narrowings are what a row can narrow all panes to, the likeliest first.
func narrowings(d *snapshot.Detail) (out []snapshot.Subject) {
	add := func(s snapshot.Subject) {
		if s.Kind != snapshot.OfNothing && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	switch {
	case d.Connection != nil:
		c := d.Connection
		add(snapshot.OwnerSubject(c.Owner))
		add(snapshot.HostSubject(c.Remote))
		add(snapshot.NamedInterface(c.Interface))
		for _, name := range c.Path {
			add(snapshot.NamedInterface(name))
		}
		add(snapshot.GroupSubject(snapshot.ByProtocol, c))
	case d.Interface != nil:
		add(snapshot.InterfaceSubject(d.Interface.Interface))
	case d.Protocol != nil:
		add(snapshot.GroupSubject(snapshot.ByProtocol, &probes.Connection{Protocol: d.Protocol.Name}))
	case d.Group != nil:
		add(snapshot.Subject{Kind: snapshot.OfGroup, By: d.Group.By, Group: d.Group.ID})
	case d.Drop != nil:
		add(snapshot.NamedInterface(d.Drop.Interface))
		for _, packet := range d.Drop.Latest {
			add(snapshot.OwnerSubject(packet.Owner))
			if packet.Remote != nil {
				add(snapshot.HostSubject(*packet.Remote))
			}
		}
	case d.Exec != nil:
		of := &probes.Connection{Owner: &probes.Owner{Unit: d.Exec.Unit, Container: d.Exec.Container, Comm: d.Exec.Comm}}
		add(snapshot.OwnerSubject(d.Owner))
		if d.Exec.Container != "" {
			add(snapshot.GroupSubject(snapshot.ByContainer, of))
		}
		if d.Exec.Unit != "" {
			add(snapshot.GroupSubject(snapshot.ByUnit, of))
		}
		add(snapshot.GroupSubject(snapshot.ByCommand, of))
	case d.Pair != nil:
		add(snapshot.NamedInterface(d.Pair.A))
		add(snapshot.NamedInterface(d.Pair.B))
	}
	return out
}

// narrow narrows all panes to what is selected; pressed again to the next that the row names,
// and at last to nothing.
func (m *model) narrow() {
	choices := m.narrowed.choices
	if choices == nil {
		choices = m.narrowings()
	}
	if m.narrowed.choices = choices; len(choices) == 0 {
		m.dialogs.notice = "not narrowed: no row is selected"
		return
	}
	m.narrowed.next(choices)
	m.details.open, m.zoomed = nil, false
	switch at := slices.Index(choices, m.narrowed.subject) + 1; {
	case at == 0:
		m.dialogs.news = "all is shown again"
	case at < len(choices):
		m.dialogs.news = m.styles.Escape("n again narrows to " + choices[at].String())
	}
}

// narrowings are those of what is selected.
func (m *model) narrowings() (choices []snapshot.Subject) {
	if page := m.details.top(); page != nil {
		if page.seen != nil {
			choices = narrowings(page.seen)
		}
	} else if row := m.panes[m.focus].Selected(); row != nil {
		choices = narrowings(row)
	}
	for i := range choices { // known by the index, too, to be followed to another name
		of := narrowing{subject: choices[i]}
		of.follow(m.shown.Interfaces)
		choices[i] = of.subject
	}
	return choices
}
