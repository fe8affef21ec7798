package main

import (
	"context"
	"errors"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// measureWatching compares TCP through a veth that ebpftop watches with the
// same that nobody does.
func measureWatching(ctx context.Context, b *bench) error {
	values := make(map[string][]float64)
	for range b.rounds {
		for _, who := range []string{"nobody", "ebpftop"} {
			bits, err := measureVeth(ctx, b, who == "ebpftop")
			if err != nil {
				return err
			}
			values[who] = append(values[who], bits/1e9)
		}
	}
	const what = "TCP through a veth, watched by"
	nobody := newRow(what, "nobody", "Gbit/s", values["nobody"])
	watched := newRow(what, "ebpftop", "Gbit/s", values["ebpftop"])
	b.rows = append(b.rows, nobody, watched.against("nobody", watched.Median/nobody.Median, ">= 0.97"))
	return nil
}

func measureVeth(ctx context.Context, b *bench, watch bool) (bits float64, err error) {
	host, err := lab.New()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	peer, err := lab.New()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, peer.Close()) }()
	if err := lab.QuietVeth(host, "net0", peer, "net0"); err != nil {
		return 0, err
	}
	err = errors.Join(host.AddAddress("net0", rightAddress+"/24"), peer.AddAddress("net0", "198.51.100.1/24"))
	if err != nil {
		return 0, err
	}
	if watch {
		stats, err := startStats(ctx, b, host)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, stats.stop()) }()
	}
	bits, _, err = iperf(ctx, peer, host)
	return bits, err
}
