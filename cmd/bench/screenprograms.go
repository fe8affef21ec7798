package main

import (
	"fmt"
	"os/exec"
)

// screenProgram is one that shows what goes on, on a terminal.
type screenProgram struct {
	name    string
	command []string
	full    []string // what is to be seen in a full frame
	// key shows help, and ends that; empty if there is no such key.
	key, help string
	debian    string // the package; empty if that is us
}

// screenPrograms are ebpftop and those of its kind that are installed.
func screenPrograms(b *bench) []screenProgram {
	all := []screenProgram{
		{
			name: "ebpftop", command: []string{b.program, "-i", "to-*"},
			full: []string{"to-client", "to-server", "to-left", "to-right", "lost "},
			key:  "?", help: "type to search",
		},
		{
			name: "btop", command: []string{"btop"}, debian: "btop",
			full: []string{"Program", "download"}, key: "h", help: "Toggles main menu",
		},
		{
			name: "iftop", command: []string{"iftop", "-n", "-N", "-i", "to-client"}, debian: "iftop",
			full: []string{"TOTAL:"}, key: "h", help: "toggle this help display",
		},
		{
			name: "nethogs", command: []string{"nethogs", "to-client"}, debian: "nethogs",
			full: []string{"TOTAL"},
		},
		{
			name: "bmon", command: []string{"bmon"}, debian: "bmon",
			full: []string{"RX bps", "to-right"}, key: "?", help: "QUICK REFERENCE",
		},
	}
	installed := all[:0]
	for _, p := range all {
		if _, err := exec.LookPath(p.command[0]); err != nil && p.debian != "" {
			fmt.Fprintln(b.log, "not measured, because not installed:", p.name, "(Debian: "+p.debian+")")
			continue
		}
		installed = append(installed, p)
	}
	return installed
}
