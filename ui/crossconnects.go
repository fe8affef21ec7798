package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// crossConnectsPane is the place of the pairs of interfaces that are wired
// together. There are none to show yet.
type crossConnectsPane struct{}

func (p *crossConnectsPane) Name() string { return "Cross-connects" }

func (p *crossConnectsPane) Keys() []key.Binding { return nil }

func (p *crossConnectsPane) Update(tea.Msg) tea.Cmd { return nil }

func (p *crossConnectsPane) View(a area) view {
	return view{Title: p.Name(), Lines: empty(a, "none")}
}
