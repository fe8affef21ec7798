package crossconnect

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// Pins do not go with their network namespace. To know that it is gone, a devmap with a
// device that is there as long as the namespace is pinned beside them: the kernel empties
// the entry when the device goes.

const (
	namespacePin    = "namespace"
	loopbackIfindex = 1 // in every network namespace: LOOPBACK_IFINDEX in include/net/flow.h
)

// pinNamespace pins the map by which isNamespaceGone knows that the network namespace of
// the calling thread is gone. The map is filled first, so that a process that is killed
// meanwhile leaves no empty one.
func (p pins) pinNamespace() error {
	if p == "" {
		return nil
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: namespacePin, Type: ebpf.DevMap, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return fmt.Errorf("make map %s: %w", namespacePin, err)
	}
	defer m.Close()
	if err := m.Put(uint32(0), uint32(loopbackIfindex)); err != nil {
		return fmt.Errorf("note the loopback interface: %w", err)
	}
	if err := p.pinObject(namespacePin, m); err != nil {
		return fmt.Errorf("pin map %s: %w", namespacePin, err)
	}
	return nil
}

// isNamespaceGone tells whether the network namespace of the pins is gone, to whoever may
// open them. It returns false if the map is missing, because another version made the pins.
func (p pins) isNamespaceGone() bool {
	descriptor, err := openPinned(p.path(namespacePin), true)
	if err != nil {
		return false
	}
	m, err := ebpf.NewMapFromFD(descriptor)
	if err != nil {
		return false
	}
	defer m.Close()
	var ifindex uint32
	return m.Type() == ebpf.DevMap && m.ValueSize() == 4 && errors.Is(m.Lookup(uint32(0), &ifindex), ebpf.ErrKeyNotExist)
}

// removeGone removes the pins of network namespaces that are gone. Only who holds the lock
// may do so.
func removeGone() error {
	places, err := pins(pinRoot).do(pinsList)
	errs := []error{err}
	for _, name := range places.Names {
		_, err := pins(pinRoot).below(name).do(pinsSweep)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
