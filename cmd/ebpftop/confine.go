package main

import (
	"os"
	"slices"

	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// onceNeeds are those of the commands that look, connect or disconnect once, and end. They
// stay root's, whose kept pairs are. No Landlock: it would close the processes of others to
// them, of which one may serve the SSH session.
var onceNeeds = confine.Needs{
	// Before Linux 5.11, maps are locked memory.
	Capabilities: slices.Concat(confine.Watching, confine.Inspecting, []libcap.Value{libcap.SYS_RESOURCE}),
	StayRoot:     true,
	Asks:         true,
	Pins:         true,
}

// confineOnce is for these commands, before they read what others wrote.
func confineOnce() error { return confine.Process(onceNeeds) }

// demoNeeds: besides watching, the demo goes on to enter its namespaces and to
// execute programs in them.
var demoNeeds = confine.Needs{Capabilities: append(slices.Clone(confine.Watching), libcap.SYS_ADMIN), ExecutesOthers: true}

// confineDemo is confineWatching for the demo.
func (b *beside) confineDemo() error {
	if b.keeper != nil {
		crossconnect.DelegatePins(b.keeper.CarryOut)
	}
	return confine.Process(demoNeeds)
}

// confineWatching gives up what the commands that watch need no more: being root above all.
// What is the owner's of the pins to do is then done by the keeper.
func (b *beside) confineWatching() error {
	return confine.Process(b.watchingNeeds(confine.Files{Terminals: []*os.File{os.Stdin, os.Stdout}}))
}

// confineServing is confineWatching for who has no terminal, and a listener that is open.
func (b *beside) confineServing() error {
	needs := b.watchingNeeds(confine.Files{})
	needs.Capabilities, needs.Serves = confine.Serving, true
	return confine.Process(needs)
}

func (b *beside) watchingNeeds(files confine.Files) confine.Needs {
	needs := confine.Needs{Capabilities: confine.Watching, Asks: true, Files: &files}
	if b.keeper != nil {
		crossconnect.DelegatePins(b.keeper.CarryOut)
	} else if err := crossconnect.MakePinRoot(); err == nil {
		needs.Pins, files.Change = true, []string{crossconnect.PinRoot}
	} // else keeping a pair will say why that cannot be
	return needs
}
