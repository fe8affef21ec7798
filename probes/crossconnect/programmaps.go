package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

// KernelIngress is an ingress of any set of pairs, found by its program. No process has
// to announce what it connects, because the kernel has it.
type KernelIngress struct {
	Record  bpf.CrossConnectsCrossConnect
	Control ebpf.MapID // of the control word: the same one for all of a set of pairs
	Current controlWord
	// IsHome is false if the device has left since programs were attached to it.
	IsHome bool
	// XDPEgress and TCEgress are the ifindexes where the frames of each generation leave.
	XDPEgress, TCEgress [generations]int
	Traffic             Traffic
}

// programMaps are the maps of an ingress, open. A nil *programMaps is of no ingress.
type programMaps struct {
	here, control, traffic *ebpf.Map
	devices                deviceMaps
	controlID              ebpf.MapID
}

// openMapsOf opens the maps of the ingress that a program serves; nil if it
// serves none.
func openMapsOf(id ebpf.ProgramID) (*ebpf.ProgramInfo, *programMaps, error) {
	program, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return nil, nil, err
	}
	defer program.Close()
	info, err := program.Info()
	if err != nil {
		return nil, nil, err
	}
	m := new(programMaps)
	maps, _ := info.MapIDs() // without them, it is not ours
	for _, id := range maps {
		if err := m.open(id); err != nil {
			return nil, nil, errors.Join(err, m.Close())
		}
	}
	if slices.Contains(m.all(), nil) {
		return info, nil, m.Close()
	}
	return info, m, nil
}

// open keeps a map if it is one that is still missing.
func (m *programMaps) open(id ebpf.MapID) error {
	opened, err := ebpf.NewMapFromID(id)
	if err != nil {
		return err
	}
	info, err := opened.Info()
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	place := m.place(info)
	if place == nil || *place != nil {
		return opened.Close()
	}
	*place = opened
	if place == &m.control {
		m.controlID, _ = info.ID() // known since Linux 4.13
	}
	return nil
}

// place returns where a map belongs, nil if it is not one of ours. Because anybody may
// give a map our name, it must have the shape, too.
func (m *programMaps) place(info *ebpf.MapInfo) **ebpf.Map {
	is := func(name string, kind ebpf.MapType, size uintptr, entries uint32) bool {
		const shown = 15 // bytes of a name that the kernel keeps
		return info.Name == name[:min(shown, len(name))] &&
			info.Type == kind && info.ValueSize == uint32(size) && info.MaxEntries == entries
	}
	var p KernelIngress
	switch {
	case is(bpf.RecordMapName, ebpf.Array, unsafe.Sizeof(p.Record), 1):
		return &m.here
	case is(bpf.ControlMapName, ebpf.Array, unsafe.Sizeof(bpf.CrossConnectsGenerationControl{}), 1):
		return &m.control
	case is(bpf.CrossConnectsMapXdpDevices, ebpf.DevMap, unsafe.Sizeof(uint32(0)), deviceCount):
		return &m.devices.xdp
	case is(bpf.CrossConnectsMapTcDevices, ebpf.DevMap, unsafe.Sizeof(uint32(0)), deviceCount):
		return &m.devices.tc
	case is(bpf.CrossConnectsMapCrossConnectTraffic, ebpf.PerCPUArray, unsafe.Sizeof(p.Traffic[0]), generations):
		return &m.traffic
	}
	return nil
}

// read reads the ingress; nil if it is none.
func (m *programMaps) read() (p *KernelIngress, err error) {
	if m == nil {
		return nil, nil
	}
	p = &KernelIngress{Control: m.controlID}
	var control bpf.CrossConnectsGenerationControl
	if err := errors.Join(m.here.Lookup(uint32(0), &p.Record), m.control.Lookup(uint32(0), &control)); err != nil {
		return nil, err
	}
	if p.Record.Name[0] == 0 {
		return nil, nil
	}
	p.Current = controlWord(control.Word)
	if err := m.readDevices(p); err != nil {
		return nil, err
	}
	p.Traffic, err = readTraffic(m.traffic)
	return p, err
}

func (m *programMaps) readDevices(p *KernelIngress) (err error) {
	p.IsHome, err = m.devices.isHome()
	for generation := range generations {
		var errXDP, errTC error
		p.XDPEgress[generation], errXDP = m.devices.get(XDP, generation)
		p.TCEgress[generation], errTC = m.devices.get(TC, generation)
		err = errors.Join(err, errXDP, errTC)
	}
	return err
}

// all returns the maps; one that is not open is nil.
func (m *programMaps) all() []*ebpf.Map {
	return []*ebpf.Map{m.here, m.control, m.devices.xdp, m.devices.tc, m.traffic}
}

// Close closes the maps.
func (m *programMaps) Close() error {
	if m == nil {
		return nil
	}
	var errs []error
	for _, opened := range m.all() {
		if opened != nil {
			errs = append(errs, opened.Close())
		}
	}
	return errors.Join(errs...)
}

// ReadIngresses reads the ingresses that programs serve, nil for one that serves none.
// What is gone is left out. It takes CAP_SYS_ADMIN, as LookAt does: without, it returns
// an os.ErrPermission.
type ReadIngresses func([]ebpf.ProgramID) (map[ebpf.ProgramID]*KernelIngress, error)

// IngressReader reads ingresses again and again. Because a program and its maps do not
// change, it looks at a program once, and from then on only reads the maps.
type IngressReader struct {
	known map[ebpf.ProgramID]*programMaps
}

// Read is a ReadIngresses. It forgets the programs that it is not asked for.
func (p *IngressReader) Read(programs []ebpf.ProgramID) (map[ebpf.ProgramID]*KernelIngress, error) {
	before := p.known
	p.known = make(map[ebpf.ProgramID]*programMaps, len(programs))
	ingresses := make(map[ebpf.ProgramID]*KernelIngress, len(programs))
	var errs []error
	var forbidden error // one stands for all
	for _, id := range programs {
		ingress, err := p.read(id, before)
		switch {
		case err == nil:
			ingresses[id] = ingress
		case errors.Is(err, os.ErrPermission):
			forbidden = err
		case !errors.Is(err, os.ErrNotExist):
			errs = append(errs, fmt.Errorf("look at program %d: %w", id, err))
		}
	}
	for _, m := range before {
		errs = append(errs, m.Close())
	}
	return ingresses, errors.Join(append(errs, forbidden)...)
}

// read reads the ingress of a program, which moves from those known before to those
// known now.
func (p *IngressReader) read(id ebpf.ProgramID, before map[ebpf.ProgramID]*programMaps) (*KernelIngress, error) {
	m, isKnown := before[id]
	if !isKnown {
		var err error
		if _, m, err = openMapsOf(id); err != nil {
			return nil, err
		}
	}
	delete(before, id)
	p.known[id] = m
	return m.read()
}
