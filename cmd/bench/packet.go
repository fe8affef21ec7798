package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// runs is how often a frame is given to a program for one figure: short enough
// for some to fall between two interruptions.
const runs = 50_000

// subject is a program that frames are given to.
type subject struct {
	name    string
	program *ebpf.Program
	times   map[string][]float64 // ns a frame, by frame
}

// time is what a frame costs, ns. The kernel says it in whole nanoseconds only,
// so this is the time of the system call, most of which is the runs.
func (s *subject) time(frame []byte) (float64, error) {
	start := time.Now()
	_, _, err := s.program.Benchmark(frame, runs, nil)
	return float64(time.Since(start).Nanoseconds()) / runs, err
}

// packetBench holds the programs: ebpftop's are those that it attached, with
// the maps that it reads.
type packetBench struct {
	host, peer *lab.Namespace
	baselines  *ebpf.Collection
	turns      turntable
	subjects   []*subject
	closers    []func() error
}

func measurePackets(ctx context.Context, b *bench) (err error) {
	p := &packetBench{}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.open(ctx, b); err != nil {
		return err
	}
	frames := testFrames()
	for _, connections := range []int{1, 1000, 60000} {
		if err := p.fill(connections); err != nil {
			return err
		}
		if err := p.measure(b, frames, fmt.Sprintf(", %d connections", connections), (*subject).time); err != nil {
			return err
		}
	}
	// What most packets are spared: every one is of another connection than
	// those before it.
	return p.measure(b, frames[1:2], fmt.Sprintf(", %d connections in turn", turns), p.turns.time)
}

// measure compares the programs on each of frames, by what time says.
func (p *packetBench) measure(b *bench, frames []testFrame, suffix string, time func(*subject, []byte) (float64, error)) error {
	for _, s := range p.subjects {
		s.times = make(map[string][]float64)
	}
	for range 12 * b.rounds {
		for _, f := range frames {
			for _, s := range p.subjects {
				took, err := time(s, f.data)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, f.name, err)
				}
				s.times[f.name] = append(s.times[f.name], took)
			}
		}
	}
	for _, f := range frames {
		p.report(b, f.name, f.name+suffix)
	}
	return nil
}

// report compares medians over the floor, the price of passing a frame on.
func (p *packetBench) report(b *bench, frame, what string) {
	over := make(map[string]float64)
	rows := make(map[string]row)
	for _, s := range p.subjects {
		r := newRow(what, s.name, "ns", s.times[frame])
		rows[s.name] = r
		over[s.name] = r.Least - rows["bare_pass"].Least
	}
	sum := over["single_counter"] + over["protocol_array"] + over["tuple_hash"] + over["devmap_redirect"]
	ratio := func(part, whole float64) float64 { return part / max(whole, 1) }
	for _, s := range p.subjects {
		r := rows[s.name]
		switch s.name {
		case protocolsOnly:
			r = r.against("protocol_array", ratio(over[s.name], over["protocol_array"]), "<= 1.0")
		case connectOnly:
			r = r.against("devmap_redirect", ratio(over[s.name], over["devmap_redirect"]), "<= 1.1")
		case everything:
			r = r.against("sum of the four", ratio(over[s.name], sum), "<= 0.8")
		}
		b.rows = append(b.rows, r)
	}
}

// The names of ebpftop's subjects.
const (
	protocolsOnly = "ebpftop, protocols only"
	connectOnly   = "ebpftop, cross-connect only"
	everything    = "ebpftop, everything"
)

