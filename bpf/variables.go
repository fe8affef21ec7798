package bpf

import "github.com/cilium/ebpf"

// Variables of the C that are maps of their own, each in a section. Programs
// know their address, and look nothing up. bpf2go has no names for them.
const (
	CrossConnectsMapControl = ".data.control"
	CrossConnectsMapRecord  = ".data.record"
	PacketsMapControl       = CrossConnectsMapControl
	PacketsMapRecord        = CrossConnectsMapRecord
)

// What these maps are called in the kernel, where other processes know them by
// their names, and by their pins: those may have no dots.
const (
	ControlMapName = "cross_connect_control"
	RecordMapName  = "cross_connect_record"
)

// MapName is what a map is called in the kernel and its pin in bpffs.
func MapName(name string) string {
	switch name {
	case CrossConnectsMapControl:
		return ControlMapName
	case CrossConnectsMapRecord:
		return RecordMapName
	}
	return name
}

// NameVariables gives maps of variables their names in the kernel. They are then
// made as other maps are, and need not be of a page's size.
func NameVariables(spec *ebpf.CollectionSpec) {
	for name, m := range spec.Maps {
		m.Name = MapName(name)
	}
}
