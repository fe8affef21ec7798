package main

import (
	"os"
	"slices"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
)

// demoNeeds: besides watching, the demo goes on to enter its namespaces and to
// execute programs in them.
var demoNeeds = confine.Needs{Capabilities: append(slices.Clone(confine.Watching), cap.SYS_ADMIN)}

// watchingNeeds are those of the commands that watch, and follow a file of
// links unless that is empty.
func watchingNeeds(links string) (confine.Needs, error) {
	needs, err := followingNeeds(links)
	if dir, err := crossconnect.MakePinRoot(); err == nil {
		needs.Files.Change = []string{dir}
	} // else keeping a pair will say why that cannot be
	needs.Files.Terminals = []*os.File{os.Stdin, os.Stdout}
	return needs, err
}

// followingNeeds are those of following a file of links unless that is empty.
// Its directory may be closed to us but for CAP_DAC_READ_SEARCH, as that of the
// user is who called sudo.
func followingNeeds(links string) (needs confine.Needs, err error) {
	needs = confine.Needs{Capabilities: confine.Watching, Files: &confine.Files{}}
	if links == "" {
		return needs, nil
	}
	needs.Capabilities = append(slices.Clone(needs.Capabilities), cap.DAC_READ_SEARCH)
	needs.Files.Read, err = linksfile.Directories(links)
	return needs, err
}

func confineRun(file string) error {
	needs, err := followingNeeds(file)
	if err != nil {
		return err
	}
	return confine.Process(needs)
}
