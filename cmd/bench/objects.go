package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// named are BPF objects of one kind, by name.
type named[T io.Closer] map[string]T

func (n named[T]) close() {
	for _, one := range n {
		one.Close()
	}
}

// mapsOf opens the maps of those names that a process has open.
func mapsOf(pid int, names ...string) (named[*ebpf.Map], error) {
	return objectsOf(pid, "map_id: %d", func(id uint32) (*ebpf.Map, string, error) {
		m, err := ebpf.NewMapFromID(ebpf.MapID(id))
		if err != nil {
			return nil, "", err
		}
		info, err := m.Info()
		if err != nil {
			return nil, "", err
		}
		return m, info.Name, nil
	}, names)
}

// programsOf opens the programs of those names that a process has open.
func programsOf(pid int, names ...string) (named[*ebpf.Program], error) {
	return objectsOf(pid, "prog_id: %d", func(id uint32) (*ebpf.Program, string, error) {
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if err != nil {
			return nil, "", err
		}
		info, err := p.Info()
		if err != nil {
			return nil, "", err
		}
		return p, info.Name, nil
	}, names)
}

// objectsOf opens objects whose IDs are in a line of that format, by a function that
// returns the name, too.
func objectsOf[T io.Closer](pid int, format string, open func(id uint32) (T, string, error), names []string) (named[T], error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return nil, err
	}
	objects := make(named[T])
	for _, file := range files {
		id := idOf(file, format)
		if id == 0 {
			continue
		}
		object, name, err := open(id)
		if err != nil {
			objects.close()
			return nil, err
		}
		if !objects.take(object, name, names) {
			object.Close()
		}
	}
	if len(objects) < len(names) {
		objects.close()
		return nil, fmt.Errorf("process %d has not all of %v", pid, names)
	}
	return objects, nil
}

// take returns whether it took an object: one of names, and not there yet.
func (n named[T]) take(object T, kernelName string, names []string) bool {
	for _, name := range names {
		if _, taken := n[name]; !taken && shortened(kernelName) == shortened(name) {
			n[name] = object
			return true
		}
	}
	return false
}

// shortened returns the part of a name that the kernel keeps; package ebpf may know all of it.
func shortened(name string) string { return name[:min(len(name), unix.BPF_OBJ_NAME_LEN-1)] }

// idOf is of the object that a file descriptor is of, 0 if it is of another kind.
func idOf(fdinfo, format string) (id uint32) {
	text, err := os.ReadFile(fdinfo)
	if err != nil {
		return 0 // closed meanwhile
	}
	for line := range strings.Lines(string(text)) {
		if n, _ := fmt.Sscanf(line, format, &id); n == 1 {
			return id
		}
	}
	return 0
}