// open attaches ebpftop in three ways, each on a veth of its own.
func (p *packetBench) open(ctx context.Context, b *bench) error {
	spec, err := bpf.LoadBaselines()
	if err != nil {
		return err
	}
	if p.baselines, err = ebpf.NewCollection(spec); err != nil {
		return err
	}
	if p.host, err = lab.New(); err != nil {
		return err
	}
	if p.peer, err = lab.New(); err != nil {
		return err
	}
	for _, iface := range []string{"proto0", "wire0", "wire1", "all0", "all1"} {
		if err := lab.QuietVeth(p.host, iface, p.peer, iface); err != nil {
			return err
		}
	}
	for i, name := range []string{"bare_pass", "single_counter", "protocol_array", "tuple_hash", "devmap_redirect"} {
		if err := p.addBaseline(fmt.Sprint("base", i), name); err != nil {
			return err
		}
	}
	for _, pair := range [][2]string{{"wire0", "wire1"}, {"all0", "all1"}} {
		if err := p.finish(b, "xconnect", "add", pair[0], pair[1], "--datapath", "xdp"); err != nil {
			return err
		}
	}
	if err := p.start(ctx, b, "-i", "proto0", "--hook", "xdp", "--protocols-only"); err != nil {
		return err
	}
	if err := p.start(ctx, b, "-i", "all0"); err != nil {
		return err
	}
	for name, iface := range map[string]string{protocolsOnly: "proto0", connectOnly: "wire0", everything: "all0"} {
		program, err := p.attached(iface)
		if err != nil {
			return err
		}
		p.subjects = append(p.subjects, &subject{name: name, program: program})
	}
	return p.openTurns(spec)
}

// addBaseline attaches a baseline, as ebpftop's programs are: the kernel calls
// attached programs another way, and patches its code to run others.
func (p *packetBench) addBaseline(iface, name string) error {
	program := p.baselines.Programs[name]
	p.subjects = append(p.subjects, &subject{name: name, program: program})
	return p.attach(iface, program)
}

// attach attaches a program until the end.
func (p *packetBench) attach(iface string, program *ebpf.Program) error {
	if err := lab.QuietVeth(p.host, iface, p.peer, iface); err != nil {
		return err
	}
	veth, err := p.host.Link(iface)
	if err != nil {
		return err
	}
	return p.host.Do(func() error {
		attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: veth.Attrs().Index, Flags: link.XDPDriverMode})
		if err != nil {
			return fmt.Errorf("attach to %s: %w", iface, err)
		}
		p.closers = append(p.closers, attached.Close)
		return nil
	})
}

// finish runs ebpftop to its end.
func (p *packetBench) finish(b *bench, args ...string) error {
	_, err := output(p.host, exec.Command(b.program, args...))
	return err
}

// start has ebpftop count until the end.
func (p *packetBench) start(ctx context.Context, b *bench, args ...string) error {
	running, err := startStats(ctx, b, p.host, args...)
	if err == nil {
		p.closers = append(p.closers, running.stop)
	}
	return err
}

// attached is the XDP program on an interface.
func (p *packetBench) attached(iface string) (*ebpf.Program, error) {
	link, err := p.host.Link(iface)
	if err != nil {
		return nil, err
	}
	xdp := link.Attrs().Xdp
	if xdp == nil || !xdp.Attached {
		return nil, fmt.Errorf("no XDP program on %s", iface)
	}
	return ebpf.NewProgramFromID(ebpf.ProgramID(xdp.ProgId))
}

// fill makes the table of connections hold that many.
func (p *packetBench) fill(connections int) error {
	for _, s := range p.subjects {
		if s.name != everything && s.name != "tuple_hash" {
			continue
		}
		for i := range connections {
			frame := tcpFrame(64)
			binary.BigEndian.PutUint32(frame[26:], 0x0a000000+uint32(i)) // source address
			if _, err := s.program.Run(&ebpf.RunOptions{Data: frame}); err != nil {
				return fmt.Errorf("fill the table of %s: %w", s.name, err)
			}
		}
	}
	return nil
}

func (p *packetBench) close() error {
	var errs []error
	for _, c := range p.closers {
		errs = append(errs, c())
	}
	for _, s := range p.subjects {
		errs = append(errs, s.program.Close())
	}
	if p.baselines != nil {
		p.baselines.Close()
	}
	p.turns.close()
	if p.host != nil {
		errs = append(errs, disconnectAll(p.host), p.host.Close())
	}
	if p.peer != nil {
		errs = append(errs, p.peer.Close())
	}
	return errors.Join(errs...)
}

// disconnectAll removes the kept pairs of a namespace.
func disconnectAll(n *lab.Namespace) error {
	return n.Do(func() error {
		kept, err := crossconnect.OpenKept()
		if err != nil {
			return err
		}
		return errors.Join(kept.Set(nil, 0), kept.Close())
	})
}
