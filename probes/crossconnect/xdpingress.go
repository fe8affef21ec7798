package crossconnect

import (
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
)

// XDPIngress is an interface whose frames XDP redirects. There is no room for a
// second XDP program that counts them, so a program that does both can take the
// place of the one that only redirects. XDPIngress is comparable: another value means
// that the program has to be put there again.
type XDPIngress struct {
	Ifindex int
	Hook    probes.Hook

	set  *PairSet
	link link.ID
}

// XDPIngresses lists the interfaces of the set that XDP serves, by ifindex.
func (s *PairSet) XDPIngresses() (map[int]XDPIngress, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.inKernel.refresh(); err != nil {
		return nil, inOneLine(err)
	}
	served := make(map[int]XDPIngress)
	for _, p := range s.inKernel.ingresses {
		if p.attached.xdp == nil || p.ifindex() == 0 {
			continue
		}
		info, err := p.attached.xdp.link.(link.Link).Info()
		if err != nil {
			return nil, fmt.Errorf("ask for the XDP link of %s: %w", p.name(), err)
		}
		served[p.ifindex()] = XDPIngress{Ifindex: p.ifindex(), Hook: p.attached.xdp.hook, set: s, link: info.ID}
	}
	return served, nil
}

// Maps are those that the program has to be loaded with, by their names.
func (x XDPIngress) Maps() (map[string]*ebpf.Map, error) {
	x.set.mu.Lock()
	defer x.set.mu.Unlock()
	p, err := x.ingress()
	if err != nil {
		return nil, err
	}
	return p.maps.replacements(x.set.inKernel.control.m), nil
}

func (x XDPIngress) ingress() (*ingress, error) {
	for _, p := range x.set.inKernel.ingresses {
		if p.ifindex() == x.Ifindex && p.attached.xdp != nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("interface %d is not cross-connected by XDP any more", x.Ifindex)
}

// Watch puts a program in the place of the one that only redirects, without
// losing a frame. To close what it returns brings back the one that only redirects.
func (x XDPIngress) Watch(program *ebpf.Program) (io.Closer, error) {
	err := x.change(func(p *ingress) error {
		self, err := thisProcess()
		if err != nil {
			return err
		}
		if watcher := p.record.Watcher; watcher.Pid != 0 && watcher != self {
			return fmt.Errorf("%s is watched by process %d already", p.name(), watcher.Pid)
		}
		if err := p.bind(program, x.set.inKernel.control.m); err != nil {
			return err
		}
		if err := p.attached.xdp.replace(program, &p.ingressRecord); err != nil {
			return err
		}
		p.record.Watcher = self
		return p.write()
	})
	if err != nil {
		return nil, err
	}
	return countingProgram{x}, nil
}

// countingProgram is a program in the place of the one that only redirects.
type countingProgram struct{ XDPIngress }

func (x countingProgram) Close() error {
	return x.change(func(p *ingress) error {
		if self, err := thisProcess(); err != nil || p.record.Watcher != self {
			return err // or another program is there by now
		}
		return p.unwatch(x.set.inKernel.loader)
	})
}

// change calls fn with the ingress, if that still has the same XDP link.
func (x XDPIngress) change(fn func(*ingress) error) error {
	return x.set.change(func(*change) error {
		p, gone := x.ingress()
		if gone != nil {
			return nil // gone, and its program with it
		}
		info, err := p.attached.xdp.link.(link.Link).Info()
		if err != nil || info.ID != x.link {
			return err
		}
		return fn(p)
	})
}

// unwatch brings back the program that only redirects.
func (p *ingress) unwatch(l *loader) error {
	program, err := l.load(p, p.attached.xdpDatapath())
	if err != nil {
		return err
	}
	defer program.Close()
	if err := p.attached.xdp.replace(program, &p.ingressRecord); err != nil {
		return err
	}
	p.record.Watcher = bpf.CrossConnectsProcess{}
	return p.write()
}

// isWatcherDead tells whether a process put a counting program here, and has ended since.
func (p *ingress) isWatcherDead() bool {
	return p.record.Watcher.Pid != 0 && p.attached.xdp != nil && processOf(p.record.Watcher).HasEnded()
}
