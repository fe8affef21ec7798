package main

import (
	"errors"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/cmd/bench/baselines"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// traceLab is two hosts and a veth between them.
type traceLab struct {
	watched, far *lab.Namespace
	nulls        *ebpf.Collection // programs that do nothing; nil before they are attached
	closers      []io.Closer
}

func newTraceLab() (l *traceLab, err error) {
	l = &traceLab{}
	for _, n := range []**lab.Namespace{&l.watched, &l.far} {
		if *n, err = lab.New(); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	err = lab.QuietVeth(l.watched, "net0", l.far, "net0")
	if err == nil {
		err = errors.Join(
			l.watched.AddAddress("net0", rightAddress+"/24"),
			l.far.AddAddress("net0", "198.51.100.1/24"),
		)
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// attachNulls attaches programs that do nothing, and has the kernel measure what all
// programs take. For tc they are at the far end, for ebpftop to be alone at its own.
func (l *traceLab) attachNulls() error {
	spec, err := baselines.LoadTrace()
	if err != nil {
		return err
	}
	if l.nulls, err = ebpf.NewCollection(spec); err != nil {
		return err
	}
	measuring, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return err
	}
	l.closers = append(l.closers, measuring)
	for _, name := range []string{
		baselines.TraceProgNullRx, baselines.TraceProgNullTx, baselines.TraceProgNullBusy,
	} {
		attached, err := link.AttachTracing(link.TracingOptions{Program: l.nulls.Programs[name]})
		if err != nil {
			return err
		}
		l.closers = append(l.closers, attached)
	}
	return l.attachNullTC()
}

// attachNullTC needs Linux 6.6.
func (l *traceLab) attachNullTC() error {
	veth, err := l.far.Link("net0")
	if err != nil {
		return err
	}
	return l.far.Do(func() error {
		for _, at := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
			attached, err := link.AttachTCX(link.TCXOptions{
				Program: l.nulls.Programs[baselines.TraceProgNullTc], Interface: veth.Attrs().Index, Attach: at,
			})
			if err != nil {
				return err
			}
			l.closers = append(l.closers, attached)
		}
		return nil
	})
}

func (l *traceLab) close() error {
	var errs []error
	for _, c := range l.closers {
		errs = append(errs, c.Close())
	}
	if l.nulls != nil {
		l.nulls.Close()
	}
	for _, n := range []*lab.Namespace{l.watched, l.far} {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}
