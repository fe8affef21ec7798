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

	"github.com/ebpftop/ebpftop/cmd/bench/baselines"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// A figure is the least of some tries, which are short enough for some to fall between
// two interruptions.
const (
	tries = 12
	runs  = 50_000 // how often a frame is given to a program in one
)

// subject is a program that frames are given to, as if they came by the interface
// that it is attached to.
type subject struct {
	name    string
	program *ebpf.Program
	ifindex int // in the namespace that this is called in
}

// xdpContext is struct xdp_md.
type xdpContext struct {
	Data, DataEnd, DataMeta uint32
	IngressIfindex          uint32
	RxQueueIndex            uint32
	EgressIfindex           uint32
}

// run gives it a frame again and again.
func (s *subject) run(frame []byte, times uint32) error {
	_, err := s.program.Run(&ebpf.RunOptions{
		Data: frame, Repeat: times,
		Context: xdpContext{DataEnd: uint32(len(frame)), IngressIfindex: uint32(s.ifindex)},
	})
	return err
}

// time returns the cost of a frame, ns. Because the kernel reports it in whole
// nanoseconds only, it times the system call, of which the runs take most.
func (s *subject) time(frame []byte) (float64, error) {
	start := time.Now()
	err := s.run(frame, runs)
	return float64(time.Since(start).Nanoseconds()) / runs, err
}

// packetBench holds the programs: ebpftop's are those that it attached, with
// the maps that it reads.
type packetBench struct {
	host      *lab.Namespace
	baselines *ebpf.Collection
	turns     turntable
	subjects  []*subject
	closers   []func() error
}

func measurePackets(ctx context.Context, b *bench) (err error) {
	p := &packetBench{}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.open(ctx, b); err != nil {
		return err
	}
	return p.host.Do(func() error { return p.measureAll(b) })
}

// measureAll measures in the namespace of the interfaces.
func (p *packetBench) measureAll(b *bench) error {
	frames := testFrames()
	for _, connections := range []int{1, 1000, 60000} {
		if err := p.fill(connections); err != nil {
			return err
		}
		if err := p.measure(b, frames, fmt.Sprint("connections=", connections), (*subject).time); err != nil {
			return err
		}
	}
	// What most packets are spared: every one is of another connection than
	// those before it.
	return p.measure(b, frames[1:2], fmt.Sprint("connections-in-turn=", turns), p.turns.time)
}

// measure compares the programs on each of frames, by what time says.
func (p *packetBench) measure(b *bench, frames []testFrame, table string, time func(*subject, []byte) (float64, error)) error {
	for range b.rounds {
		for _, f := range frames {
			least, err := p.leastTimes(f, time)
			if err != nil {
				return err
			}
			p.report(b, "frame="+f.name+"/"+table, least)
		}
	}
	for _, f := range frames {
		over := figure{what: "frame=" + f.name + "/" + table, unit: overPassing}
		b.want(over.of(protocolsOnly), goal{atMost, 1, "protocol_array"})
		b.want(over.of(connectOnly), goal{atMost, 1.1, "devmap_redirect"})
		b.want(over.of(everything), goal{atMost, 0.8, sumOfParts})
	}
	return nil
}

// leastTimes returns the lowest cost of a frame, ns, by the name of the subject.
func (p *packetBench) leastTimes(f testFrame, time func(*subject, []byte) (float64, error)) (map[string]float64, error) {
	least := make(map[string]float64)
	for n := range tries {
		for _, s := range p.subjects {
			took, err := time(s, f.data)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", s.name, f.name, err)
			}
			if n == 0 || took < least[s.name] {
				least[s.name] = took
			}
		}
	}
	return least, nil
}

const (
	// overPassing is the unit of what is paid beyond passing a frame on.
	overPassing = "ns-over-pass/frame"
	sumOfParts  = "sum-of-the-four"
)

// parts are the baselines that do together what ebpftop does.
var parts = []string{"single_counter", "protocol_array", "tuple_hash", "devmap_redirect"}

func (p *packetBench) report(b *bench, what string, least map[string]float64) {
	over := func(name string) float64 { return least[name] - least["bare_pass"] }
	for _, s := range p.subjects {
		b.report(figure{what, s.name, "ns/frame"}, least[s.name])
		if s.name != "bare_pass" {
			b.report(figure{what, s.name, overPassing}, over(s.name))
		}
	}
	var sum float64
	for _, name := range parts {
		sum += over(name)
	}
	b.report(figure{what, sumOfParts, overPassing}, sum)
}

// The names of ebpftop's subjects.
const (
	protocolsOnly = "ebpftop-protocols-only"
	connectOnly   = "ebpftop-cross-connect-only"
	everything    = "ebpftop-everything"
)

// open attaches ebpftop in three ways, each on a TAP of its own: the programs for veths read the
// skb of a frame, which a frame of a test run has not.
func (p *packetBench) open(ctx context.Context, b *bench) error {
	spec, err := baselines.LoadXDP()
	if err != nil {
		return err
	}
	if p.baselines, err = ebpf.NewCollection(spec); err != nil {
		return err
	}
	if p.host, err = lab.New(); err != nil {
		return err
	}
	for _, iface := range []string{"proto0", "wire0", "wire1", "all0", "all1"} {
		if err := p.host.AddTap(iface); err != nil {
			return err
		}
	}
	for i, name := range append([]string{"bare_pass"}, parts...) {
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
	if err := p.start(ctx, b, "-i", "all0", "--hook", "xdp"); err != nil {
		return err
	}
	for name, iface := range map[string]string{protocolsOnly: "proto0", connectOnly: "wire0", everything: "all0"} {
		s, err := p.attached(iface)
		if err != nil {
			return err
		}
		s.name = name
		p.subjects = append(p.subjects, s)
	}
	return p.openTurns(spec)
}

// addBaseline attaches a baseline, as ebpftop's programs are: the kernel calls
// attached programs another way, and patches its code to run others.
func (p *packetBench) addBaseline(iface, name string) error {
	program := p.baselines.Programs[name]
	ifindex, err := p.attach(iface, program)
	p.subjects = append(p.subjects, &subject{name, program, ifindex})
	return err
}

// attach attaches a program until the end, and returns to what.
func (p *packetBench) attach(iface string, program *ebpf.Program) (ifindex int, err error) {
	if err := p.host.AddTap(iface); err != nil {
		return 0, err
	}
	tap, err := p.host.Link(iface)
	if err != nil {
		return 0, err
	}
	ifindex = tap.Attrs().Index
	return ifindex, p.host.Do(func() error {
		attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: ifindex, Flags: link.XDPDriverMode})
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
func (p *packetBench) attached(iface string) (*subject, error) {
	link, err := p.host.Link(iface)
	if err != nil {
		return nil, err
	}
	xdp := link.Attrs().Xdp
	if xdp == nil || !xdp.Attached {
		return nil, fmt.Errorf("no XDP program on %s", iface)
	}
	program, err := ebpf.NewProgramFromID(ebpf.ProgramID(xdp.ProgId))
	return &subject{program: program, ifindex: link.Attrs().Index}, err
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
			if err := s.run(frame, 1); err != nil {
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
