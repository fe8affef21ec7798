package linksfile

import (
	"errors"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/strictyaml"
)

// settings is what the value of an entry of links says.
type settings struct {
	peer     string
	datapath crossconnect.Datapath
	wait     bool
}

// settings reads the value of e: the peer alone, or a mapping.
func (f *file) settings(e strictyaml.Entry) (settings, error) {
	s := settings{datapath: crossconnect.Auto}
	if e.Value.Kind != yaml.MappingNode {
		return s, f.peer(e.Value, &s)
	}
	entries, err := f.Entries(e.Value)
	if err != nil {
		return s, err
	}
	given := false
	for _, setting := range entries {
		given = given || setting.Name == "peer"
		if err := f.set(&s, setting); err != nil {
			return s, err
		}
	}
	if !given {
		return s, f.Errorf(e.Key, "%q has no peer: add peer: and the other interface", e.Name)
	}
	return s, nil
}

func (f *file) set(s *settings, e strictyaml.Entry) error {
	switch e.Name {
	case "peer":
		return f.peer(e.Value, s)
	case "datapath":
		return f.datapath(e.Value, s)
	case "wait":
		return f.wait(e.Value, s)
	}
	return f.Errorf(e.Key, "unknown key: use peer, datapath or wait")
}

func (f *file) peer(node *yaml.Node, s *settings) (err error) {
	if s.peer, err = f.Word(node); err != nil {
		return err
	}
	if probes.CheckInterfaceName(s.peer) != nil {
		return f.Errorf(node, badName)
	}
	return nil
}

func (f *file) datapath(node *yaml.Node, s *settings) error {
	word, err := f.Word(node)
	if err != nil {
		return err
	}
	if s.datapath, err = crossconnect.ParseDatapath(word); err != nil {
		return f.Errorf(node, "unknown datapath: use auto, xdp, xdp-generic or tc")
	}
	return nil
}

func (f *file) wait(node *yaml.Node, s *settings) (err error) {
	if node.ShortTag() == "!!bool" {
		s.wait, err = strconv.ParseBool(node.Value)
	}
	if node.ShortTag() != "!!bool" || err != nil {
		return f.ErrorAt(node.Line, errors.New("wait is neither true nor false: write one of them"))
	}
	return nil
}
