package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// wireLab is two hosts and a switch between them, joined in one way at a time.
type wireLab struct {
	left, right, hub *lab.Namespace
}

const rightAddress = "198.51.100.2"

func newWireLab() (w *wireLab, err error) {
	w = &wireLab{}
	for _, n := range []**lab.Namespace{&w.left, &w.right, &w.hub} {
		if *n, err = lab.New(); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	err = errors.Join(
		lab.QuietVeth(w.hub, "to-left", w.left, "net0"),
		lab.QuietVeth(w.hub, "to-right", w.right, "net0"),
	)
	if err == nil {
		err = errors.Join(
			w.left.AddAddress("net0", "198.51.100.1/24"),
			w.right.AddAddress("net0", rightAddress+"/24"),
		)
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *wireLab) close() error {
	var errs []error
	for _, n := range []*lab.Namespace{w.left, w.right, w.hub} {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}

// way is one way to join the two.
type way struct {
	name string
	join func(*wireLab) (part func() error, err error)
	// prepared: native XDP needs far ends that take its frames, and frames
	// that are no aggregates.
	prepared bool
}

var ways = []way{
	{name: "bridge", join: (*wireLab).bridge},
	{name: "ebpftop-tc", join: connectBy(crossconnect.Auto)},
	{name: "ebpftop-native-xdp", join: connectBy(crossconnect.XDP), prepared: true},
	{name: "ebpftop-generic-xdp", join: connectBy(crossconnect.XDPGeneric)},
}

func (w *wireLab) bridge() (func() error, error) {
	if err := w.hub.AddBridge("br0", "to-left", "to-right"); err != nil {
		return nil, err
	}
	return func() error { return w.hub.DeleteLink("br0") }, nil
}

func connectBy(d crossconnect.Datapath) func(*wireLab) (func() error, error) {
	return func(w *wireLab) (func() error, error) {
		var pairs *crossconnect.PairSet
		err := w.hub.Do(func() (err error) {
			if pairs, err = crossconnect.New(); err != nil {
				return err
			}
			return pairs.Set([]crossconnect.Pair{{A: "to-left", B: "to-right", AToB: d, BToA: d}}, 0)
		})
		return func() error { return w.hub.Do(pairs.Close) }, err
	}
}

func measureWires(ctx context.Context, b *bench) error {
	tcp, udp := figure{what: "frames=TCP", unit: "Gbit/s"}, figure{what: "frames=64B-UDP", unit: "kpps"}
	for range b.rounds {
		for _, way := range ways {
			bits, packets, err := measureWay(ctx, way)
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			b.report(tcp.of(way.name), bits/1e9)
			b.report(udp.of(way.name), packets/1e3)
		}
	}
	b.want(tcp.of("ebpftop-tc"), goal{atLeast, 1, "bridge"})
	b.want(udp.of("ebpftop-tc"), goal{atLeast, 1.15, "bridge"})
	return nil
}

// measureWay returns what arrives a second: bits of TCP, and packets of UDP.
func measureWay(ctx context.Context, way way) (bits, packets float64, err error) {
	w, err := newWireLab()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if way.prepared {
		for _, n := range []*lab.Namespace{w.left, w.right} {
			if err := n.PrepareForXDP("net0"); err != nil {
				return 0, 0, err
			}
		}
	}
	part, err := way.join(w)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, part()) }()
	tcp, err := iperf(ctx, w.left, w.right)
	if err != nil {
		return 0, 0, err
	}
	udp, err := iperf(ctx, w.left, w.right, "-u", "-b", "0", "-l", "22")
	return tcp.bits(), udp.received(), err
}
