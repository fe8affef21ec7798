package cgroup

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/cilium/ebpf"
)

// Place is where a process runs.
type Place struct {
	Path string // of its control group, from the root of the hierarchy; empty if not known
	Membership
}

// Names reads what programs wrote of control groups and host names, by
// headers/processes.h. What it read once it remembers: the kernel makes room for others.
type Names struct {
	paths, hosts *ebpf.Map
	places       map[uint64]Place
	hostnames    map[uint64]string
}

// NewNames reads from the maps cgroup_paths and host_names, which stay the caller's.
func NewNames(paths, hosts *ebpf.Map) *Names {
	return &Names{paths: paths, hosts: hosts, places: make(map[uint64]Place), hostnames: make(map[uint64]string)}
}

// mostNames bounds what is remembered; beyond, it is read anew.
const mostNames = 8192

// Place returns where processes of a control group run, by the key that programs gave it.
func (n *Names) Place(key uint64) (Place, error) {
	if place, ok := n.places[key]; ok {
		return place, nil
	}
	value, err := n.paths.LookupBytes(key)
	if err != nil {
		return Place{}, fmt.Errorf("read the path of a control group: %w", err)
	}
	if value == nil { // none is known, or it made room for others
		return Place{}, nil
	}
	place := placeOf(value)
	if len(n.places) >= mostNames {
		clear(n.places)
	}
	n.places[key] = place
	return place, nil
}

const (
	levels    = 10  // CGROUP_LEVELS
	nameBytes = 112 // CGROUP_NAME_BYTES
)

// placeOf joins the names of a control group and those above it, the innermost first. Where there
// may be more above than are kept, whose units and containers they are is not known.
func placeOf(names []byte) Place {
	var path string
	for level := range levels {
		name := text(names[level*nameBytes:][:nameBytes])
		if name == "" {
			path = cmp.Or(path, "/")
			return Place{Path: path, Membership: Parse(path)}
		}
		path = "/" + name + path
	}
	return Place{Path: "/..." + path}
}

// Host returns the host name that a process sees, by the key that programs gave it; empty if
// it is not known.
func (n *Names) Host(key uint64) (string, error) {
	if host, ok := n.hostnames[key]; ok || key == 0 {
		return host, nil
	}
	value, err := n.hosts.LookupBytes(key)
	if err != nil {
		return "", fmt.Errorf("read a host name: %w", err)
	}
	if value == nil {
		return "", nil
	}
	host := text(value)
	if len(n.hostnames) >= mostNames {
		clear(n.hostnames)
	}
	n.hostnames[key] = host
	return host, nil
}

// text is the string up to the first NUL.
func text(b []byte) string {
	before, _, _ := bytes.Cut(b, []byte{0})
	return string(before)
}
