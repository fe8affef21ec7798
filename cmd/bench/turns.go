package main

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/cmd/bench/baselines"
)

// turns is how many connections take turns: many more than a CPU has slots.
const turns = 1 << 10

// turntable gives programs each frame from another address than the one before.
// It is two, since the kernel lets a program go on only in one that knows frames
// of several buffers if it does itself, as ebpftop's do and the baselines do not.
type turntable struct{ plain, frags *ebpf.Collection }

func (p *packetBench) openTurns(spec *ebpf.CollectionSpec) error {
	for _, t := range []struct {
		name       string
		collection **ebpf.Collection
		flags      uint32
	}{{"turn0", &p.turns.plain, 0}, {"turn1", &p.turns.frags, 1 << 5 /* BPF_F_XDP_HAS_FRAGS */}} {
		own := spec.Copy()
		own.Programs = map[string]*ebpf.ProgramSpec{baselines.XDPProgInTurn: own.Programs[baselines.XDPProgInTurn]}
		own.Programs[baselines.XDPProgInTurn].Flags |= t.flags
		err := own.Variables[baselines.XDPVarTurns].Set(uint32(turns))
		if err != nil {
			return err
		}
		if *t.collection, err = ebpf.NewCollection(own); err != nil {
			return err
		}
		if _, err := p.attach(t.name, (*t.collection).Programs[baselines.XDPProgInTurn]); err != nil {
			return err
		}
	}
	return nil
}

// time returns the cost of a frame in turn, ns: that of the subject and of the turning.
func (t *turntable) time(s *subject, frame []byte) (float64, error) {
	var errs [2]error
	for i, c := range []*ebpf.Collection{t.plain, t.frags} {
		next := c.Maps[baselines.XDPMapNextProgram]
		if errs[i] = next.Put(uint32(0), s.program); errs[i] == nil {
			turning := subject{program: c.Programs[baselines.XDPProgInTurn], ifindex: s.ifindex}
			return turning.time(frame)
		}
	}
	return 0, fmt.Errorf("go on in %s: %w, %w", s.name, errs[0], errs[1])
}

func (t *turntable) close() {
	for _, c := range []*ebpf.Collection{t.plain, t.frags} {
		if c != nil {
			c.Close()
		}
	}
}
