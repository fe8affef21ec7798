package ui

import (
	"slices"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/latest"
	"github.com/ebpftop/ebpftop/ui/snapshot"
	"github.com/ebpftop/ebpftop/ui/snapshot/past"
)

// model is the root: it routes messages to the panes and joins what they
// draw. Nothing in it waits, and nothing in it computes.
type model struct {
	styles styleSet
	keys   keyMap
	header header
	panes  [paneCount]pane
	// The two panes that others depend on, also among panes.
	interfaces  *interfacesPane
	connections *connectionsPane
	dialogs     *pairDialogs
	details     detailPages
	narrowed    narrowing

	snapshots latest.Box[*snapshot.Snapshot]
	queries   latest.Box[snapshot.Query]
	asked     snapshot.Query
	speed     *speed
	done      <-chan struct{}
	tty       tty // nil without a terminal
	keep      keeper
	clipboard func(text string) // nil without a terminal
	mouse     mouse
	redraw    func() // has the next frame drawn as a whole; nil without a terminal

	stopWarning string
	isStopDue   bool // the process is to be stopped after the change that is under way

	shown         snapshot.Snapshot
	width, height int
	focus         int
	zoomed        bool
	help          helpScreen
	resets, since int         // as in snapshot.Query
	at            past.Moment // that is shown; the zero value is now
}

// newModel makes the screen. To add a pane: write it in a file of its own,
// give it a number in layout.go and a place in its layouts, make it here.
func newModel(styles styleSet, keys keyMap, opts *Options, source probes.Source, p *snapshot.Presenter, done <-chan struct{}) *model {
	if opts.Pairs == nil {
		keys = keys.readOnly()
	}
	styles.units = opts.Units
	m := &model{
		styles: styles,
		keys:   keys,
		header: header{
			version: opts.Version, host: opts.Hostname, kernel: opts.Kernel, namespace: opts.Namespace,
			every: opts.Interval, zone: opts.Location,
		},
		interfaces:  newInterfacesPane(keys, opts.ASCII),
		connections: newConnectionsPane(keys, opts.ASCII),
		dialogs:     newPairDialogs(keys, opts),
		snapshots:   p.Snapshots,
		queries:     p.Queries,
		keep:        keeper{save: opts.Save},
		speed:       &speed{source: source},
		done:        done,
		stopWarning: opts.StopWarning,
		mouse:       mouse{isOn: opts.Mouse},
		help:        helpScreen{keys: keys, search: newInput(opts.ASCII)},
	}
	execs, drops := newExecsPane(keys, opts.Location, opts.ASCII), newDropsPane(keys, opts.Location, opts.ASCII)
	m.panes = [paneCount]pane{
		interfacesAt:    m.interfaces,
		protocolsAt:     newProtocolsPane(keys, opts.ASCII),
		connectionsAt:   m.connections,
		execsAt:         execs,
		dropsAt:         drops,
		crossConnectsAt: newCrossConnectsPane(keys, m.dialogs, opts.ASCII),
	}
	m.details = detailPages{keys: keys, teller: teller{connections: m.connections, execs: execs, drops: drops, zone: opts.Location}}
	return m
}

func (m *model) Init() tea.Cmd {
	m.ask()
	return m.nextSnapshot
}

// nextSnapshot waits for a snapshot, outside of Update. There is never more than
// one on its way.
func (m *model) nextSnapshot() tea.Msg {
	select {
	case s := <-m.snapshots:
		return snapshotMsg{s}
	case <-m.done:
		return nil
	}
}

func (m *model) Update(msg tea.Msg) (cmd tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case snapshotMsg:
		m.shown = *msg.Snapshot
		cmds := []tea.Cmd{m.nextSnapshot, m.dialogs.Update(msg)}
		for _, p := range m.panes {
			cmds = append(cmds, p.Update(msg))
		}
		m.details.show(msg)
		m.narrowed.follow(msg.Interfaces)
		cmd = tea.Batch(cmds...)
	case tea.PasteMsg:
		if m.dialogs.open != nil {
			cmd = m.dialogs.Update(msg)
		} else if m.help.isOpen {
			m.help.typed(msg)
		} else if m.typing() {
			cmd = m.panes[m.focus].Update(msg)
		}
	case tea.KeyPressMsg:
		m.dialogs.notice, m.dialogs.news = "", ""
		cmd = m.press(msg)
	case tea.MouseClickMsg:
		cmd = m.click(msg.Mouse())
	case tea.MouseWheelMsg:
		m.wheel(msg.Mouse())
	case savedMsg:
		m.saved(msg)
	case stopMsg:
		m.stop()
	case notStoppedMsg:
		m.dialogs.notice = "not stopped: there is no shell here that could continue it"
	default:
		cmd = m.dialogs.Update(msg)
	}
	if m.isStopDue {
		m.stop()
	}
	m.ask()
	return cmd
}

// press routes a key: to a dialog, or to the filter while one is typed, then
// to what works everywhere, then to the panes unless they are out of sight.
func (m *model) press(msg tea.KeyPressMsg) tea.Cmd {
	k := &m.keys
	if key.Matches(msg, k.Interrupt) {
		return m.interrupt()
	}
	m.dialogs.interrupted = false
	if !key.Matches(msg, k.Narrow) {
		m.narrowed.choices = nil
	}
	switch {
	case key.Matches(msg, k.Stop):
		m.stop()
	case key.Matches(msg, k.Redraw):
		if m.redraw != nil {
			m.redraw()
		}
	case m.dialogs.open != nil:
		return m.dialogs.Update(msg)
	case m.help.isOpen:
		m.help.press(msg)
	case m.typing() && !key.Matches(msg, k.Clear):
		return m.panes[m.focus].Update(msg)
	case key.Matches(msg, k.Quit):
		return m.dialogs.leave()
	case key.Matches(msg, k.Undo):
		return m.dialogs.undo()
	case key.Matches(msg, k.Confirm):
		return m.dialogs.confirm()
	case key.Matches(msg, k.Connect):
		m.focus, m.details.open = crossConnectsAt, nil
		return m.dialogs.connect()
	case key.Matches(msg, k.Help):
		m.help.toggle()
	case key.Matches(msg, k.Back):
		m.back()
	case key.Matches(msg, k.Narrow):
		m.narrow()
	default:
		return m.pressView(msg)
	}
	return nil
}

