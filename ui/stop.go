package ui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// tty is what the screen asks of the terminal that it is on.
type tty interface {
	// Stop stops the process, as Ctrl-Z does, after a text. It does not wait for that.
	Stop(text string)
}

// stopMsg comes when somebody wants the process to stop.
type stopMsg struct{}

// notStoppedMsg comes when it was not, because no shell could continue it.
type notStoppedMsg struct{}

// stop leaves the terminal to the shell. A change that is under way is brought to its end
// before that, so that nobody has to wait for half of one.
func (m *model) stop() {
	d := m.dialogs
	m.isStopDue = d.call != nil && !d.call.abandonable
	if !m.isStopDue && m.tty != nil {
		m.tty.Stop(m.parting())
	}
}

// parting is what the shell's user has to know while the process is stopped.
func (m *model) parting() string {
	text := "ebpftop: stopped, the kernel counts on; fg comes back, bg goes on out of sight\n"
	if t := &m.dialogs.trial; t.running() {
		text += fmt.Sprintf("ebpftop: the trial is over in %d s all the same\n", t.left)
	}
	if m.stopWarning != "" && len(m.dialogs.pairs) > 0 {
		text += "ebpftop: " + m.stopWarning + "\n"
	}
	return text
}

// interrupt is Ctrl-C: it leaves what text is typed into, or asks as q does. If that has
// been asked, or pressed before while a change is under way, it ends the program.
func (m *model) interrupt() tea.Cmd {
	d := m.dialogs
	isAgain := d.interrupted
	d.interrupted = true
	switch {
	case d.isLeaving(), isAgain && d.call != nil:
		return tea.Quit
	case d.call != nil && d.call.abandonable:
		d.call = nil
	case d.call != nil: // its end is worth the wait, and that is said
	case d.open != nil:
		d.close()
	case m.help.isOpen && m.help.search.Value() != "":
		m.help.back()
	case m.typing():
		m.panes[m.focus].back()
	default:
		return d.leave()
	}
	return nil
}
