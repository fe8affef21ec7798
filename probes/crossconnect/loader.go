package crossconnect

import (
	"errors"
	"fmt"
	"maps"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// loader loads the redirecting programs, one for each ingress: a program that
// need not ask where it is costs a frame less.
type loader struct {
	spec    *ebpf.CollectionSpec
	control *ebpf.Map
	tc      probes.Hook // where tc programs go: tcx, or clsact before Linux 6.6
}

func newLoader() (*loader, error) {
	spec, err := bpf.LoadCrossConnects()
	if err != nil {
		return nil, fmt.Errorf("read the cross-connect programs: %w", err)
	}
	bpf.NameVariables(spec)
	frags := hasXDPHelper(asm.FnXdpGetBuffLen)
	if frags {
		const xdpHasFrags = 1 << 5 // BPF_F_XDP_HAS_FRAGS in linux/bpf.h
		spec.Programs[bpf.CrossConnectsProgConnectXdp].Flags |= xdpHasFrags
	}
	if err := spec.Variables[bpf.CrossConnectsVarHasXdpFrags].Set(frags); err != nil {
		return nil, fmt.Errorf("configure the cross-connect programs: %w", err)
	}
	l := &loader{spec: spec, tc: probes.HookTC}
	if !attach.HasTCX() {
		l.tc = probes.HookClsact
	}
	return l, nil
}

// hook is where the program for a datapath goes.
func (l *loader) hook(d Datapath) probes.Hook {
	switch d {
	case XDP:
		return probes.HookXDP
	case XDPGeneric:
		return probes.HookXDPGeneric
	}
	return l.tc
}

func hasXDPHelper(helper asm.BuiltinFunc) bool {
	return features.HaveProgramHelper(ebpf.XDP, helper) == nil
}

// load loads the program for a datapath with the maps of an ingress.
func (l *loader) load(p *ingress, d Datapath) (*ebpf.Program, error) {
	name := bpf.CrossConnectsProgConnectXdp
	if d == TC {
		name = bpf.CrossConnectsProgConnectTc
	}
	spec := l.spec.Copy()
	maps.DeleteFunc(spec.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
	// A filter may outlive the process: it redirects only while that renews its
	// lease.
	isLeased := l.hook(d) == probes.HookClsact && !p.isKept()
	isNativeVeth := d == XDP && p.isVeth
	var skbOffset uint32
	if isNativeVeth {
		skbOffset = kernel.VethSkbOffset()
	}
	err := errors.Join(
		spec.Variables[bpf.CrossConnectsVarIsLeased].Set(isLeased),
		spec.Variables[bpf.CrossConnectsVarHasEthernet].Set(!p.isBare),
		spec.Variables[bpf.CrossConnectsVarIsNativeVeth].Set(isNativeVeth),
		spec.Variables[bpf.CrossConnectsVarVethSkbOffset].Set(skbOffset),
	)
	if err != nil {
		return nil, fmt.Errorf("configure the cross-connect program: %w", err)
	}
	collection, err := kernel.Load(spec, p.maps.replacements(l.control), ebpf.ProgramOptions{})
	if err != nil {
		return nil, fmt.Errorf("load the cross-connect program: %w", err)
	}
	defer collection.Close()
	if err := p.bind(collection.Programs[name], l.control); err != nil {
		return nil, err
	}
	return collection.DetachProgram(name), nil
}
