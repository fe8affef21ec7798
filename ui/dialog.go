package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// dialog lies over the panes and has all keys until it is closed.
type dialog interface {
	Update(msg tea.Msg) tea.Cmd
	// Refresh is called when there are new pairs and interfaces.
	Refresh()
	View(a area) view
	Keys() []key.Binding
	// Click takes a click on a cell inside the border, Wheel so many lines of the wheel.
	Click(x, y int, isDouble bool) tea.Cmd
	Wheel(lines int)
}

// dialogWidth is the width of a dialog on a wide screen, in cells. Longer lines read badly.
const dialogWidth = 96

// placeDialog puts the dialog, or what there is to say without one, over the panes.
func (d *pairDialogs) placeDialog(s *styleSet, body []string, width int) []string {
	if d.open == nil {
		said := d.status(s, width)
		return overlay(body, said, 0, len(body)-len(said), width)
	}
	box := d.box(s, min(width, dialogWidth), len(body))
	d.at = place{x: max(0, (width-dialogWidth)/2), y: max(0, (len(body)-len(box))/2)}
	return overlay(body, box, d.at.x, d.at.y, width)
}

// box is the dialog in its border. The last line is for what there is to say.
func (d *pairDialogs) box(s *styleSet, width, height int) []string {
	said := d.status(s, width-2)
	if len(said) == 0 {
		said = []string{""}
	}
	a := area{Width: width - 2, Height: max(1, height-2-len(said)), Focused: true, styleSet: s}
	v := d.open.View(a)
	v.Lines = append(v.Lines[:min(len(v.Lines), a.Height)], said...)
	return bordered(v, a, width, len(v.Lines)+2)
}

// overlay puts box over lines, its upper left corner at x and y. Lines are
// width cells wide.
func overlay(lines, box []string, x, y, width int) []string {
	x, y = max(x, 0), max(y, 0)
	for i, piece := range box {
		if y+i >= len(lines) {
			break
		}
		line := lines[y+i]
		left := ansi.Truncate(line, x, "")
		left += blanks(x - ansi.StringWidth(left))
		end := x + ansi.StringWidth(piece)
		right := ansi.TruncateLeft(line, end, "")
		if ansi.StringWidth(right) > width-end { // a wide character is cut in half
			right = ansi.TruncateLeft(line, end+1, "")
		}
		lines[y+i] = left + piece + blanks(width-end-ansi.StringWidth(right)) + right
	}
	return lines
}