// pressView takes a key that changes what all panes show, or hands it on.
func (m *model) pressView(msg tea.KeyPressMsg) tea.Cmd {
	k := &m.keys
	switch {
	case key.Matches(msg, k.Reset):
		m.resets++
		m.since = m.resets
	case key.Matches(msg, k.FromStart):
		m.since = 0
	case key.Matches(msg, k.Units):
		m.styles.units = m.styles.units.next()
		m.dialogs.news = "units: " + string(m.styles.units)
	case key.Matches(msg, k.Mouse):
		m.dialogs.news = m.mouse.toggle()
	case key.Matches(msg, k.Save):
		return m.save()
	case key.Matches(msg, k.CopyText, k.CopyJSON):
		m.copyRow(key.Matches(msg, k.CopyJSON))
	case m.travel(msg):
	case key.Matches(msg, k.Slower):
		return m.setInterval(slower(m.header.every))
	case key.Matches(msg, k.Faster):
		return m.setInterval(faster(m.header.every))
	case m.details.top() != nil && m.details.press(msg):
	case m.details.top() != nil && !key.Matches(msg, k.Pane):
	default:
		return m.pressPane(msg)
	}
	return nil
}

// pressPane routes a key among the panes.
func (m *model) pressPane(msg tea.KeyPressMsg) tea.Cmd {
	k := &m.keys
	switch {
	case key.Matches(msg, k.Next):
		m.focus = (m.focus + 1) % paneCount
	case key.Matches(msg, k.Previous):
		m.focus = (m.focus + paneCount - 1) % paneCount
	case key.Matches(msg, k.Pane):
		if n := int(msg.String()[0] - '1'); n < paneCount {
			m.focus, m.details.open = n, nil
		}
	case key.Matches(msg, k.Detail):
		m.details.enter(m.panes[m.focus].Subject())
	case key.Matches(msg, k.Zoom):
		m.zoomed = !m.zoomed
	default:
		return m.panes[m.focus].Update(msg)
	}
	return nil
}

// typing reports whether key presses are text of a filter.
func (m *model) typing() bool { return m.panes[m.focus].typing() }

// back leaves one thing at a time, the innermost first.
func (m *model) back() {
	filtered := slices.IndexFunc(m.panes[:], pane.filtered)
	switch {
	case m.details.back():
	case m.panes[m.focus].back():
	case m.zoomed:
		m.zoomed = false
	case filtered >= 0:
		m.panes[filtered].back()
	case !m.narrowed.isNone():
		m.narrowed = narrowing{}
	default:
		m.at = past.Moment{}
	}
}

// ask tells the presenter what to show, where that has changed.
func (m *model) ask() {
	q := snapshot.Query{Moment: m.at.Number, Since: m.since, Detail: m.details.subject()}
	m.dialogs.isPast = m.isPast()
	m.narrowed.ask(&q)
	for _, p := range m.panes {
		p.ask(&q)
	}
	if q != m.asked {
		m.asked = q
		m.queries.Put(q)
	}
}

// keysNow are the keys that work now, those of the pane first.
func (m *model) keysNow() []key.Binding {
	k := &m.keys
	switch {
	case m.dialogs.open != nil:
		return m.dialogs.Keys()
	case m.help.isOpen:
		return m.help.Keys()
	case m.typing():
		return m.panes[m.focus].Keys()
	}
	zoom := k.Zoom
	if m.zoomed {
		zoom.SetHelp(zoom.Help().Key, "unzoom")
	}
	travel, more := []key.Binding{k.Pause}, []key.Binding{k.Earlier, k.Interval, k.Save, k.CopyText, k.Units, k.Mouse, k.Reset}
	if m.isPast() {
		travel, more = []key.Binding{named(k.Pause, "now"), named(k.Earlier, "in time")}, more[1:]
	}
	keys := m.keysHere()
	if m.isPast() { // the way back is said first
		keys, travel = append(travel, keys...), nil
	}
	if m.details.top() != nil {
		return slices.Concat(keys, []key.Binding{k.Help}, travel, []key.Binding{k.Quit}, more)
	}
	if slices.ContainsFunc(m.panes[:], pane.filtered) || !m.narrowed.isNone() || m.isPast() {
		keys = append(keys, k.Back)
	}
	keys = slices.Concat(keys, []key.Binding{k.Help, k.Next, zoom}, travel, []key.Binding{k.Quit}, m.dialogs.Keys(), more)
	if m.focus == interfacesAt {
		keys = append(keys, m.interfaces.moreKeys()...)
	}
	return keys
}

// keysHere are those that work on the page that is open, or in the pane in focus.
func (m *model) keysHere() []key.Binding {
	k := &m.keys
	if m.details.top() != nil {
		return append(m.details.Keys(), k.Narrow)
	}
	keys := slices.Clone(m.panes[m.focus].Keys())
	if m.panes[m.focus].Subject().Kind != snapshot.OfNothing {
		keys = append([]key.Binding{k.Detail, k.Narrow}, keys...)
	}
	return keys
}
