package ui

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/ui/terminal"
)

// frame is the whole terminal. Bubble Tea draws nothing, see terminal.Screen.
func (m *model) frame() terminal.Frame {
	return terminal.Frame{Width: m.width, Height: m.height, Lines: m.lines()}
}

// lines is the whole screen: never wider or higher than it is.
func (m *model) lines() []string {
	w, h := m.width, m.height
	if w <= 0 || h <= 0 {
		return nil
	}
	if w < minWidth || h < minHeight {
		return tooSmall(w, h)
	}
	m.header.narrowed = ""
	if !m.narrowed.isNone() {
		m.header.narrowed = m.narrowed.subject.String()
	}
	out := m.header.lines(&m.styles, &m.shown, w)
	if m.headLines() < headerLines {
		out = []string{m.header.line(&m.styles, &m.shown, w)}
	}
	body := h - len(out) - footerLines
	panes := m.body
	switch {
	case m.help.isOpen:
		panes = m.helpPane
	case m.details.top() != nil:
		panes = m.detailPane
	}
	out = append(out, m.dialogs.placeDialog(&m.styles, panes(w, body), w)...)
	letters := m.dialogs.open == nil && !m.typing() && !m.help.isOpen
	out = append(out, footer(&m.styles, m.dialogs.trial.banner(&m.styles, letters), m.keysNow(), w))
	return m.styles.inText(out)
}

// tooSmall says so, as far as there is room for it.
func tooSmall(w, h int) []string {
	lines := wrap(fmt.Sprintf("terminal too small: %dx%d, needs %dx%d", w, h, minWidth, minHeight), w)
	lines = lines[:min(len(lines), h)]
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], w, "")
	}
	return lines
}

func (m *model) helpPane(w, h int) []string {
	name, keys := m.panes[m.focus].Name(), m.keysHere()
	switch {
	case m.details.top() != nil:
		name = "This page"
	case m.focus == interfacesAt:
		keys = append(keys, m.interfaces.moreKeys()...)
	}
	return m.help.draw(&m.styles, name, keys, w, h)
}

func (m *model) detailPane(w, h int) []string {
	a := area{Width: w - 2, Height: h - 2, styleSet: &m.styles, Focused: m.dialogs.open == nil, Zoomed: true}
	return bordered(m.details.View(a), a, w, h)
}

// headLines is how many lines the header has.
func (m *model) headLines() int {
	if m.width < headWidth || m.height < headHeight {
		return 1
	}
	return headerLines
}

// places are where panes are in a body of w by h cells.
func (m *model) places(w, h int) []place {
	return arrange(w, h, m.focus, m.zoomed, len(m.shown.Interfaces), m.shown.Pairs)
}

func (m *model) body(w, h int) []string {
	places := m.places(w, h)
	drawn := make([][]string, len(places))
	for i, p := range places {
		a := area{
			Width: p.w - 2, Height: p.h - 2, styleSet: &m.styles,
			Focused: p.pane == m.focus && m.dialogs.open == nil, Zoomed: m.zoomed,
		}
		v := m.panes[p.pane].View(a)
		if len(places) == 1 && !m.zoomed {
			v.Info = m.tabs()
		}
		drawn[i] = bordered(v, a, p.w, p.h)
	}
	return compose(places, drawn, h)
}

// tabs tells, where only one pane has room, that there are others.
func (m *model) tabs() string {
	return m.styles.Faint.Paint(fmt.Sprintf("pane %d of %d", m.focus+1, paneCount))
}
