package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
)

// namedMaps are some of the BPF maps of a process.
type namedMaps map[string]*ebpf.Map

// mapsOf opens the maps of those names that a process has open.
func mapsOf(pid int, names ...string) (namedMaps, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return nil, err
	}
	maps := make(namedMaps)
	for _, file := range files {
		m, err := mapOf(file)
		if err != nil {
			return nil, err
		}
		if m == nil {
			continue
		}
		info, err := m.Info()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			// The kernel keeps 15 characters.
			if maps[name] == nil && info.Name == name[:min(len(name), 15)] {
				maps[name], m = m, nil
			}
		}
		if m != nil {
			m.Close()
		}
	}
	if len(maps) < len(names) {
		maps.close()
		return nil, fmt.Errorf("process %d has only the maps %v of %v", pid, maps, names)
	}
	return maps, nil
}

// mapOf opens the map that a file descriptor is of, none if it is of another kind.
func mapOf(fdinfo string) (*ebpf.Map, error) {
	text, err := os.ReadFile(fdinfo)
	if err != nil {
		return nil, nil // closed meanwhile
	}
	for line := range strings.Lines(string(text)) {
		var id uint32
		if n, _ := fmt.Sscanf(line, "map_id: %d", &id); n == 1 {
			return ebpf.NewMapFromID(ebpf.MapID(id))
		}
	}
	return nil, nil
}

func (m namedMaps) close() {
	for _, one := range m {
		one.Close()
	}
}
