package ui

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// columns are those that have room in width cells. No name is cut while another column could
// give way: first those that can be dropped do, then an interface that leads to a container
// goes by the name of that alone, then both directions have one column.
func (p *interfacesPane) columns(width int) []column[snapshot.Interface] {
	name := max(p.wide.name, len("name"))
	var where []column[snapshot.Interface]
	if p.wide.where > 0 {
		where = append(where, whereColumn(max(p.wide.where, len("leads to"))))
	}
	apart := p.arrange(p.nameColumn(name, ownName), where, directionColumns())
	if columnsFit(apart, width) {
		return apart
	}
	either := max(p.wide.either, len("name"))
	together := p.arrange(p.nameColumn(either, eitherName), nil, directionColumns())
	if columnsFit(together, width) {
		return together
	}
	return p.arrange(p.nameColumn(either, eitherName), nil, []column[snapshot.Interface]{{
		width: 6, right: true, isRate: true,
		cell: rates(func(i *snapshot.Interface) float64 { return i.Traffic.RXBPS + i.Traffic.TXBPS }),
	}})
}

// arrange puts what is always there in its place among the other columns.
func (p *interfacesPane) arrange(name column[snapshot.Interface], where, rates []column[snapshot.Interface]) []column[snapshot.Interface] {
	columns := []column[snapshot.Interface]{
		{title: "", width: 1, cell: func(at slot, i *snapshot.Interface) cell {
			glyph, ink := stateGlyph(at.styles, i.State)
			return cell{safe: glyph, ink: ink}
		}},
		name,
	}
	columns = append(columns, where...)
	if p.wide.address > 0 {
		columns = append(columns, faintText("its address", max(p.wide.address, len("its address")), 6, peerAddress))
	}
	if p.wide.peer > 0 {
		columns = append(columns, faintText("peer", max(p.wide.peer, len("peer")), 9, peerName))
	}
	if p.wide.master > 0 {
		columns = append(columns, faintText("master", max(p.wide.master, len("master")), 7, func(i *snapshot.Interface) string { return i.Master }))
	}
	columns = append(columns, stateColumns()...)
	columns = append(columns, rates...)
	return append(columns, troubleColumns()...)
}

// nameColumn shows what of says, which is never cut if width is that of the longest one.
func (p *interfacesPane) nameColumn(width int, of func(*snapshot.Interface) string) column[snapshot.Interface] {
	return column[snapshot.Interface]{title: "name", width: width, cell: func(at slot, i *snapshot.Interface) cell {
		s := at.styles
		ink := s.Text
		if i.Name == p.shown.Query.Scope {
			ink = s.Brand
		}
		marks := blanks(2 * i.Depth)
		switch {
		case i.Folded:
			marks += s.glyphs.Folded + " "
		case i.Members != nil:
			marks += s.glyphs.Open + " "
		}
		behind := ""
		if i.Folded {
			behind = fmt.Sprintf(" +%d", len(i.Members))
		}
		room := at.width - cells(marks) - cells(behind)
		return cell{safe: marks + strings.TrimRight(fitMiddle(s.Escape(of(i)), room, s.glyphs.Ellipsis), " ") + behind, ink: ink}
	}}
}

// nameMarks is how many cells stand beside a name to say where it is in groups.
func nameMarks(i *snapshot.Interface) int {
	marks := 2 * i.Depth
	if i.Members != nil {
		marks += 2
	}
	if i.Folded {
		marks += len(fmt.Sprintf(" +%d", len(i.Members)))
	}
	return marks
}

func ownName(i *snapshot.Interface) string { return i.Name }

// eitherName is what an interface leads to, or its own name.
func eitherName(i *snapshot.Interface) string { return cmp.Or(i.Alias, i.Name) }

func whereColumn(width int) column[snapshot.Interface] {
	return column[snapshot.Interface]{title: "leads to", width: width, cell: func(at slot, i *snapshot.Interface) cell {
		return cell{text: i.Where, ink: at.styles.Text}
	}}
}

func directionColumns() []column[snapshot.Interface] {
	return []column[snapshot.Interface]{
		{title: "rx pps", width: 6, right: true, drop: 4, cell: numbers(func(i *snapshot.Interface) float64 { return i.Traffic.RXPPS })},
		{title: "rx", width: 8, right: true, isRate: true, cell: rates(func(i *snapshot.Interface) float64 { return i.Traffic.RXBPS })},
		{title: "tx pps", width: 6, right: true, drop: 4, cell: numbers(func(i *snapshot.Interface) float64 { return i.Traffic.TXPPS })},
		{title: "tx", width: 8, right: true, isRate: true, cell: rates(func(i *snapshot.Interface) float64 { return i.Traffic.TXBPS })},
	}
}

func stateColumns() []column[snapshot.Interface] {
	return []column[snapshot.Interface]{
		{title: "state", width: 7, drop: 8, cell: func(at slot, i *snapshot.Interface) cell {
			_, ink := stateGlyph(at.styles, i.State)
			return cell{text: i.State, ink: ink}
		}},
		{title: "hook", width: 10, grow: 1, limit: 11, drop: 10, cell: func(at slot, i *snapshot.Interface) cell {
			if i.Hook == probes.HookNone {
				return cell{text: "none", ink: at.styles.Warn}
			}
			return cell{text: string(i.Hook), ink: at.styles.Text}
		}},
	}
}

func troubleColumns() []column[snapshot.Interface] {
	return []column[snapshot.Interface]{
		{title: "drops", width: 6, right: true, drop: 3, cell: func(at slot, i *snapshot.Interface) cell {
			return trouble(at.styles, i.Trouble.Dropped)
		}},
		{title: "unseen", width: 6, right: true, drop: 5, cell: func(at slot, i *snapshot.Interface) cell {
			return trouble(at.styles, i.Trouble.Unseen)
		}},
		{title: "malformed", width: 9, right: true, drop: 11, cell: func(at slot, i *snapshot.Interface) cell {
			return trouble(at.styles, i.Trouble.Malformed)
		}},
	}
}

// faintText is a column of text that matters less.
func faintText(title string, width, drop int, of func(*snapshot.Interface) string) column[snapshot.Interface] {
	return column[snapshot.Interface]{title: title, width: width, drop: drop, cell: faint(of)}
}

// peerName is the other end of a veth: by its number where its name is not known.
func peerName(i *snapshot.Interface) string {
	switch {
	case i.Peer == nil:
		return ""
	case i.Peer.Name == "":
		return fmt.Sprintf("if%d", i.Peer.Ifindex)
	}
	return i.Peer.Name
}

// peerAddress is that of the other end.
func peerAddress(i *snapshot.Interface) string {
	if i.Peer == nil || i.Peer.Address == nil {
		return ""
	}
	return i.Peer.Address.String()
}
