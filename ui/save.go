package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes"
)

// keeper saves the screen to files, one at a time.
type keeper struct {
	save   func(screen string, sample *probes.Sample) (path string, err error) // nil: cannot
	isBusy bool
}

// savedMsg is the end of it.
type savedMsg struct {
	path string
	err  error
}

// save has the screen, as it is now, written to a file, outside of Update.
func (m *model) save() tea.Cmd {
	switch {
	case m.keep.save == nil:
		m.dialogs.notice = "not saved: this ebpftop was started without a way to make files"
		return nil
	case m.keep.isBusy:
		m.dialogs.notice = "the last screen is still being written"
		return nil
	case m.shown.Sample == nil:
		m.dialogs.notice = "not saved: there is no sample yet"
		return nil
	}
	screen, sample, save := plainText(m.lines()), m.shown.Sample, m.keep.save
	m.keep.isBusy = true
	m.dialogs.news = "saving ..."
	return func() tea.Msg {
		path, err := save(screen, sample)
		return savedMsg{path, err}
	}
}

// saved says where the screen is, or why it is not.
func (m *model) saved(msg savedMsg) {
	m.keep.isBusy = false
	m.dialogs.notice, m.dialogs.news = "", ""
	switch {
	case msg.err == nil:
		m.dialogs.news = "saved to " + msg.path
	case msg.path == "":
		m.dialogs.notice = "not saved: " + probes.OneLine(msg.err)
	default:
		m.dialogs.notice = msg.path + " is not complete: " + probes.OneLine(msg.err)
	}
}

// plainText is lines as text, without their inks.
func plainText(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimRight(ansi.Strip(line), " "))
		b.WriteByte('\n')
	}
	return b.String()
}
