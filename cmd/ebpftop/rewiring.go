package main

import (
	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/settings"
	"github.com/ebpftop/ebpftop/probes"
)

// onlyIfAllowed makes commands that change pairs fail where the system's settings leave that
// to root.
func onlyIfAllowed(commands ...*cobra.Command) {
	for _, cmd := range commands {
		run := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			var watch watchFlags
			watch.define(defaultDashboardInterval)
			said, err := settings.Load(cmd.Context(), settings.None, watch.set)
			if err != nil {
				return wrongUse(err)
			}
			if err := said.ErrRewiring(); err != nil {
				return err
			}
			return run(cmd, args)
		}
	}
}

// editorOf returns what changes pairs from the screen: nothing, and says why, if that is
// forbidden.
func editorOf(editor probes.PairEditor, forbidden error) probes.PairEditor {
	if forbidden == nil {
		return editor
	}
	return noEditor{forbidden}
}

// noEditor refuses every change.
type noEditor struct{ why error }

func (n noEditor) Impact(probes.Change) (probes.Impact, error) { return probes.Impact{}, n.why }
func (n noEditor) Apply(probes.Change) error                   { return n.why }
func (n noEditor) Confirm() error                              { return n.why }
func (n noEditor) Undo() error                                 { return n.why }
func (n noEditor) KeepAll() error                              { return n.why }
