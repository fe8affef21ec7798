package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/ui"
)

// runDashboard shows the running kernel until the user quits or ctx ends. Once
// everything is attached, it confines the process to what it still needs.
func runDashboard(ctx context.Context, opts probes.Options, needs confine.Needs) (err error) {
	host, kernel, err := hostAndKernel()
	if err != nil {
		return err
	}
	opts.AtOnce = true
	source, err := probes.NewLive(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if err := confine.Process(needs); err != nil {
		return err
	}
	return ui.Run(ctx, source, ui.Options{
		Version:  version(),
		Hostname: host,
		Kernel:   kernel,
		Interval: opts.Interval,
		Wiring:   source,
		ASCII:    ui.NeedsASCII(os.Getenv),
	})
}

func hostAndKernel() (host, kernel string, err error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", "", fmt.Errorf("uname: %w", err)
	}
	return unix.ByteSliceToString(name.Nodename[:]), unix.ByteSliceToString(name.Release[:]), nil
}
