package crossconnect

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

// ingressMaps are the maps of an ingress of ours; those of others are programMaps.
type ingressMaps struct {
	record, traffic *ebpf.Map
	devices         deviceMaps
}

// namedMap is a map by the name that programs have it under, and where it is kept.
type namedMap struct {
	name string
	m    **ebpf.Map
}

func (i *ingressMaps) all() []namedMap {
	return []namedMap{
		{bpf.CrossConnectsMapRecord, &i.record},
		{bpf.CrossConnectsMapXdpDevices, &i.devices.xdp},
		{bpf.CrossConnectsMapTcDevices, &i.devices.tc},
		{bpf.CrossConnectsMapCrossConnectTraffic, &i.traffic},
	}
}

// make makes the maps, pinned if there are pins. With an error, what was made is to be
// closed.
func (i *ingressMaps) make(spec *ebpf.CollectionSpec, dir pins) error {
	for _, m := range i.all() {
		made, err := dir.newMap(spec.Maps[m.name])
		if err != nil {
			return err
		}
		*m.m = made
	}
	return nil
}

// open opens the pinned maps. With an error, what was opened is to be closed.
func (i *ingressMaps) open(spec *ebpf.CollectionSpec, dir pins) error {
	for _, m := range i.all() {
		opened, err := dir.openMap(spec.Maps[m.name])
		if err != nil {
			return err
		}
		*m.m = opened
	}
	return nil
}

// pin pins the maps.
func (i *ingressMaps) pin(dir pins) error {
	for _, m := range i.all() {
		if err := dir.pinObject(bpf.MapName(m.name), *m.m); err != nil {
			return fmt.Errorf("pin map %s: %w", m.name, err)
		}
	}
	return nil
}

// replacements are the maps for a program to be loaded with.
func (i *ingressMaps) replacements(control *ebpf.Map) map[string]*ebpf.Map {
	maps := map[string]*ebpf.Map{bpf.CrossConnectsMapControl: control}
	for _, m := range i.all() {
		maps[m.name] = *m.m
	}
	return maps
}

// Close closes those that are open; what is pinned stays.
func (i *ingressMaps) Close() error {
	var errs []error
	for _, m := range i.all() {
		if *m.m != nil {
			errs = append(errs, (*m.m).Close())
		}
	}
	return errors.Join(errs...)
}
