package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// copied is a row to copy: its cells, and what it is in JSON.
type copied struct {
	text string
	row  any // nil: there is no row
}

// copier is a pane whose selected row can be copied.
type copier interface{ copy(s *styleSet) copied }

// copyWidth is what a row has room in to be copied: no cell of it is cut.
const copyWidth = 2000

// copy returns the selected row, and what of it goes to JSON.
func (l *list[K, R]) copy(s *styleSet, columns []column[R], of func(*R) any) copied {
	row := l.selected()
	if row == nil {
		return copied{}
	}
	var texts []string
	for _, c := range columns {
		if f := c.cell(slot{s, copyWidth, true}, row); f.painted == "" { // else it is a picture
			texts = append(texts, strings.TrimSpace(f.safe+s.Escape(f.text)))
		}
	}
	return copied{strings.Join(texts, "\t"), of(row)}
}

// copyRow has the terminal take the selected row into its clipboard. Because no terminal says
// whether it did, that is not claimed.
func (m *model) copyRow(asJSON bool) {
	var c copied
	if m.details.top() != nil {
		c = m.details.copy(&m.styles)
	} else if pane, ok := m.panes[m.focus].(copier); ok {
		c = pane.copy(&m.styles)
	}
	form := ""
	switch {
	case c.row == nil:
		m.dialogs.notice = "not copied: no row is selected"
		return
	case asJSON:
		text, err := plainJSON(c.row)
		if err != nil {
			m.dialogs.notice = "not copied: " + err.Error()
			return
		}
		c.text, form = text, " as JSON"
	}
	if m.clipboard != nil {
		m.clipboard(c.text)
	}
	m.dialogs.news = fmt.Sprintf("row%s given to the terminal to copy, %d bytes", form, len(c.text))
}

// plainJSON is a value in JSON of ASCII alone: what is pasted can end up in a terminal.
func plainJSON(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range string(bytes.ToValidUTF8(text, []byte("\ufffd"))) {
		switch {
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		case r > 0x7e:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), nil
}
