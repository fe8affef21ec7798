package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/impact"
	"github.com/ebpftop/ebpftop/probes/live"
	"github.com/ebpftop/ebpftop/ui"
)

// runDashboard shows the running kernel until the user quits or ctx ends. No pair can be
// changed if forbidden says why.
func runDashboard(ctx context.Context, watch *watchFlags, opts live.Options, b *beside, forbidden error) (err error) {
	color, ascii, err := watch.look(os.Getenv)
	if err != nil {
		return err
	}
	remote := impact.IsRemote()
	host, kernel, err := hostAndKernel()
	if err != nil {
		return err
	}
	b.startSaver() // while it may still run programs
	opts.AtOnce = true
	source, err := live.New(ctx, opts)
	if err != nil {
		return err
	}
	leaving := progressLine{out: os.Stderr}
	source.Detaching = leaving.show
	defer func() {
		err = errors.Join(err, source.Close())
		leaving.clear()
	}()
	return ui.Run(ctx, source, ui.Options{
		Version:   version(),
		Hostname:  host,
		Namespace: source.Namespace(),
		Kernel:    kernel,
		Interval:  opts.Interval,
		Pairs:     editorOf(source, forbidden),
		Remote:    remote,

		Save:        b.save,
		StopGroup:   b.stopGroup,
		StopWarning: stopWarning(kernel),
		ASCII:       ascii,
		Color:       color,
		Theme:       ui.Theme(watch.theme),
		Units:       ui.Units(watch.units),
		Mouse:       watch.mouse,
	})
}

// stopWarning says what does not go on while the process is stopped: before Linux 6.6,
// filters redirect only as long as the process renews their lease.
func stopWarning(kernel string) string {
	var major, minor int
	_, _ = fmt.Sscanf(kernel, "%d.%d", &major, &minor) // 0.0 warns
	if major > 6 || major == 6 && minor >= 6 {
		return ""
	}
	return "before Linux 6.6, pairs by tc pass on no frames until it goes on"
}

func hostAndKernel() (host, kernel string, err error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", "", fmt.Errorf("uname: %w", err)
	}
	return unix.ByteSliceToString(name.Nodename[:]), unix.ByteSliceToString(name.Release[:]), nil
}

// progressLine shows on a terminal how many interfaces are still to be detached from,
// once that takes long enough to be noticed.
type progressLine struct {
	out   io.Writer
	begun time.Time
	shown bool
}

const progressDelay = 300 * time.Millisecond

func (p *progressLine) show(left int) {
	if p.begun.IsZero() {
		p.begun = time.Now()
	}
	if time.Since(p.begun) < progressDelay {
		return
	}
	p.shown = true
	_, _ = fmt.Fprintf(p.out, "\rebpftop: detaching, %d interfaces left \x1b[K", left) // a lost line is no failure
}

// clear removes the line.
func (p *progressLine) clear() {
	if p.shown {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}
