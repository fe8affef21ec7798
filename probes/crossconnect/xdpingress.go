package crossconnect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// XDPIngress is an interface whose frames XDP redirects. There is no room for a
// second XDP program that counts them: so one that does both can take the place
// of the one that only redirects. It is comparable: another value means that
// the program has to be put there again.
type XDPIngress struct {
	Ifindex int
	Hook    probes.Hook

	wiring *PairSet
	link   link.ID
}

// XDPIngresses lists the interfaces of the set that XDP serves, by ifindex.
func (w *PairSet) XDPIngresses() (map[int]XDPIngress, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refresh(); err != nil {
		return nil, inOneLine(err)
	}
	ports := make(map[int]XDPIngress)
	for _, p := range w.ingresses {
		if p.xdp == nil || p.ifindex() == 0 {
			continue
		}
		info, err := p.xdp.link.(link.Link).Info()
		if err != nil {
			return nil, fmt.Errorf("ask for the XDP link of %s: %w", p.name(), err)
		}
		ports[p.ifindex()] = XDPIngress{Ifindex: p.ifindex(), Hook: p.xdp.hook, wiring: w, link: info.ID}
	}
	return ports, nil
}

// Maps are those that the program has to be loaded with, by their names.
func (x XDPIngress) Maps() (map[string]*ebpf.Map, error) {
	x.wiring.mu.Lock()
	defer x.wiring.mu.Unlock()
	p, err := x.port()
	if err != nil {
		return nil, err
	}
	return p.replacements(x.wiring.control.m), nil
}

func (x XDPIngress) port() (*ingress, error) {
	for _, p := range x.wiring.ingresses {
		if p.ifindex() == x.Ifindex && p.xdp != nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("interface %d is not cross-connected by XDP any more", x.Ifindex)
}

// Watch puts a program in the place of the one that only redirects, without
// losing a frame. Closing brings that back.
func (x XDPIngress) Watch(program *ebpf.Program) (io.Closer, error) {
	err := x.change(func(p *ingress) error {
		if watcher := int(p.record.Watcher); watcher != 0 && watcher != os.Getpid() {
			return fmt.Errorf("%s is watched by process %d already", p.name(), watcher)
		}
		if err := p.bind(program, x.wiring.control.m); err != nil {
			return err
		}
		if err := p.replace(p.xdp, program); err != nil {
			return err
		}
		p.record.Watcher = uint32(os.Getpid())
		return p.write()
	})
	if err != nil {
		return nil, err
	}
	return countingProgram{x}, nil
}

// countingProgram is a program in the place of another.
type countingProgram struct{ XDPIngress }

func (x countingProgram) Close() error {
	return x.change(func(p *ingress) error {
		if int(p.record.Watcher) != os.Getpid() {
			return nil // another program is there by now
		}
		return x.wiring.unwatch(p)
	})
}

// change calls fn with the ingress, if it is still the same.
func (x XDPIngress) change(fn func(*ingress) error) error {
	return x.wiring.change(func(links, controlWord, time.Duration) error {
		p, gone := x.port()
		if gone != nil {
			return nil // gone, and its program with it
		}
		info, err := p.xdp.link.(link.Link).Info()
		if err != nil || info.ID != x.link {
			return err
		}
		return fn(p)
	})
}

// unwatch brings back the program that only redirects.
func (w *PairSet) unwatch(p *ingress) error {
	program, err := w.loader.load(p, XDP)
	if err != nil {
		return err
	}
	defer program.Close()
	if err := p.replace(p.xdp, program); err != nil {
		return err
	}
	p.record.Watcher = 0
	return p.write()
}

// unwatchDead brings it back where the process that watched was killed.
func (w *PairSet) unwatchDead() error {
	var errs []error
	for _, p := range w.ingresses {
		if p.isWatcherDead() {
			errs = append(errs, w.unwatch(p))
		}
	}
	return errors.Join(errs...)
}

func (p *ingress) isWatcherDead() bool {
	watcher := int(p.record.Watcher)
	return watcher != 0 && p.xdp != nil && !attach.IsEbpftop(strconv.Itoa(watcher))
}
