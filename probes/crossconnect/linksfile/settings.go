package linksfile

import (
	"errors"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// settings is what the value of an entry of links says.
type settings struct {
	peer     string
	datapath crossconnect.Datapath
	wait     bool
}

// settings reads the value of e: the peer alone, or a mapping.
func (f *file) settings(e entry) (settings, error) {
	s := settings{datapath: crossconnect.Auto}
	if e.value.Kind != yaml.MappingNode {
		return s, f.peer(e.value, &s)
	}
	entries, err := f.entries(e.value)
	if err != nil {
		return s, err
	}
	given := false
	for _, setting := range entries {
		given = given || setting.name == "peer"
		if err := f.set(&s, setting); err != nil {
			return s, err
		}
	}
	if !given {
		return s, f.errorf(e.key, "%q has no peer: add peer: and the other interface", e.name)
	}
	return s, nil
}

func (f *file) set(s *settings, e entry) error {
	switch e.name {
	case "peer":
		return f.peer(e.value, s)
	case "datapath":
		return f.datapath(e.value, s)
	case "wait":
		return f.wait(e.value, s)
	}
	return f.errorf(e.key, "unknown key: use peer, datapath or wait")
}

func (f *file) peer(node *yaml.Node, s *settings) (err error) {
	if s.peer, err = f.word(node); err != nil {
		return err
	}
	if probes.CheckInterfaceName(s.peer) != nil {
		return f.errorf(node, badName)
	}
	return nil
}

func (f *file) datapath(node *yaml.Node, s *settings) error {
	word, err := f.word(node)
	if err != nil {
		return err
	}
	if s.datapath, err = crossconnect.ParseDatapath(word); err != nil {
		return f.errorf(node, "unknown datapath: use auto, xdp, xdp-generic or tc")
	}
	return nil
}

func (f *file) wait(node *yaml.Node, s *settings) (err error) {
	if node.ShortTag() == "!!bool" {
		s.wait, err = strconv.ParseBool(node.Value)
	}
	if node.ShortTag() != "!!bool" || err != nil {
		return f.errorAt(node.Line, errors.New("wait is neither true nor false: write one of them"))
	}
	return nil
}
